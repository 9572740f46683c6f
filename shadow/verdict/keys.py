"""The keys of a verdict, each made of sums: one on houses (betting), one on days (confidence sequence).

Sources and formulae: monitoring.statistics.sequential; why there are two, and why both must turn:
docs/decisions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from monitoring.statistics import sequential
from monitoring.statistics.sums import Sums
from shadow.verdict.facts import Days, Facts


@dataclass(frozen=True, slots=True)
class Reading:
    """What a key reads of sums: how many houses, the sum of their differences, the log gain of each bet."""

    houses: int
    difference: float
    bets: tuple[float, ...]

    @property
    def mean(self) -> float | None:
        """The mean difference."""
        return self.difference / self.houses if self.houses else None


Read = Callable[[Sums], Reading]


def sold(sums: Sums) -> Reading:
    """The sold houses: positive differences speak for the candidate."""
    return Reading(int(sums.sold), sums.d, sums.promote)


def pairs(sums: Sums) -> Reading:
    """Every pair at its worst: no outcome makes the difference smaller than -min(|ln(candidate/live)|, c)."""
    return Reading(int(sums.pairs), -sums.m, sums.certificate)


def harm(sums: Sums) -> Reading:
    """The sold houses, for the candidate being worse by more than the margin."""
    return Reading(int(sums.sold), -sums.d, sums.harm)


def regret(sums: Sums) -> Reading:
    """The sold houses, for the candidate being better by more than the margin."""
    return Reading(int(sums.sold), sums.d, sums.regret)


@dataclass(frozen=True, slots=True)
class HousesKey:
    """The betting key: `ln_e` is the log of the capital."""

    ln_e: float
    threshold: float

    @property
    def turned(self) -> bool:
        """Whether it is proved."""
        return self.ln_e >= self.threshold


@dataclass(frozen=True, slots=True)
class DaysKey:
    """The key on days: `lower` bounds the mean of the day sums; None before there are two days."""

    lower: float | None
    days: int
    needed_days: int

    @property
    def turned(self) -> bool:
        """Whether it is proved."""
        return self.lower is not None and self.lower > 0 and self.days >= self.needed_days


@dataclass(frozen=True, slots=True)
class Keys:
    """Both keys of one statement; it is proved when both are turned."""

    houses: HousesKey
    days: DaysKey

    @property
    def turned(self) -> bool:
        """Whether both are."""
        return self.houses.turned and self.days.turned


def keys(facts: Facts, days: Days, whole: Sums, read: Read, margin: float, alpha: float) -> Keys:
    """Both keys of `read` over `days`, which are `whole` together; `margin` is added to each difference."""
    blocks = block_sums(days, read, margin)
    lower = sequential.lower_bound(blocks, alpha, facts.policy.k_star) if len(blocks) > 1 else None
    return Keys(houses_key(read(whole).bets, alpha), DaysKey(lower, len(blocks), facts.policy.min.days))


def houses_key(bets: Sequence[float], alpha: float) -> HousesKey:
    """The key of the sums of bets."""
    return HousesKey(sequential.ln_e(bets), math.log(1 / alpha))


def block_sums(days: Days, read: Read, margin: float) -> list[float]:
    """One number per day that has houses: the sum over them of difference + margin."""
    readings = [read(sums) for _, sums in days]
    return [one.difference + margin * one.houses for one in readings if one.houses]
