"""Formats numbers, times and shares for people; an unknown value is a dash."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

UNKNOWN = "–"  # noqa: RUF001 (a dash, as people write it)
_STATES = {0: "none", 1: "yellow", 2: "red"}
_AGES = ((86400 * 2, 86400, "days"), (3600 * 2, 3600, "hours"), (60 * 2, 60, "minutes"))


def known(value: Any) -> float | None:
    """Return the number, or None for anything else: a missing key, null, NaN, text."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def whole(value: Any) -> str:
    """Format a whole number, such as 12,345."""
    number = known(value)
    return UNKNOWN if number is None else f"{number:,.0f}"


def decimal(value: Any, digits: int = 4) -> str:
    """Format a decimal, such as 0.0123."""
    number = known(value)
    return UNKNOWN if number is None else f"{number:,.{digits}f}"


def signed(value: Any, digits: int = 4) -> str:
    """Format a decimal with its sign, such as +0.0123."""
    number = known(value)
    return UNKNOWN if number is None else f"{number:+,.{digits}f}"


def dollars(value: Any) -> str:
    """Format dollars, such as $181,235."""
    number = known(value)
    return UNKNOWN if number is None else f"-${-number:,.0f}" if number < 0 else f"${number:,.0f}"


def share(value: Any, digits: int = 1) -> str:
    """Format a share in percent, such as 12.3 %."""
    number = known(value)
    return UNKNOWN if number is None else f"{100 * number:.{digits}f} %"


def points(value: Any) -> str:
    """Format a change of a share in percentage points, such as +1.2."""
    number = known(value)
    return UNKNOWN if number is None else f"{100 * number:+.1f}"


def gap(value: Any) -> str:
    """Format a difference of logarithms as the difference of prices, such as +5.1 %."""
    number = percent(value)
    return UNKNOWN if number is None else f"{number:+.1f} %"


def size(value: Any) -> str:
    """Format the size of a difference of logarithms, without its sign, such as 5.1 %."""
    number = percent(value)
    return UNKNOWN if number is None else f"{abs(number):.1f} %"


def percent(value: Any) -> float | None:
    """100 (exp(g) - 1): by how many percent the second price is above the first."""
    number = known(value)
    return None if number is None or number > 700 else 100 * math.expm1(number)


def seconds(value: Any) -> str:
    """Format a duration in a suitable unit."""
    number = known(value)
    if number is None:
        return UNKNOWN
    for least, unit, name in _AGES:
        if abs(number) >= least:
            return f"{number / unit:,.0f} {name}"
    return f"{number:,.0f} seconds" if number >= 10 else f"{number:.1f} seconds"


def moment(value: Any) -> str:
    """2026-11-21 09:15:30 UTC, from a time or its ISO text; a text that is none is given back."""
    time = _time(value)
    if time is None:
        return value if isinstance(value, str) else UNKNOWN
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def age(value: Any, now: datetime) -> str:
    """Format how long ago something was."""
    time = _time(value)
    if time is None:
        return UNKNOWN
    passed = now - time
    return "just now" if passed < timedelta(seconds=2) else f"{seconds(passed.total_seconds())} ago"


def day(value: Any) -> str:
    """Format a day: its date, or the time of day if a day lasts seconds."""
    text = str(value)
    return text[11:19] if len(text) > 10 and text[10] == "T" else text


def _time(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return None
    if not isinstance(moment, datetime):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def in_unit(value: Any, unit: Any) -> str:
    """Format a rule's value or threshold in its unit."""
    if unit == "share":
        number = known(value)
        return UNKNOWN if number is None else f"{100 * number:.3g} %"
    if unit == "state":
        return UNKNOWN if known(value) is None else _STATES.get(value, UNKNOWN)
    if unit == "ln E":
        return decimal(value, 2)
    if unit in ("houses", "days", "times", "segments"):
        number = known(value)
        return whole(value) if number is None or number.is_integer() else decimal(value, 1)
    return "0" if known(value) == 0 else signed(value, 4)


def plain(value: Any) -> str:
    """Format a number for a form, such as 1350 or 0.5."""
    number = known(value)
    return "" if number is None else f"{number:.15g}"


def words(name: Any) -> str:
    """living_area as people say it: living area."""
    return str(name).replace("_", " ").replace(":", ": ")


def short(digest: Any) -> str:
    """Shorten a hash to its first characters."""
    return str(digest)[:12] if digest else UNKNOWN


FILTERS: Mapping[str, Any] = {
    format_.__name__: format_
    for format_ in (
        whole,
        decimal,
        signed,
        dollars,
        share,
        points,
        gap,
        size,
        seconds,
        day,
        moment,
        age,
        in_unit,
        plain,
        words,
        short,
    )
}
