from __future__ import annotations

import doctest
import math

import numpy as np
import pytest

from monitoring.statistics import sequential
from monitoring.statistics.sequential import (
    bernoulli_sums,
    days_needed,
    interval,
    ln_e,
    lower_bound,
    rows_needed,
    turned,
)
from monitoring.statistics.sums import BETS, Terms, log_factors, sums_of

# days, mean, standard deviation, alpha, k_star; lower bound, both ends of the interval. Evaluated from the
# published formula with 50 decimal digits, written otherwise: rho2 = (ln a^-2 + ln(1 + ln a^-2)) / k_star and
# t = K rho2 + 1; width sqrt(2 t L) / (K rho), L = ln((2 alpha + sqrt t) / (2 alpha)) with a = 2 alpha. For
# both ends L = ln(t) / 2 - ln alpha with a = alpha.
PUBLISHED = [
    (2, 0.1, 0.3, 0.05, 60, -1.033107916598939, -1.057279871040240, 1.257279871040240),
    (28, 0.075, 0.29, 0.05, 60, -0.081321540196573, -0.094590775747064, 0.244590775747064),
    (28, 0.075, 0.29, 0.025, 60, -0.095102678475270, -0.107722021784917, 0.257722021784917),
    (60, 0.15, 0.31, 0.05, 60, 0.038778347860594, 0.028528423322809, 0.271471576677191),
    (60, -0.02, 0.31, 0.00417, 60, -0.165154630366077, -0.173148536709641, 0.133148536709641),
    (365, 0.15, 0.9, 0.05, 60, 0.012423407009876, 0.000334053455410, 0.299665946544590),
    (365, 0.15, 0.9, 0.05, 28, 0.007413056663239, -0.004404516900643, 0.304404516900643),
    (10_000, 0.01, 0.5, 0.001, 180, -0.011897893153928, -0.012726922719080, 0.032726922719080),
]


def days(count: int, mean: float, sd: float) -> list[float]:
    """Sums of so many days with exactly that mean and sample standard deviation."""
    away = sd * math.sqrt((count - 1) / (count - count % 2))
    return [mean + away] * (count // 2) + [mean] * (count % 2) + [mean - away] * (count // 2)


@pytest.mark.parametrize(("count", "mean", "sd", "alpha", "k_star", "lower", "low", "high"), PUBLISHED)
def test_key_b_and_the_interval_are_the_published_formula(
    count: int, mean: float, sd: float, alpha: float, k_star: int, lower: float, low: float, high: float
) -> None:
    sums = days(count, mean, sd)
    assert lower_bound(sums, alpha, k_star) == pytest.approx(lower, rel=1e-9)
    assert interval(sums, alpha, k_star) == pytest.approx((low, high), rel=1e-9)


def test_many_streams_at_once_have_the_bounds_of_each() -> None:
    counts, means, sds = (np.array([row[place] for row in PUBLISHED[:2]]) for place in range(3))
    expected = [row[5] for row in PUBLISHED[:2]]
    assert sequential.lower_bounds(counts, means, sds, 0.05).tolist() == pytest.approx(expected, rel=1e-12)


def test_key_b_is_tightest_at_the_number_of_days_it_is_tuned_to() -> None:
    widths = {k_star: -lower_bound(days(60, 0.0, 1.0), 0.05, k_star) for k_star in (15, 30, 60, 120, 240)}
    assert min(widths, key=lambda k_star: widths[k_star]) == 60


def test_fewer_than_two_days_bound_nothing() -> None:
    for few in ([], [0.3]):
        assert lower_bound(few, 0.05) == -math.inf
        assert interval(few, 0.05) == (-math.inf, math.inf)
        assert days_needed(few, 0.05) == math.inf


def test_days_that_are_all_alike_bound_their_mean_by_itself() -> None:
    """As when a refactored candidate answers the same to the last bit: key A is left to guard."""
    for alike in (0.25, 0.1, 1e-9):
        assert lower_bound([alike] * 28, 0.05) == pytest.approx(alike, rel=1e-9)
        assert interval([alike] * 28, 0.05) == pytest.approx((alike, alike), rel=1e-9)


def test_the_e_value_is_what_a_unit_split_over_the_bets_becomes() -> None:
    gains = np.random.default_rng(3).normal(0.01, 0.06, 50)
    terms = Terms(0.5, 0.003)
    capitals = [math.prod(1 + stake * gain for gain in gains) for stake in terms.gaining]
    assert ln_e(log_factors(terms.gaining, gains)) == pytest.approx(math.log(sum(capitals) / 10), rel=1e-12)


def test_neither_ruin_nor_riches_overflow() -> None:
    assert ln_e([-80_000.0] * 10) == -80_000.0
    assert ln_e([80_000.0] + [0.0] * 9) == pytest.approx(80_000 - math.log(10))


@pytest.mark.parametrize(("alpha", "at"), [(0.05, 2.995732), (0.025, 3.688879), (0.05 / 12, 5.480639)])
def test_key_a_turns_at_the_logarithm_of_one_in_alpha(alpha: float, at: float) -> None:
    assert turned(at + 1e-6, alpha)
    assert not turned(at - 1e-6, alpha)


@pytest.mark.parametrize(
    ("candidate_error", "expected"),
    [
        (0.05, {"promote"}),  # better by 0.05: proved not worse
        (0.15, {"harm"}),  # worse by 0.05
        (0.10, {"promote"}),  # equal
    ],
)
def test_each_key_proves_its_own_statement(candidate_error: float, expected: set[str]) -> None:
    price = np.full(2_000, 2e5)
    live, candidate = price * math.exp(0.10), price * math.exp(candidate_error)
    sums = sums_of(live, candidate, price, Terms(0.5, 0.01))
    proved = {name for name in ("promote", "harm", "certificate") if turned(ln_e(getattr(sums, name)), 0.05)}
    assert proved - {"certificate"} == expected
    assert ("certificate" in proved) == (candidate_error == 0.10)


def test_after_a_promotion_the_regret_key_proves_that_the_old_model_was_better() -> None:
    """There the old live model is the candidate: better by more than the margin is a reason."""
    price = np.full(2_000, 2e5)
    for old_error, regret in ((0.05, True), (0.095, False), (0.15, False)):
        sums = sums_of(price * math.exp(0.10), price * math.exp(old_error), price, Terms(0.5, 0.01))
        assert turned(ln_e(sums.regret), 0.05) == regret


def test_sums_of_shares_are_those_of_their_houses() -> None:
    d = np.array([1.0] * 3 + [-1.0] * 2 + [0.0] * 40)
    expected = log_factors(Terms(1.0, 0.002).gaining, d + 0.002)
    assert bernoulli_sums(plus=3, minus=2, zero=40, margin=0.002) == pytest.approx(expected, rel=1e-12)


def test_a_share_over_its_limit_is_proved_to_be_and_a_share_within_it_too() -> None:
    assert turned(ln_e(bernoulli_sums(plus=30, minus=0, zero=970, margin=-0.01)), 0.05)
    assert not turned(ln_e(bernoulli_sums(plus=12, minus=0, zero=988, margin=-0.01)), 0.05)
    assert turned(ln_e(bernoulli_sums(plus=0, minus=0, zero=1_000, margin=0.01)), 0.05)
    assert not turned(ln_e(bernoulli_sums(plus=0, minus=9, zero=991, margin=0.01)), 0.05)


def test_what_is_no_better_than_the_margin_is_never_planned() -> None:
    assert rows_needed(0.058, -0.003, 0.003, 0.05) == (math.inf, math.inf)
    assert days_needed(days(30, 0.0, 1.0), 0.05) == math.inf
    assert days_needed(days(30, 1e-9, 1.0), 0.05) == math.inf


def test_key_b_turns_on_the_day_that_is_planned_if_the_days_go_on_alike() -> None:
    planned = days_needed(days(30, 0.15, 0.31), 0.05)
    assert lower_bound(days(int(planned), 0.15, 0.31), 0.05) > 0
    assert lower_bound(days(int(planned) - 1, 0.15, 0.31), 0.05) <= 0


def test_the_bets_are_the_defaults_of_the_method() -> None:
    assert pytest.approx([0.02 * (0.95 / 0.02) ** (place / 9) for place in range(10)]) == BETS


def test_the_examples_of_the_docstrings_are_true() -> None:
    result = doctest.testmod(sequential)
    assert result.attempted >= 10
    assert result.failed == 0
