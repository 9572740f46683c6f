from __future__ import annotations

import math
from dataclasses import fields
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from monitoring.statistics.sums import BETS, ImpossibleTerms, Sums, Terms, sums_of, total

TERMS = Terms(cap=0.5, margin=0.003)
LATENCY_BUDGET = 0.05
PRICE_RANGE = (80_000.0, 300_000.0)


def houses(count: int = 400) -> dict[str, NDArray[Any]]:
    """Made-up houses of every kind: sold, unsold, withdrawn, failed, absurd, catastrophic."""
    rng = np.random.default_rng(7)
    value = np.exp(rng.normal(12.0, 0.4, count))
    live, candidate = (value * np.exp(rng.standard_t(3, count) * 0.1) for _ in range(2))
    candidate[rng.random(count) < 0.05] = np.nan
    live[:3] = candidate[:3] = 3 * value[:3]  # both wrong beyond the cap
    unsold, withdrawn = rng.random(count) < 0.3, rng.random(count) < 0.1
    latency = np.where(rng.random(count) < 0.2, np.nan, rng.exponential(0.03, count))
    price = np.where(unsold & ~withdrawn, np.nan, value)
    return {
        "live": live,
        "candidate": candidate,
        "price": price,
        "withdrawn": withdrawn,
        "latency_seconds": latency,
    }


def added(found: dict[str, NDArray[Any]], places: NDArray[Any] | slice) -> Sums:
    one = {name: column[places] for name, column in found.items()}
    return sums_of(
        one["live"],
        one["candidate"],
        one["price"],
        TERMS,
        withdrawn=one["withdrawn"],
        latency_seconds=one["latency_seconds"],
        budget_seconds=LATENCY_BUDGET,
        price_range=PRICE_RANGE,
    )


def assert_same(one: Sums, other: Sums) -> None:
    assert one.flat() == pytest.approx(other.flat(), rel=1e-9, abs=1e-9)


def test_the_columns_are_those_of_the_evidence_table_in_their_order() -> None:
    tens = [
        [f"{name}_{bet}" for bet in range(10)]
        for name in ("promote", "harm", "regret", "certificate", "worst_case")
    ]
    assert list(Sums.columns()) == [
        "pairs",
        "failed",
        "sold",
        "withdrawn",
        "loss_live",
        "loss_candidate",
        "d",
        "d2",
        "d_min",
        *(name for ten in tens for name in ten),
        "m",
        "m2",
        "m_unsold",
        "catastrophes_live",
        "catastrophes_candidate",
        "catastrophes_only_live",
        "catastrophes_only_candidate",
        "timed",
        "slow",
        "g",
        "g2",
        "abs_g",
        "abs_dollars",
        "beyond_5",
        "beyond_10",
        "beyond_20",
        "absurd",
        "out_of_bounds",
        "g_max",
        "x",
        "y",
        "x2",
        "y2",
        "xy",
    ]


def test_flat_sums_read_back_are_the_same_sums() -> None:
    whole = added(houses(), slice(None))
    assert tuple(whole.flat()) == Sums.columns()
    assert Sums.of(whole.flat()) == whole


def test_ten_bets_from_cautious_to_bold_none_of_which_can_be_ruined() -> None:
    ratios = {round(b / a, 9) for a, b in pairwise(BETS)}
    assert (len(BETS), round(BETS[0], 12), round(BETS[-1], 12), len(ratios)) == (10, 0.02, 0.95, 1)


def test_every_measure_is_what_a_loop_over_the_houses_finds() -> None:
    found = houses()
    assert_same(added(found, slice(None)), total([_of_one_house(found, place) for place in range(400)]))


def test_the_houses_have_every_kind_of_measure() -> None:
    flat = added(houses(), slice(None)).flat()
    assert [name for name, value in flat.items() if value == 0 or not math.isfinite(value)] == []


def test_the_order_of_houses_changes_nothing() -> None:
    found = houses()
    whole = added(found, slice(None))
    for seed in range(3):
        assert_same(added(found, np.random.default_rng(seed).permutation(400)), whole)


@pytest.mark.parametrize("cut", [0, 1, 137, 400])
def test_parts_of_the_houses_add_up_to_all_of_them(cut: int) -> None:
    found = houses()
    assert_same(added(found, slice(cut)) + added(found, slice(cut, None)), added(found, slice(None)))


def test_no_house_adds_nothing() -> None:
    whole = added(houses(), slice(None))
    assert Sums.zero() + whole == whole + Sums.zero() == whole
    assert total([]) == Sums.zero() == added(houses(), slice(0))


def test_a_house_that_was_withdrawn_is_neither_sold_nor_missing() -> None:
    price, gone = np.array([2e5, np.nan]), np.array([True, True])
    sums = sums_of(np.full(2, 1e5), np.full(2, 2e5), price, TERMS, withdrawn=gone)
    assert (sums.pairs, sums.withdrawn, sums.sold, sums.m_unsold, sums.d) == (2, 2, 0, 0, 0)
    assert sums.worst_case == (0.0,) * 10
    assert sums.m == 1.0


def test_without_an_outcome_a_pair_counts_in_the_certificate_and_as_a_worst_case() -> None:
    sums = sums_of(np.array([1e5]), np.array([1.02e5]), np.array([np.nan]), TERMS)
    assert sums.certificate == sums.worst_case
    assert sums.certificate[0] == pytest.approx(math.log1p(0.02 / 0.497 * (0.003 - math.log(1.02))))
    assert (sums.sold, sums.promote) == (0, (0.0,) * 10)


def test_the_difference_is_never_worse_than_the_distance_of_the_two_answers() -> None:
    found = houses()
    for place in range(400):
        one = added(found, slice(place, place + 1))
        assert abs(one.d) <= one.m + 1e-12


@pytest.mark.parametrize(("cap", "margin"), [(0.5, 0.5), (0.5, 0.7), (0.5, -0.001), (0.5, math.nan)])
def test_terms_under_which_a_factor_could_be_negative_are_refused(cap: float, margin: float) -> None:
    with pytest.raises(ImpossibleTerms, match="mend the policy"):
        Terms(cap, margin)


def _of_one_house(found: dict[str, NDArray[Any]], place: int) -> Sums:
    """The measures of one house, written out with `math` alone."""
    one = {name: column[place].item() for name, column in found.items()}
    seconds = one["latency_seconds"]
    seen = {"timed": not math.isnan(seconds), "slow": seconds > LATENCY_BUDGET}
    if math.isnan(one["candidate"]):
        return _sums(**seen, failed=1)
    open_ = math.isnan(one["price"]) and not one["withdrawn"]
    sold = not (open_ or one["withdrawn"])
    return _sums(
        **seen,
        withdrawn=one["withdrawn"],
        **_pair(one["live"], one["candidate"], open_),
        **(_sale(one["live"], one["candidate"], one["price"]) if sold else {}),
    )


def _sums(**measures: Any) -> Sums:
    zero = {field.name: getattr(Sums.zero(), field.name) for field in fields(Sums)}
    return Sums(**zero | measures)


def _pair(live: float, candidate: float, open_: bool) -> dict[str, Any]:
    g = math.log(candidate) - math.log(live)
    m = min(abs(g), 0.5)
    x, y = math.log(live) - math.log(150_000), math.log(candidate) - math.log(150_000)
    logs = tuple(math.log(1 + bet / (0.5 - 0.003) * (0.003 - m)) for bet in BETS)
    return {
        "pairs": 1,
        "certificate": logs,
        "m": m,
        "m2": m**2,
        "g": g,
        "g2": g**2,
        "abs_g": abs(g),
        "abs_dollars": abs(candidate - live),
        "beyond_5": abs(g) > 0.05,
        "beyond_10": abs(g) > 0.1,
        "beyond_20": abs(g) > 0.2,
        "absurd": candidate > 2 * live or live > 2 * candidate,
        "g_max": abs(g),
        "out_of_bounds": not 80_000 <= candidate <= 300_000,
        "x": x,
        "y": y,
        "x2": x**2,
        "y2": y**2,
        "xy": x * y,
        **({"worst_case": logs, "m_unsold": m} if open_ else {}),
    }


def _sale(live: float, candidate: float, price: float) -> dict[str, Any]:
    off = [abs(math.log(answer) - math.log(price)) for answer in (live, candidate)]
    losses = [min(one, 0.5) for one in off]
    bad_live, bad_candidate = (one > 0.5 for one in off)
    d = losses[0] - losses[1]
    return {
        "sold": 1,
        "loss_live": losses[0],
        "loss_candidate": losses[1],
        "d": d,
        "d2": d**2,
        "d_min": d,
        "promote": tuple(math.log(1 + bet / 0.497 * (d + 0.003)) for bet in BETS),
        "harm": tuple(math.log(1 + bet / 0.503 * (-d - 0.003)) for bet in BETS),
        "regret": tuple(math.log(1 + bet / 0.503 * (d - 0.003)) for bet in BETS),
        "catastrophes_live": bad_live,
        "catastrophes_candidate": bad_candidate,
        "catastrophes_only_live": bad_live and not bad_candidate,
        "catastrophes_only_candidate": bad_candidate and not bad_live,
    }
