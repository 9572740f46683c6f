"""The two keys of a statement, each made of sums: a betting test on rows, a confidence sequence on days.

Sources and formulae: monitoring.statistics.sequential; why a statement takes both keys: docs/decisions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from monitoring.statistics import sequential
from monitoring.statistics.sums import Sums
from shadow.verdict.evidence import DaySums, StreamEvidence


@dataclass(frozen=True, slots=True)
class PairedDifferences:
    """The paired differences of some rows: their number, their sum, and the log gain of each bet on them."""

    rows: int
    total: float
    bets: tuple[float, ...]

    @property
    def mean(self) -> float | None:
        """The mean difference."""
        return self.total / self.rows if self.rows else None


DifferencesOf = Callable[[Sums], PairedDifferences]
"""Which differences a key tests."""


def sold_differences(sums: Sums) -> PairedDifferences:
    """Take the sold rows: a positive difference speaks for the candidate."""
    return PairedDifferences(int(sums.sold), sums.d, sums.promote)


def worst_case_differences(sums: Sums) -> PairedDifferences:
    """Take every pair at its worst: no outcome makes d smaller than -min(|ln(candidate / live)|, c)."""
    return PairedDifferences(int(sums.pairs), -sums.m, sums.certificate)


def harm_differences(sums: Sums) -> PairedDifferences:
    """Take the sold rows, for the candidate being worse by more than the margin."""
    return PairedDifferences(int(sums.sold), -sums.d, sums.harm)


def regret_differences(sums: Sums) -> PairedDifferences:
    """Take the sold rows, for the candidate being better by more than the margin."""
    return PairedDifferences(int(sums.sold), sums.d, sums.regret)


@dataclass(frozen=True, slots=True)
class RowsKey:
    """The betting test on rows: `ln_e` is the log of the capital (an e-value)."""

    ln_e: float
    threshold: float

    @property
    def is_proved(self) -> bool:
        """Whether the capital has reached the threshold."""
        return self.ln_e >= self.threshold


@dataclass(frozen=True, slots=True)
class DaysKey:
    """The confidence sequence on days: `lower` bounds the mean of the day sums; None before two days."""

    lower: float | None
    days: int
    needed_days: int

    @property
    def is_proved(self) -> bool:
        """Whether the bound is positive, over enough days."""
        return self.lower is not None and self.lower > 0 and self.days >= self.needed_days


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Both keys of one statement; it is proved when both keys prove it."""

    rows: RowsKey
    days: DaysKey

    @property
    def is_proved(self) -> bool:
        """Whether both keys prove the statement."""
        return self.rows.is_proved and self.days.is_proved


def key_pair(
    evidence: StreamEvidence,
    days: DaySums,
    total: Sums,
    differences_of: DifferencesOf,
    margin: float,
    alpha: float,
) -> KeyPair:
    """Compute both keys over `days`, whose sums are `total`; `margin` is added to each difference."""
    blocks = block_sums(days, differences_of, margin)
    lower = sequential.lower_bound(blocks, alpha, evidence.policy.k_star) if len(blocks) > 1 else None
    return KeyPair(
        rows_key(differences_of(total).bets, alpha), DaysKey(lower, len(blocks), evidence.policy.min.days)
    )


def rows_key(bets: Sequence[float], alpha: float) -> RowsKey:
    """Compute the key of the sums of bets."""
    return RowsKey(sequential.ln_e(bets), math.log(1 / alpha))


def block_sums(days: DaySums, differences_of: DifferencesOf, margin: float) -> list[float]:
    """Return the sum of difference + margin of each day that has rows."""
    by_day = [differences_of(sums) for _, sums in days]
    return [differences.total + margin * differences.rows for differences in by_day if differences.rows]
