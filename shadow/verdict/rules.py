"""A rule: one condition of a verdict, with the value measured, the threshold, and the effect of failing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum


class RuleResult(StrEnum):
    """Whether a rule holds. Unknown never lets a candidate be promoted."""

    PASS = "pass"  # noqa: S105 - not a password
    FAIL = "fail"
    UNKNOWN = "unknown"


class Effect(StrEnum):
    """The verdict's state while a rule fails; a rule that is unknown only rules out `promote`."""

    INSUFFICIENT = "insufficient"
    CONTINUE = "continue"
    BLOCKED = "blocked"
    REJECT = "reject"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a verdict. `value` and `threshold` are in `unit`; None: there is no such number (yet)."""

    rule: str
    title: str
    value: float | None
    threshold: float | None
    unit: str
    result: RuleResult
    effect: Effect
    detail: str


def finite(value: float | None) -> float | None:
    """Return the number, or None where JSON has none for it."""
    return value if value is not None and math.isfinite(value) else None


def minimum_rule(
    rule: str, title: str, value: float | None, threshold: float, unit: str, effect: Effect, detail: str
) -> Rule:
    """Make a rule that passes when the value has reached the threshold; unknown without a value."""
    if value is None:
        result = RuleResult.UNKNOWN
    else:
        result = RuleResult.PASS if value >= threshold else RuleResult.FAIL
    return Rule(rule, title, value, threshold, unit, result, effect, detail)
