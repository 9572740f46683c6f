"""Findings: what differs and should not, and what a check has seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from differential_tests.runs import Header


class Level(StrEnum):
    """Which two things are held against each other; the first level that fails tells where to look."""

    D0 = "D0"
    D1 = "D1"
    D2 = "D2"
    D3 = "D3"
    D4 = "D4"
    D5 = "D5"

    @property
    def purpose(self) -> str:
        """In a few words."""
        return _PURPOSES[self]


_PURPOSES = {
    Level.D0: "noise: one side against itself",
    Level.D1: "research pipeline against package",
    Level.D2: "package against API",
    Level.D3: "this release against the previous one",
    Level.D4: "live against candidate",
    Level.D5: "relations that have to hold",
}


class Kind(StrEnum):
    """What is wrong with one row."""

    MISSING = "missing"  # answered by the first side only
    EXTRA = "extra"  # answered by the second side only
    DOUBLED = "doubled"  # one id twice on a side
    FAILURE = "failure"  # a side gave no answer: timeout, broken connection
    REFUSAL = "refusal"  # another status or another error code
    PATH = "path"  # a value is there on one side only
    TYPE = "type"
    SIGN = "sign"
    NAN = "nan"
    INFINITE = "infinite"
    NUMBER = "number"
    TEXT = "text"
    RELATION = "relation"  # f(x) against f(T x)
    BUDGET = "budget"  # too many rows, or too much of a difference, for what was agreed


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference of one row: `difference` is b - a in its unit, `percent` is of the larger one."""

    kind: Kind
    row: str
    path: str = ""
    a: Any = None
    b: Any = None
    difference: float | None = None
    percent: float | None = None
    segment: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Spread:
    """The absolute differences of one path (in one segment, if `segment` is set), in its unit and in percent.

    `beyond` counts those that exceed the tolerance, `quantiles` and `percents` are p50, p90, p99 and the
    largest over all compared values.
    """

    path: str
    segment: str
    compared: int
    differing: int
    beyond: int
    quantiles: tuple[float, float, float, float]
    percents: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Pairs:
    """A sample of the numbers of one path for plots: two arrays of shape (n,) and the ids of the rows."""

    path: str
    rows: tuple[str, ...]
    a: NDArray[np.float64]
    b: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison that was made, or could not be made (`error`).

    `findings` are ordered by weight: what concerns whole rows first, then the largest differences.
    `facts` are tolerance, noise, hashes: whatever a reader needs to make the check again.
    """

    level: Level
    name: str
    dataset: str
    rows: int
    a: Header | None = None
    b: Header | None = None
    findings: tuple[Finding, ...] = ()
    spreads: tuple[Spread, ...] = ()
    pairs: Pairs | None = None
    facts: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    error: str = ""

    @property
    def passed(self) -> bool:
        """It was made, and nothing was found."""
        return not self.error and not self.findings


def exit_status(checks: tuple[Check, ...]) -> int:
    """0 same, 1 findings, 2 when something could not run (or nothing did)."""
    if not checks or any(check.error for check in checks):
        return 2
    return 1 if any(check.findings for check in checks) else 0
