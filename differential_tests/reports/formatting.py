"""Texts: values, numbers and whatever a foreign service said, as one short line that hides nothing."""

from __future__ import annotations

import json
import math
from typing import Any

from monitoring.phrases import count, escaped, visible

__all__ = ["SHOWN_CHARACTERS", "apart", "count", "cut", "escaped", "line", "number", "value", "visible"]
__test__ = {"count": count, "visible": visible}

SHOWN_CHARACTERS = 80


def cut(text: str, most: int = SHOWN_CHARACTERS) -> str:
    """A text that is longer than `most` ends in three dots."""
    return text if len(text) <= most else text[: most - 3] + "..."


def line(text: str, most: int = SHOWN_CHARACTERS) -> str:
    """A foreign text as one line."""
    # Cut first, since an escape is longer than what it stands for; and again, for the same reason.
    return cut(visible(cut(text, most)), most)


def value(found: Any) -> str:
    """An answer, or a part of one, as JSON; NaN and Infinity as such."""
    return line(json.dumps(found, ensure_ascii=False))


def number(found: float | None, unit: str = "") -> str:
    """Four digits of a number, in a form that suits its size; nothing for None.

    >>> number(1234567.8), number(0.00012345), number(0.0), number(1.0, " %")
    ('1,234,568', '0.0001234', '0', '1 %')
    """
    if found is None:
        return ""
    large = 1e4 <= abs(found) < 1e15
    return (f"{found:,.0f}" if large else f"{found:.4g}") + unit


def apart(a: float, b: float) -> tuple[str, str]:
    """Two numbers with as many digits as it takes to see how far apart they are; as JSON if that is short."""
    return _apart(a, b), _apart(b, a)


def _apart(shown: float, other: float) -> str:
    exact = value(shown)
    if isinstance(shown, bool) or not (math.isfinite(shown) and math.isfinite(other)) or len(exact) <= 8:
        return exact
    larger, difference = max(abs(shown), abs(other)), abs(shown - other)
    digits = 6 if not difference else max(6, 3 + math.ceil(math.log10(larger) - math.log10(difference)))
    if digits > 12 or not 1e-4 <= abs(shown) < 1e12:
        return exact
    places = max(0, digits - 1 - math.floor(math.log10(abs(shown))))
    return f"{shown:,.{places}f}"
