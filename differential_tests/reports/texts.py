"""Texts: values, numbers and whatever a foreign service said, as one short line that hides nothing."""

from __future__ import annotations

import json
from typing import Any

from monitoring.phrases import count, escaped, visible

__all__ = ["SHOWN_CHARACTERS", "count", "cut", "escaped", "line", "number", "value", "visible"]
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
