"""Comparison: how far two models that answered the same houses agree, no outcome needed.

g = ln(candidate / live). Agreement describes and never shows who is right: two good models disagree a lot
(docs/statistics.md, "Without outcomes"). It proves only the certificate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring.statistics.sequential import K_STAR, ln_e, lower_bound, turned
from monitoring.statistics.sums import Sums, total

BIN_RATIO = 1.02
"""Values are counted in bins of this ratio, so that a quantile is known within 1 %."""
SMALLEST_GAP = 1e-6
NORMAL_95 = 1.96


@dataclass(frozen=True, slots=True)
class Limits:
    """Bland-Altman limits of agreement: 95 % of the houses have g between them, were g normal.

    mean +- 1.96 sd, each with standard error sd sqrt(1/n + 1.92/(n - 1)). Bland & Altman, Lancet 1986. Tails
    heavier than the normal leave more than 5 % outside; limits that depend on the price: see `slope`.
    """

    lower: float
    upper: float
    se: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """How two models agree over `pairs` houses. g in log units, 0.05 is about 5 %; shares of 1.

    None: not defined, as of no house, or of houses that all have the same price.
    """

    pairs: int
    mean_abs_dollars: float | None
    bias: float | None
    """Mean g."""
    mad: float | None
    """Mean |g|."""
    max: float | None
    """Largest |g|."""
    beyond_5: float | None
    beyond_10: float | None
    beyond_20: float | None
    absurd: float | None
    """Share of houses that are more than a factor of 2 apart."""
    limits: Limits | None
    slope: float | None
    concordance: float | None
    pearson: float | None


def agreement(sums: Sums) -> Agreement:
    """Compute the measures of agreement from sums: exact, whatever the number of houses."""
    n = int(sums.pairs)
    spread = _Spread.of(sums)
    return Agreement(
        pairs=n,
        mean_abs_dollars=_ratio(sums.abs_dollars, n),
        bias=_ratio(sums.g, n),
        mad=_ratio(sums.abs_g, n),
        max=sums.g_max if n else None,
        beyond_5=_ratio(sums.beyond_5, n),
        beyond_10=_ratio(sums.beyond_10, n),
        beyond_20=_ratio(sums.beyond_20, n),
        absurd=_ratio(sums.absurd, n),
        limits=_limits(sums),
        slope=spread.slope(),
        concordance=spread.concordance(),
        pearson=spread.pearson(),
    )


def _limits(sums: Sums) -> Limits | None:
    n = sums.pairs
    if n < 2:
        return None
    mean = sums.g / n
    sd = math.sqrt(max(0.0, sums.g2 - n * mean * mean) / (n - 1))
    return Limits(mean - NORMAL_95 * sd, mean + NORMAL_95 * sd, sd * math.sqrt(1 / n + 1.92 / (n - 1)))


@dataclass(frozen=True, slots=True)
class _Spread:
    """Means, variances, covariance (all by n) of x = ln live and y = ln candidate, both less a constant."""

    x: float
    y: float
    xx: float
    yy: float
    xy: float

    @classmethod
    def of(cls, sums: Sums) -> _Spread:
        n = sums.pairs or 1.0
        x, y = sums.x / n, sums.y / n
        return cls(x, y, _variance(sums.x2 / n, x), _variance(sums.y2 / n, y), sums.xy / n - x * y)

    def slope(self) -> float | None:
        """Regress g on (ln live + ln candidate) / 2, least squares: 0 unless the bias depends on the price.

        cov(y - x, (x + y) / 2) / var((x + y) / 2), Bland & Altman's plot. Positive: the candidate's
        answers vary more; that alone does not say which of the two is right.
        """
        return _ratio(2 * (self.yy - self.xx), self.xx + self.yy + 2 * self.xy)

    def concordance(self) -> float | None:
        """Compute 2 s_xy / (s_x^2 + s_y^2 + (mean x - mean y)^2): 1 only if all answers are equal.

        Lin, Biometrics 1989. Depends on how much the houses vary: do not compare it between segments.
        """
        return _ratio(2 * self.xy, self.xx + self.yy + (self.x - self.y) ** 2)

    def pearson(self) -> float | None:
        """Compute s_xy / (s_x s_y) of logarithms: 1 also if one model is a constant multiple of the other."""
        return _ratio(self.xy, math.sqrt(self.xx * self.yy))


def _variance(mean_square: float, mean: float) -> float:
    """Subtract the squared mean; return 0 where the difference is mere rounding."""
    variance = mean_square - mean * mean
    return variance if variance > 1e-12 * mean_square else 0.0


def _ratio(numerator: float, denominator: float) -> float | None:
    return numerator / denominator if denominator > 0 else None


def spearman(live: NDArray[np.float64], candidate: NDArray[np.float64]) -> float | None:
    """Correlate ranks (ties share their mean rank) of arrays of shape (n,): do they sort houses alike?

    Spearman 1904. Not a sum: take a sample of at most 10^6 pairs. None if either has one price only.

    >>> round(spearman(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 3.0, 2.0, 4.0])), 6)
    0.8
    """
    live_ranks, candidate_ranks = _ranks(live), _ranks(candidate)
    live_ranks, candidate_ranks = live_ranks - live_ranks.mean(), candidate_ranks - candidate_ranks.mean()
    return _ratio(
        float(live_ranks @ candidate_ranks),
        math.sqrt(float(live_ranks @ live_ranks) * float(candidate_ranks @ candidate_ranks)),
    )


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, ranks, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[ranks])


def gap_bin(gap: float) -> int:
    """Return the bin of |g|: floor(ln(max(|g|, 1e-6)) / ln 1.02)."""
    return math.floor(math.log(max(abs(gap), SMALLEST_GAP)) / math.log(BIN_RATIO))


def gap_quantile(bins: Mapping[int, int], share: float) -> float | None:
    """Return a quantile of |g| from houses by `gap_bin`, within 1 %; 0 below 1e-6. None: no houses.

    >>> round(gap_quantile({gap_bin(0.0): 1, gap_bin(0.05): 2, gap_bin(1.5): 1}, 0.5), 4)
    0.0498
    """
    quantile = quantile_of_bins(bins, share)
    if quantile is None:
        return None
    return BIN_RATIO ** (quantile + 0.5) if quantile > gap_bin(0.0) else 0.0


def quantile_of_bins(bins: Mapping[int, int], share: float) -> int | None:
    """Return the lowest bin up to which at least `share` of all houses are (inverse distribution)."""
    order = sorted(edge for edge, houses in bins.items() if houses > 0)
    houses = np.cumsum([bins[edge] for edge in order])
    if not order:
        return None
    return order[min(int(np.searchsorted(houses, share * houses[-1])), len(order) - 1)]


@dataclass(frozen=True, slots=True)
class Certificate:
    """Proof, without one outcome, that the candidate is no worse than `margin`, by both keys.

    `mean_gap`: mean m; `ln_e`, `lower`: the two keys on margin - m.
    """

    mean_gap: float | None
    ln_e: float
    lower: float
    holds: bool


def certificate(days: Sequence[Sums], margin: float, alpha: float, k_star: int = K_STAR) -> Certificate:
    """Prove by agreement: |d| <= min(|g|, cap) = m (triangle inequality), so a mean m below the margin does.

    `days`: the sums of each day, under terms of that margin. Same keys, sources and limits as
    `monitoring.statistics.sequential`; the policy sets the least number of days. Suits refactored
    models; models of two kinds are too far apart (measured: a mean m of 0.053 for a margin of 0.003).
    """
    sums = total(days)
    capital = ln_e(sums.certificate)
    lower = lower_bound([margin * day.pairs - day.m for day in days if day.pairs], alpha, k_star)
    return Certificate(_ratio(sums.m, sums.pairs), capital, lower, turned(capital, alpha) and lower > 0)
