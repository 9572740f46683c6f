"""Sequential statistics: two keys that may be looked at after every house and every day.

Both hold at every look together: the chance that a key ever turns without cause is at most alpha. Key A
(houses) needs no law of the errors but their bound, and is fooled by houses of one day that err alike. Key B
(days) allows for such days, and is asymptotic: rare disasters fool it. Hence both have to turn. Formulae
and measured error rates: statistics.md 3.2 and 3.3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitoring.sums import BETS, Bets

K_STAR = 60


def ln_e(bets: ArrayLike) -> float:
    """Key A: the logarithm of the e-value, from the sums of ln(factor) of each bet, shape (bets,).

    ln E = logsumexp(sums) - ln(number of bets): the capital of a gambler who split one unit evenly over the
    bets. Waudby-Smith & Ramdas, JRSS-B 2024 (arXiv 2010.09686). Without cause it ever reaches 1/alpha with
    probability alpha at most (Ville), if every factor is >= 0 and has a mean of 1 at most given the past.

    >>> ln_e([0.0] * 10)
    0.0
    """
    return float(ln_e_many(np.asarray(bets, dtype=np.float64)))


def ln_e_many(bets: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same for many at once: shape (..., bets) to (...)."""
    highest = bets.max(axis=-1)
    capital = np.exp(bets - highest[..., np.newaxis]).sum(axis=-1)
    return np.asarray(highest + np.log(capital) - math.log(bets.shape[-1]))


def turned(value: float, alpha: float) -> bool:
    """Whether key A has turned: ln E >= ln(1 / alpha).

    >>> turned(3.0, 0.05), turned(2.9, 0.05)
    (True, False)
    """
    return value >= math.log(1 / alpha)


def lower_bound(blocks: Sequence[float], alpha: float, k_star: int = K_STAR) -> float:
    """Key B: a lower bound of the mean of the sums of days, at all times at once; it has turned when above 0.

    One-sided asymptotic confidence sequence, tightest at `k_star` days. Waudby-Smith, Arbour, Sinha, Kennedy
    and Ramdas, Annals of Statistics 2024 (arXiv 2103.06476). Minus infinity below two days. Days that are all
    alike have no spread: the bound is then their mean, and only key A guards against what was not seen.
    """
    values = np.asarray(blocks, dtype=np.float64)
    if len(values) < 2:
        return -math.inf
    return float(values.mean() - values.std(ddof=1) * half_width(len(values), 2 * alpha, 1.0, k_star))


def interval(blocks: Sequence[float], alpha: float, k_star: int = K_STAR) -> tuple[float, float]:
    """The two-sided form, for display: bounds of the mean of the sums of days, at all times at once."""
    values = np.asarray(blocks, dtype=np.float64)
    if len(values) < 2:
        return -math.inf, math.inf
    middle = float(values.mean())
    half = float(values.std(ddof=1)) * half_width(len(values), alpha, 0.0, k_star)
    return middle - half, middle + half


def half_width(count: float, level: float, one: float, k_star: int) -> float:
    """Half the width of a confidence sequence after `count` days, in standard deviations of a day.

    sqrt(2 (K r2 + 1) / (K^2 r2) ln(one + sqrt(K r2 + 1) / level)) with
    r2 = (-2 ln level + ln(1 - 2 ln level)) / k_star. One-sided: level = 2 alpha, one = 1; two-sided:
    level = alpha, one = 0.
    """
    rho2 = (-2 * math.log(level) + math.log(1 - 2 * math.log(level))) / k_star
    spread = count * rho2 + 1
    return math.sqrt(2 * spread / (count * count * rho2) * math.log(one + math.sqrt(spread) / level))


def bernoulli_sums(plus: float, minus: float, zero: float, margin: float) -> Bets:
    """The sums of key A for d in {-1, 0, 1} (cap 1): how often each came; proves a mean above -margin.

    The stake of bet b is b / (1 - margin). For harm swap plus and minus and give the margin below 0: what is
    proved then is a mean below it. All guardrails that compare shares are of this kind.
    """
    stakes = [bet / (1 - margin) for bet in BETS]
    return tuple(
        plus * math.log1p(stake * (1 + margin))
        + minus * math.log1p(stake * (margin - 1))
        + zero * math.log1p(stake * margin)
        for stake in stakes
    )


def rows_needed(sd: float, effect: float, margin: float, alpha: float) -> tuple[float, float]:
    """Houses until key A turns, in half and in nine of ten cases.

    2 sd^2 (ln(1/alpha) + 1 or 5) / (effect + margin)^2: a planning rule that fitted measured cases within
    25 % (statistics.md 3.3). Infinity when the effect is no better than -margin.
    """
    if effect + margin <= 0:
        return math.inf, math.inf
    scale = 2 * sd * sd / (effect + margin) ** 2
    return scale * (math.log(1 / alpha) + 1), scale * (math.log(1 / alpha) + 5)
