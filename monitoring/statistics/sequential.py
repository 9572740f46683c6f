"""Sequential tests: two keys that stay valid after a look at every house and every day.

The chance that a key ever turns without cause is at most alpha, over all looks together. Key A (houses)
assumes only a bound of the errors, and fails where houses of one day err alike. Key B (days) allows for such
days, and is asymptotic: it fails on rare disasters. Hence both have to turn. Formulae,
assumptions and sources: docs/statistics.md, "The two keys"; error rates: "Measured error rates" there, which
`tests/monitoring/test_null_streams.py` measures again.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitoring.statistics.sums import BETS, Bets

K_STAR = 60
"""The number of days at which key B is tightest."""
_LONGEST_PLAN = 1_000_000


def ln_e(bets: ArrayLike) -> float:
    """Compute key A: the logarithm of the e-value, from the sum of ln(factor) of each bet, shape (bets,).

    ln E = logsumexp(sums) - ln(number of bets): the capital of a gambler who split one unit evenly over the
    bets. Waudby-Smith & Ramdas, JRSS-B 2024 (arXiv 2010.09686). Without cause it ever reaches 1/alpha with
    probability alpha at most (Ville), if every factor is >= 0 and has a mean of 1 at most given the past;
    houses of one day that err alike break the latter.

    >>> ln_e([0.0] * 10)
    0.0
    >>> round(ln_e([5.0] + [0.0] * 9), 6)  # (e^5 + 9) / 10
    2.756289
    """
    return float(ln_e_many(np.asarray(bets, dtype=np.float64)))


def ln_e_many(bets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute `ln_e` of many at once: shape (..., bets) to (...)."""
    highest = bets.max(axis=-1)
    capital = np.exp(bets - highest[..., np.newaxis]).sum(axis=-1)
    return np.asarray(highest + np.log(capital) - math.log(bets.shape[-1]))


def turned(value: float, alpha: float) -> bool:
    """Return whether key A has turned: ln E >= ln(1 / alpha).

    A union of S alarms (harm in any of S segments) takes alpha / S: Bonferroni on e-values, valid under
    dependence. An intersection (every segment must pass) takes alpha each (Berger 1982).

    >>> turned(3.0, 0.05), turned(2.9, 0.05), turned(3.0, 0.05 / 12)
    (True, False, False)
    """
    return value >= math.log(1 / alpha)


def lower_bound(block_sums: Sequence[float], alpha: float, k_star: int = K_STAR) -> float:
    """Compute key B: a lower bound of the mean of day sums, valid at all times; it has turned when above 0.

    mean - s * half_width. One-sided asymptotic confidence sequence: Waudby-Smith, Arbour, Sinha, Kennedy and
    Ramdas, Annals of Statistics 2024 (arXiv 2103.06476). Limits: asymptotic, so not to be trusted below
    28 days, nor about days worse than any yet seen. Minus infinity below two days. Days that are all alike
    have no spread: the bound is then their mean, and only key A guards against what was not seen.

    >>> round(lower_bound([1.0, 2.0, 3.0, 2.0] * 10, alpha=0.05), 6)
    1.682829
    >>> lower_bound([1.0], alpha=0.05)
    -inf
    """
    values = np.asarray(block_sums, dtype=np.float64)
    if len(values) < 2:
        return -math.inf
    return float(lower_bounds(len(values), values.mean(), values.std(ddof=1), alpha, k_star))


def lower_bounds(
    counts: ArrayLike, means: ArrayLike, deviations: ArrayLike, alpha: float, k_star: int = K_STAR
) -> NDArray[np.float64]:
    """Compute `lower_bound` of many at once, from numbers, means and standard deviations of day sums."""
    return np.asarray(means) - np.asarray(deviations) * half_width(counts, 2 * alpha, 1.0, k_star)


def interval(block_sums: Sequence[float], alpha: float, k_star: int = K_STAR) -> tuple[float, float]:
    """Compute the two-sided form, for display: bounds of the mean of day sums, valid at all times.

    Source and limits as `lower_bound`. Never intersect it with earlier ones: a mean that moves would be lost.

    >>> low, high = interval([1.0, 2.0, 3.0, 2.0] * 10, alpha=0.05)
    >>> round(low, 6), round(high, 6)
    (1.654505, 2.345495)
    """
    values = np.asarray(block_sums, dtype=np.float64)
    if len(values) < 2:
        return -math.inf, math.inf
    middle = float(values.mean())
    half = float(values.std(ddof=1) * half_width(len(values), alpha, 0.0, k_star))
    return middle - half, middle + half


def half_width(counts: ArrayLike, level: float, offset: float, k_star: int) -> NDArray[np.float64]:
    """Compute half the width of a confidence sequence after so many days, in standard deviations of a day.

    sqrt(2 (K r2 + 1) / (K^2 r2) ln(offset + sqrt(K r2 + 1) / level)) with
    r2 = (-2 ln level + ln(1 - 2 ln level)) / k_star. One-sided: level = 2 alpha, offset = 1; two-sided:
    level = alpha, offset = 0. `level` below 1.
    """
    days = np.asarray(counts, dtype=np.float64)
    rho2 = (-2 * math.log(level) + math.log(1 - 2 * math.log(level))) / k_star
    spread = days * rho2 + 1
    return np.sqrt(2 * spread / (days * days * rho2) * np.log(offset + np.sqrt(spread) / level))


def bernoulli_sums(plus: float, minus: float, zero: float, margin: float) -> Bets:
    """Return the sums of key A for d in {-1, 0, 1} (cap 1), from their counts; proves a mean above -margin.

    The stake of bet b is b / (1 - margin). For harm swap plus and minus and give the margin below 0: that
    proves a mean of -d above the limit. All guardrails that compare shares are of this kind; source
    and limits as `ln_e`.

    >>> turned(ln_e(bernoulli_sums(plus=0, minus=1, zero=9_999, margin=0.001)), 0.05)  # 0.01 %
    True
    >>> turned(ln_e(bernoulli_sums(plus=0, minus=10, zero=9_990, margin=0.001)), 0.05)  # 0.1 %, the limit
    False
    """
    stakes = [bet / (1 - margin) for bet in BETS]
    return tuple(
        plus * math.log1p(stake * (1 + margin))
        + minus * math.log1p(stake * (margin - 1))
        + zero * math.log1p(stake * margin)
        for stake in stakes
    )


def rows_needed(sd: float, effect: float, margin: float, alpha: float) -> tuple[float, float]:
    """Plan the houses until key A turns, in half and in nine of ten cases.

    2 sd^2 (ln(1/alpha) + 1 or 5) / (effect + margin)^2: a planning rule that fits simulated streams within
    25 % (docs/statistics.md, "Planning"). Infinity when the effect is no better than -margin. A plan, never a
    reason.

    >>> [round(rows) for rows in rows_needed(sd=0.058, effect=0.006, margin=0.003, alpha=0.05)]
    [332, 664]
    """
    if effect + margin <= 0:
        return math.inf, math.inf
    scale = 2 * sd * sd / (effect + margin) ** 2
    return scale * (math.log(1 / alpha) + 1), scale * (math.log(1 / alpha) + 5)


def days_needed(block_sums: Sequence[float], alpha: float, k_star: int = K_STAR) -> float:
    """Plan the days in all until key B turns, if later days have the mean and spread of those seen.

    The smallest K with mean > s * half_width(K): in about half of cases it takes longer. Infinity when the
    mean is not above 0, or with fewer than two days. A plan, never a reason.

    >>> days_needed([1.0, -1.0, 2.0, 0.0] * 7, alpha=0.05)
    41.0
    """
    values = np.asarray(block_sums, dtype=np.float64)
    if len(values) < 2 or values.mean() <= 0:
        return math.inf
    mean, sd = float(values.mean()), float(values.std(ddof=1))
    plan = range(2, _LONGEST_PLAN)
    days_needed = bisect_left(
        plan, True, key=lambda days: lower_bounds(days, mean, sd, alpha, k_star).item() > 0
    )
    return float(plan[days_needed]) if days_needed < len(plan) else math.inf
