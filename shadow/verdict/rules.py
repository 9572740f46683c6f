"""A rule: one thing a verdict asks, what was found, what was expected, and what follows when it is not so."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    """Whether a rule holds. Unknown never lets a candidate be promoted."""

    PASS = "pass"  # noqa: S105 - not a password
    FAIL = "fail"
    UNKNOWN = "unknown"


class Effect(StrEnum):
    """What the verdict is while a rule fails (a rule that is unknown only keeps it from being `promote`)."""

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
    result: Result
    effect: Effect
    detail: str

    def as_json(self) -> dict[str, object]:
        """The rule for a document; numbers JSON does not have are null."""
        return {
            "rule": self.rule,
            "title": self.title,
            "value": finite(self.value),
            "threshold": finite(self.threshold),
            "unit": self.unit,
            "result": self.result.value,
            "effect": self.effect.value,
            "detail": self.detail,
        }


def finite(value: float | None) -> float | None:
    """The number, or None where JSON has none for it."""
    return value if value is not None and math.isfinite(value) else None


def at_least(
    rule: str, title: str, value: float | None, threshold: float, unit: str, effect: Effect, detail: str
) -> Rule:
    """A rule that passes when the value has reached the threshold; unknown without a value."""
    result = Result.UNKNOWN if value is None else Result.PASS if value >= threshold else Result.FAIL
    return Rule(rule, title, value, threshold, unit, result, effect, detail)
