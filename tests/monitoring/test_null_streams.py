"""Does the gate hold when anyone may look every day? Simulated, with its teeth: what must fail fails here.

300 streams of each kind, fixed seeds. With UMBRA_TEST_STREAMS=2000 in the environment 2,000 of each, as in
statistics.md 3.3, and the bounds are as much tighter.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
import pytest
from numpy.typing import NDArray

from monitoring.statistics.sequential import ln_e, lower_bound
from monitoring.statistics.sums import BETS, Terms, log_factors

sys.path.insert(0, str(Path(__file__).parent))
import streams
from streams import ALPHA, EIGHT_NULLS, NULLS, WHOLE_DAYS, Null

STREAMS = int(os.environ.get("UMBRA_TEST_STREAMS", "300"))
AT_ONCE = 100
ALLOWED = ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / STREAMS)
SEED = 20_261_121


def batches(seed: int) -> Iterator[tuple[np.random.Generator, int]]:
    """Generators of STREAMS streams in all, few at once: memory stays small."""
    for begin in range(0, STREAMS, AT_ONCE):
        yield np.random.default_rng([SEED, seed, begin]), min(AT_ONCE, STREAMS - begin)


def averaged(seed: int, measure: Callable[[np.random.Generator, int], list[float]]) -> list[float]:
    """What is measured of each batch, averaged over all streams."""
    found = [(count, measure(rng, count)) for rng, count in batches(seed)]
    return [sum(count * one[place] for count, one in found) / STREAMS for place in range(len(found[0][1]))]


@dataclass(frozen=True, slots=True)
class Rates:
    """Shares of streams in which something ever turned without cause."""

    naive: float
    key_a: float
    key_b: float
    both: float


def rates_of(name: str, null: Null) -> Rates:
    def measure(rng: np.random.Generator, count: int) -> list[float]:
        gains = null(rng, count)
        keys = streams.at_every_day(gains)
        looks = [streams.naive(gains), keys.houses, keys.days, keys.both]
        return [streams.rate(one) for one in looks]

    return Rates(*averaged(list(EIGHT_NULLS).index(name), measure))


@pytest.fixture(scope="module")
def rates() -> dict[str, Rates]:
    return {name: rates_of(name, null) for name, null in EIGHT_NULLS.items()}


@pytest.mark.parametrize("name", NULLS)
def test_however_often_anyone_looks_the_gate_opens_without_cause_in_alpha_of_streams_at_most(
    name: str, rates: dict[str, Rates]
) -> None:
    assert rates[name].both <= ALLOWED


@pytest.mark.parametrize("name", EIGHT_NULLS)
def test_a_naive_test_that_is_looked_at_after_every_house_promotes_what_it_must_not(
    name: str, rates: dict[str, Rates]
) -> None:
    assert rates[name].naive > 0.20


@pytest.mark.parametrize("name", ["day clusters 0.1", "day clusters 0.3", "autoregressive 0.5"])
def test_key_a_alone_is_fooled_by_houses_of_a_day_that_err_alike(name: str, rates: dict[str, Rates]) -> None:
    assert rates[name].key_a > 0.10 > ALLOWED


def test_key_b_alone_is_fooled_by_rare_disasters(rates: dict[str, Rates]) -> None:
    assert rates["disaster 0.2 %"].key_b > 0.15


def test_days_of_disaster_that_were_not_seen_yet_are_not_excluded_by_either_key(
    rates: dict[str, Rates],
) -> None:
    """The limit that is documented: 28 clean days only bound the rate of bad days below about 3/28.

    Hence the verdict tells that rate and blocks after one such day. If this fails the keys got better than
    the documentation says: measured 0.59 of 2,000 streams.
    """
    assert 0.3 < rates[WHOLE_DAYS].both < 0.7
    unseen = (1 - 0.02) ** streams.LEAST_DAYS
    assert unseen > 0.5, "more than half of the streams see no such day before the gate may open"


def test_the_simulated_keys_are_those_of_a_loop_over_houses_and_days() -> None:
    gains = streams.clusters(np.random.default_rng(SEED), 2, 0.1)[:, :40]
    keys = streams.at_every_day(gains)
    for stream in range(2):
        for day in (2, 27, 39):
            seen = gains[stream, : day + 1]
            assert keys.ln_e[stream, day] == pytest.approx(math.log(capital_of(seen)), rel=1e-9)
            assert keys.lower[stream, day] == pytest.approx(bound_of(seen), rel=1e-9)
            assert keys.lower[stream, day] == pytest.approx(lower_bound(seen.sum(axis=1), ALPHA), rel=1e-9)
            factors = log_factors(streams.TERMS.gaining, seen.reshape(-1))
            assert keys.ln_e[stream, day] == pytest.approx(ln_e(factors), rel=1e-9)


def capital_of(gains: NDArray[np.float64]) -> float:
    """A tenth of a unit on each bet, multiplied house by house."""
    capitals = [1 / len(BETS)] * len(BETS)
    for gain in gains.ravel():
        capitals = [
            capital * (1 + bet / (0.5 - 0.003) * gain) for capital, bet in zip(capitals, BETS, strict=True)
        ]
    return sum(capitals)


def bound_of(gains: NDArray[np.float64]) -> float:
    blocks = [float(sum(day)) for day in gains]
    count = len(blocks)
    rho2 = (-2 * math.log(2 * ALPHA) + math.log(1 - 2 * math.log(2 * ALPHA))) / 60
    inner = math.log(1 + math.sqrt(count * rho2 + 1) / (2 * ALPHA))
    return fmean(blocks) - stdev(blocks) * math.sqrt(2 * (count * rho2 + 1) / (count**2 * rho2) * inner)


@pytest.mark.parametrize("margin", [0.0, 0.003, 0.2])
def test_no_factor_of_any_key_is_ever_negative(margin: float) -> None:
    terms = Terms(0.5, margin)
    worst = np.array([-0.5, 0.5])
    for stakes, gains in (
        (terms.gaining, worst + margin),
        (terms.losing, -worst - margin),
        (terms.losing, worst - margin),
        (terms.gaining, margin - np.array([0.0, 0.5])),
    ):
        assert (1 + np.multiply.outer(np.array(stakes), gains) > 0).all()


def test_a_segment_that_is_worse_by_its_margin_keeps_the_gate_shut_and_the_mean_of_all_does_not() -> None:
    def measure(rng: np.random.Generator, count: int) -> list[float]:
        d, segment = streams.with_segment(rng, count, houses=5, mean=-streams.SEGMENT_TERMS.margin)
        gate = streams.at_every_day(d + streams.TERMS.margin).both
        return [streams.rate(gate), streams.rate(gate & streams.segment_passes(segment))]

    overall, promoted = averaged(20, measure)
    assert promoted <= ALPHA
    assert overall > 0.5


def test_a_harmful_segment_of_a_twelfth_of_the_houses_is_never_promoted_and_vetoed() -> None:
    def measure(rng: np.random.Generator, count: int) -> list[float]:
        d, segment = streams.with_segment(rng, count, houses=2, mean=-0.05)  # 8 % of 25 houses a day
        gate = streams.at_every_day(d + streams.TERMS.margin).both
        looks = [gate, gate & streams.segment_passes(segment), streams.segment_vetoes(segment, segments=12)]
        return [streams.rate(one) for one in looks]

    overall, promoted, vetoed = averaged(21, measure)
    assert promoted == 0
    assert vetoed == 1
    assert overall > 0.5


def test_segments_at_their_margin_are_vetoed_without_cause_in_alpha_of_streams_at_most() -> None:
    def measure(rng: np.random.Generator, count: int) -> list[float]:
        d = (
            streams.noise(rng, count)[..., :24].reshape(count, streams.DAYS, 12, 2)
            - streams.SEGMENT_TERMS.margin
        )
        vetoes = [streams.segment_vetoes(d[:, :, one], segments=12) for one in range(12)]
        return [streams.rate(np.logical_or.reduce(vetoes))]

    assert averaged(22, measure)[0] <= ALLOWED


def test_outcomes_in_order_of_arrival_promote_what_the_watermark_does_not() -> None:
    """Houses that sell early look better by 0.01 per mean delay, as statistics.md 3.5; all together: no gain.

    The limit: what is missing behind the watermark (5 %) is missing. At twice that slope the houses that are
    sold last are so much worse that the rest alone passes in some 11 % of streams, against all of them.
    """

    def measure(rng: np.random.Generator, count: int) -> list[float]:
        found = [streams.late(rng, count, slope) for slope in (0.01, 0.02)]
        ways = (streams.in_order_of_arrival, streams.behind_the_watermark)
        return [streams.rate(way(*one).both) for way in ways for one in found]

    arrival, arrival_twice, watermark, watermark_twice = averaged(30, measure)
    assert arrival > 0.3
    assert arrival_twice > 0.9
    assert watermark <= ALLOWED
    assert watermark_twice < 0.2
