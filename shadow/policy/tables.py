"""The tables of a policy file: every key with its unit and range, checked strictly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic_core import PydanticCustomError

SEGMENTS_MOST = 12
_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-")


def checked(is_valid: Callable[[Any], bool], expected: str) -> BeforeValidator:
    """Accept what is valid as it is; of all else say what was expected."""

    def check(value: object) -> object:
        if not is_valid(value):
            raise PydanticCustomError("expected", "{words}", {"words": expected})
        return value

    return BeforeValidator(check)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def number(unit: str, low: float, high: float) -> BeforeValidator:
    """Accept a number from `low` to `high`, both included, in this unit."""
    exactly = f"{low:.12g}" if low == high else f"a number from {low:.12g} to {high:.12g}"
    return checked(lambda value: _is_number(value) and low <= value <= high, f"{exactly} ({unit})")


def whole_number(unit: str, low: int, high: int) -> BeforeValidator:
    """Accept a whole number from `low` to `high`, both included, in this unit."""
    exactly = str(low) if low == high else f"a whole number from {low} to {high}"
    return checked(lambda value: type(value) is int and low <= value <= high, f"{exactly} ({unit})")


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 24 and set(value) <= _NAME_CHARACTERS


_NAME = "a name of at most 24 lower-case letters, digits, - and _"
Name = Annotated[str, checked(_is_name, _NAME)]
Switch = Annotated[bool, checked(lambda value: isinstance(value, bool), "true or false")]
Share = Annotated[float, number("share", 0, 1)]
Days = Annotated[int, whole_number("days", 1, 1_000_000)]
RowCount = Annotated[int, whole_number("houses", 1, 1_000_000_000)]
Loss = Annotated[float, number("log units", 0, 1)]
Dollars = Annotated[float, number("dollars", 0, 1e12)]


class PolicyTable(BaseModel):
    """A table of a policy's file: its keys are known, and its values of the stated type."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Margin(PolicyTable):
    """How much worse a candidate may be: a share of the live model's mean hold-out loss, or log units."""

    relative: Share | None = None
    absolute: Loss | None = None


class Bets(PolicyTable):
    """Stakes of the betting key as shares of its capital, as in `monitoring.statistics.sums.BETS`."""

    low: Annotated[float, number("share of the capital", 0.02, 0.02)]
    high: Annotated[float, number("share of the capital", 0.95, 0.95)]
    count: Annotated[int, whole_number("bets", 10, 10)]


class Minimum(PolicyTable):
    """The exposure that a promotion needs."""

    entities: RowCount
    days: Annotated[int, whole_number("days", 2, 1_000_000)]
    weekdays: Annotated[int, whole_number("times each weekday", 0, 1000)]
    coverage: Share
    per_segment: RowCount


class DeclaredDimension(PolicyTable):
    """One declared dimension."""

    by: str
    edges: tuple[Annotated[float, number("dollars, years or the field's unit", -1e9, 1e9)], ...] | None = None
    groups: dict[Name, tuple[str, ...]] | None = None
    missing: Literal[True] | None = None


class Segments(PolicyTable):
    """The segments, and what the evidence has to show in each."""

    margin: Annotated[float, number("log units", 0, 0.5)]
    min_share: Share
    max: Annotated[int, whole_number("segments", 0, SEGMENTS_MOST)]
    dimensions: dict[Name, DeclaredDimension]


class Maturity(PolicyTable):
    """How old a day has to be before it counts."""

    quantile: Annotated[float, number("share of the delays", 0.5, 1)]
    default_days: Annotated[int, whole_number("days", 0, 1_000_000)]
    min_delays: Annotated[int, whole_number("outcomes", 1, 1_000_000)]


class WorstDay(PolicyTable):
    """The limit for the worst mature day."""

    mean: Annotated[float, number("log units", -1, 0)]
    houses: RowCount


class LatencyGuardrail(PolicyTable):
    """The share of slow predictions that is allowed."""

    budget_seconds: Annotated[float, number("seconds", 1e-6, 3600)]
    share: Share
    rows: Annotated[int, whole_number("measured houses", 1, 1_000_000_000)]


class Guardrails(PolicyTable):
    """Limits of bounded variables; shadow.verdict.guardrails says when one passes, fails or is unknown."""

    errors: Share
    catastrophes: Share
    latency: LatencyGuardrail
    dropped: Share
    pending: Share
    absurd: Share
    price_range_dollars: tuple[Dollars, Dollars]
    require_proof: Switch


class Drift(PolicyTable):
    """Whether and how drift keeps a candidate from being promoted."""

    gate: Switch
    windows_days: tuple[Days, Days]
    min_houses: Annotated[int, whole_number("houses", 500, 1_000_000_000)]


class Automation(PolicyTable):
    """What Umbra does without a person."""

    promote: Switch
    rollback: Switch
