"""Findings, checks and their parts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from differential_tests.questions import MEANT_TO_BE_ANSWERED
from differential_tests.run_file import RunHeader


class Level(StrEnum):
    """Which two systems are compared; the first level that fails shows where to look."""

    D0 = "D0"
    D1 = "D1"
    D2 = "D2"
    D3 = "D3"
    D4 = "D4"
    D5 = "D5"

    @property
    def purpose(self) -> str:
        """Return the purpose in a few words."""
        return _PURPOSES[self]


_PURPOSES = {
    Level.D0: "noise: one side against itself",
    Level.D1: "research pipeline against package",
    Level.D2: "package against API",
    Level.D3: "this release against the previous one",
    Level.D4: "live against candidate",
    Level.D5: "relations that have to hold",
}


class FindingKind(StrEnum):
    """The kind of a difference."""

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

    kind: FindingKind
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
class KindCounts:
    """Counts for one kind of question: `answered` and `refused` alike by both sides, of `rows`.

    `empty` of the answered ones have nothing but null and NaN on both sides. `refusal` is what most of the
    refused ones were refused with.
    """

    kind: str
    rows: int
    answered: int
    refused: int
    empty: int = 0
    refusal: str = ""

    @property
    def should_be_answered(self) -> bool:
        """Return whether a refusal by both sides means a misunderstood question."""
        return self.kind in MEANT_TO_BE_ANSWERED


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison, or the `error` that prevented it.

    `findings` are ordered by weight: what concerns whole rows first, then the largest differences.
    `facts` are tolerance, noise, hashes: whatever a reader needs to make the check again. `kind_counts`
    account for the questions, kind by kind.
    """

    level: Level
    name: str
    dataset: str
    rows: int
    a: RunHeader | None = None
    b: RunHeader | None = None
    findings: tuple[Finding, ...] = ()
    spreads: tuple[Spread, ...] = ()
    pairs: Pairs | None = None
    facts: dict[str, str] = field(default_factory=dict)
    kind_counts: tuple[KindCounts, ...] = ()
    seconds: float = 0.0
    error: str = ""

    @property
    def unanswered(self) -> int:
        """Count rows that need an answer and that both sides refused or answered with null and NaN."""
        return sum(kind.refused + kind.empty for kind in self.kind_counts if kind.should_be_answered)

    @property
    def passed(self) -> bool:
        """Return whether the check ran without findings."""
        return not self.error and not self.findings


def require_answers(check: Check) -> Check:
    """Turn a check without any answer into an error: no data is never a pass."""
    wanted = [kind for kind in check.kind_counts if kind.should_be_answered]
    if check.error or not wanted or check.unanswered < sum(kind.rows for kind in wanted):
        return check
    refused, empty = sum(kind.refused for kind in wanted), sum(kind.empty for kind in wanted)
    codes = ", ".join(sorted({repr(kind.refusal)[:80] for kind in wanted if kind.refusal}))
    reasons = [f"refused {refused:,} of them alike ({codes})"] if refused else []
    reasons += [f"answered {empty:,} with nothing but null and NaN"] if empty else []
    kinds = ", ".join(f"{kind.rows:,} {kind.kind}" for kind in wanted)
    return replace(
        check,
        error=f"no question was answered: rows that should be: {kinds}; both sides {' and '.join(reasons)}. "
        "Do the payloads have the fields that the sides expect, and does [service] of the terms say how rows "
        "are sent and where the answers are?",
    )


def exit_status(checks: tuple[Check, ...]) -> int:
    """Return 0 without findings, 1 with findings, 2 if something (or everything) could not run."""
    if not checks or any(check.error for check in checks):
        return 2
    return 1 if any(check.findings for check in checks) else 0
