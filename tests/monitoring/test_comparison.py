from __future__ import annotations

import doctest
import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from monitoring.statistics import comparison
from monitoring.statistics.comparison import agreement, certificate, gap_bin, gap_quantile
from monitoring.statistics.sums import Sums, Terms, sums_of

TERMS = Terms(cap=0.5, margin=0.003)


def prices(count: int = 3_000, bias: float = 0.02, scale: float = 1.1) -> tuple[NDArray[Any], NDArray[Any]]:
    """Live and candidate answers; the candidate's are higher by `bias` and vary more by `scale`."""
    rng = np.random.default_rng(5)
    x = rng.normal(12.0, 0.4, count)
    y = 12.0 + scale * (x - 12.0) + bias + rng.normal(0, 0.08, count)
    return np.exp(x), np.exp(y)


def compared(live: NDArray[Any], candidate: NDArray[Any]) -> Sums:
    return sums_of(live, candidate, np.full(len(live), np.nan), TERMS)


def test_the_measures_from_sums_are_those_of_the_houses() -> None:
    live, candidate = prices()
    found = agreement(compared(live, candidate))
    g = np.log(candidate / live)
    assert found.pairs == 3_000
    assert found.mean_abs_dollars == pytest.approx(np.abs(candidate - live).mean())
    assert found.bias == pytest.approx(g.mean())
    assert found.mad == pytest.approx(np.abs(g).mean())
    assert found.max == pytest.approx(np.abs(g).max())
    shares = [found.beyond_5, found.beyond_10, found.beyond_20, found.absurd]
    assert shares == pytest.approx([(np.abs(g) > one).mean() for one in (0.05, 0.1, 0.2, math.log(2))])


def test_the_limits_of_agreement_and_their_error_are_bland_and_altmans() -> None:
    live, candidate = prices()
    limits = agreement(compared(live, candidate)).limits
    assert limits is not None
    g = np.log(candidate / live)
    sd = float(np.std(g, ddof=1))
    assert limits.lower == pytest.approx(g.mean() - 1.96 * sd)
    assert limits.upper == pytest.approx(g.mean() + 1.96 * sd)
    assert limits.se == pytest.approx(sd * math.sqrt(1 / 3_000 + 1.92 / 2_999))


def test_the_slope_is_the_least_squares_line_of_the_gap_on_the_mean_of_the_logarithms() -> None:
    live, candidate = prices()
    x, y = np.log(live), np.log(candidate)
    expected = stats.linregress((x + y) / 2, y - x).slope
    assert agreement(compared(live, candidate)).slope == pytest.approx(expected, rel=1e-9)


def test_concordance_is_lins_and_correlation_pearsons() -> None:
    live, candidate = prices()
    x, y = np.log(live), np.log(candidate)
    apart = ((x - y) ** 2).mean()
    independent = x.var() + y.var() + (x.mean() - y.mean()) ** 2  # E (x - y)^2, were x and y independent
    found = agreement(compared(live, candidate))
    assert found.concordance == pytest.approx(1 - apart / independent, rel=1e-9)
    assert found.pearson == pytest.approx(np.corrcoef(x, y)[0, 1], rel=1e-9)


def test_a_constant_share_above_is_perfect_correlation_and_no_concordance() -> None:
    live, _ = prices()
    found = agreement(compared(live, live * 1.5))
    assert found.pearson == pytest.approx(1, abs=1e-9)
    assert found.slope == pytest.approx(0, abs=1e-9)
    assert found.concordance is not None
    assert found.concordance < 0.7


def test_equal_answers_agree_in_every_measure() -> None:
    live, _ = prices()
    found = agreement(compared(live, live))
    assert (found.bias, found.mad, found.max, found.beyond_5, found.mean_abs_dollars) == (0, 0, 0, 0, 0)
    assert (found.concordance, found.pearson) == (pytest.approx(1), pytest.approx(1))


def test_the_agreement_of_parts_added_up_is_that_of_the_whole() -> None:
    live, candidate = prices()
    parts = compared(live[:17], candidate[:17]) + compared(live[17:], candidate[17:])
    one, other = agreement(parts), agreement(compared(live, candidate))
    assert (one.pearson, one.slope, one.limits and one.limits.upper) == pytest.approx(
        (other.pearson, other.slope, other.limits and other.limits.upper), rel=1e-9
    )


def test_no_house_agrees_in_nothing() -> None:
    nothing = agreement(Sums.zero())
    assert nothing.pairs == 0
    measures = [getattr(nothing, name) for name in type(nothing).__slots__ if name != "pairs"]
    assert measures == [None] * 12


def test_one_house_or_one_price_has_no_spread_to_correlate() -> None:
    for count in (1, 4):
        found = agreement(compared(np.full(count, 1.8e5), np.full(count, 2e5)))
        assert (found.pearson, found.slope) == (None, None)
        assert found.bias == pytest.approx(math.log(10 / 9))
    assert agreement(compared(np.array([1.8e5]), np.array([2e5]))).limits is None


def test_spearman_is_that_of_scipy_with_ties() -> None:
    live, candidate = (np.round(one, -4) for one in prices(500))
    expected = stats.spearmanr(live, candidate).statistic
    assert comparison.spearman(live, candidate) == pytest.approx(expected, rel=1e-9)
    assert comparison.spearman(live, np.full(500, 2e5)) is None


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_quantiles_of_gaps_from_bins_are_within_a_hundredth(share: float) -> None:
    live, candidate = prices()
    gaps = np.abs(np.log(candidate / live))
    exact = np.quantile(gaps, share, method="inverted_cdf")
    assert gap_quantile(Counter(map(gap_bin, gaps)), share) == pytest.approx(exact, rel=0.01)


def test_gaps_too_small_to_tell_are_none_and_no_houses_have_no_quantile() -> None:
    assert gap_quantile({gap_bin(0.0): 5, gap_bin(1e-7): 5}, 0.99) == 0.0
    assert gap_quantile({}, 0.5) is None
    assert gap_quantile({3: 0}, 0.5) is None


def test_one_huge_gap_is_the_largest_quantile() -> None:
    assert gap_quantile({gap_bin(0.1): 99, gap_bin(-1.69): 1}, 1.0) == pytest.approx(1.69, rel=0.01)


def certified(gap: float, days: int = 40, houses: int = 50) -> comparison.Certificate:
    """The certificate of a candidate that is off the live model by about `gap`, day for day."""
    rng = np.random.default_rng(4)
    every_day = []
    for _ in range(days):
        live = np.exp(rng.normal(12, 0.4, houses))
        every_day.append(compared(live, live * np.exp(rng.normal(0, gap, houses))))
    return certificate(every_day, TERMS.margin, alpha=0.05)


def test_a_refactored_candidate_is_certified_without_one_outcome() -> None:
    for gap in (0.0, 1e-6):
        found = certified(gap)
        assert found.holds
        assert found.ln_e > math.log(20)
        assert found.lower == pytest.approx(50 * 0.003, rel=1e-3)


def test_two_models_of_different_kinds_are_not() -> None:
    found = certified(0.07)
    assert not found.holds
    assert found.mean_gap == pytest.approx(0.056, rel=0.1)  # against a margin of 0.003
    assert not certified(0.004).holds, "a mean gap just above the margin"


def test_no_pair_certifies_nothing() -> None:
    assert not certificate([], TERMS.margin, 0.05).holds
    assert not certificate([Sums.zero()] * 40, TERMS.margin, 0.05).holds


def test_the_examples_of_the_docstrings_are_true() -> None:
    result = doctest.testmod(comparison)
    assert result.attempted >= 2
    assert result.failed == 0
