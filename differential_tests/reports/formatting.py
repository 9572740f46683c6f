"""Format values, numbers and foreign texts as one short line that hides nothing."""

from __future__ import annotations

import json
import math
from typing import Any

from monitoring.phrases import count, escaped, visible

__all__ = [
    "SHOWN_CHARACTERS",
    "count",
    "cut",
    "differing_digits",
    "escaped",
    "line",
    "number",
    "value",
    "visible",
]
__test__ = {"count": count, "visible": visible}

SHOWN_CHARACTERS = 80


def cut(text: str, most: int = SHOWN_CHARACTERS) -> str:
    """Cut a text longer than `most`, with three dots at its end."""
    return text if len(text) <= most else text[: most - 3] + "..."


def line(text: str, most: int = SHOWN_CHARACTERS) -> str:
    """Escape and cut a foreign text to one line."""
    # Cut first, since an escape is longer than what it stands for; and again, for the same reason.
    return cut(visible(cut(text, most)), most)


def value(answer: Any) -> str:
    """Write an answer, or a part of it, as JSON with NaN and Infinity."""
    return line(json.dumps(answer, ensure_ascii=False))


def number(figure: float | None, unit: str = "") -> str:
    """Format four digits of a number; return "" for None.

    >>> number(1234567.8), number(0.00012345), number(0.0), number(1.0, " %")
    ('1,234,568', '0.0001234', '0', '1 %')
    """
    if figure is None:
        return ""
    large = 1e4 <= abs(figure) < 1e15
    return (f"{figure:,.0f}" if large else f"{figure:.4g}") + unit


def differing_digits(a: float, b: float) -> tuple[str, str]:
    """Format two numbers with enough digits to show the difference; as JSON if that is short."""
    return _enough_digits(a, b), _enough_digits(b, a)


def _enough_digits(number: float, other: float) -> str:
    exact = value(number)
    if isinstance(number, bool) or not (math.isfinite(number) and math.isfinite(other)) or len(exact) <= 8:
        return exact
    larger, difference = max(abs(number), abs(other)), abs(number - other)
    digits = 6 if not difference else max(6, 3 + math.ceil(math.log10(larger) - math.log10(difference)))
    if digits > 12 or not 1e-4 <= abs(number) < 1e12:
        return exact
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(number))))
    return f"{number:,.{decimals}f}"
