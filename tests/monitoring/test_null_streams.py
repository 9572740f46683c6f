"""Does the gate hold when anyone may look every day? Simulated, with its teeth: what must fail fails here.

300 streams of each kind, fixed seeds. With UMBRA_TEST_STREAMS=2000 in the environment 2,000 of each, as in
docs/statistics.md, "Measured error rates", and the bounds are as much tighter.
"""

from __future__ import annotations

import math
import os
import re
import sys
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
import pytest
from numpy.typing import NDArray

from monitoring.statistics.sequential import ln_e, lower_bound
from monitoring.statistics.sums import BETS, Terms, log_factors

sys.path.insert(0, str(Path(__file__).parent))
import error_rates
import streams
from error_rates import SEED, OfNull
from streams import ALPHA, EIGHT_NULLS, NULLS, WHOLE_DAYS

ROOT = Path(__file__).parents[2]
STREAMS = int(os.environ.get("UMBRA_TEST_STREAMS", str(error_rates.STREAMS)))
ALLOWED = ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / STREAMS)


@pytest.fixture(scope="module")
def rates() -> dict[str, OfNull]:
    return error_rates.of_nulls(STREAMS)


@pytest.mark.parametrize("name", NULLS)
def test_however_often_anyone_looks_the_gate_opens_without_cause_in_alpha_of_streams_at_most(
    name: str, rates: dict[str, OfNull]
) -> None:
    assert rates[name].both <= ALLOWED


@pytest.mark.parametrize("name", EIGHT_NULLS)
def test_a_naive_test_that_is_looked_at_after_every_house_promotes_what_it_must_not(
    name: str, rates: dict[str, OfNull]
) -> None:
    assert rates[name].naive > 0.20


@pytest.mark.parametrize("name", ["day clusters 0.1", "day clusters 0.3", "autoregressive 0.5"])
def test_key_a_alone_is_fooled_by_houses_of_a_day_that_err_alike(name: str, rates: dict[str, OfNull]) -> None:
    assert rates[name].key_a > 0.10 > ALLOWED


def test_key_b_alone_is_fooled_by_rare_disasters(rates: dict[str, OfNull]) -> None:
    assert rates["disaster 0.2 %"].key_b > 0.15


def test_days_of_disaster_that_were_not_seen_yet_are_not_excluded_by_either_key(
    rates: dict[str, OfNull],
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
    rates = error_rates.of_segments(STREAMS)
    assert rates["a segment at its margin: promoted"] <= ALPHA
    assert rates["a segment at its margin: by the mean of all"] > 0.5


def test_a_harmful_segment_of_a_twelfth_of_the_houses_is_never_promoted_and_vetoed() -> None:
    rates = error_rates.of_segments(STREAMS)
    assert rates["8 % of the houses worse by 0.05: promoted"] == 0
    assert rates["8 % of the houses worse by 0.05: vetoed"] == 1
    assert rates["8 % of the houses worse by 0.05: by the mean of all"] > 0.5


def test_segments_at_their_margin_are_vetoed_without_cause_in_alpha_of_streams_at_most() -> None:
    assert error_rates.of_segments(STREAMS)["12 segments at their margin: any vetoed"] <= ALLOWED


def test_the_rule_of_segments_is_fooled_by_segment_houses_of_a_day_that_err_alike() -> None:
    """The limit that is documented: segments have key A alone. If this fails the rule got better."""
    rates = error_rates.of_segments(STREAMS)
    assert rates["a segment at its margin, days alike by 0.1: promoted"] <= ALLOWED
    assert rates["a segment at its margin, days alike by 0.3: promoted"] > 0.03


def test_outcomes_in_order_of_arrival_promote_what_the_watermark_does_not() -> None:
    """Houses that sell early look better by the slope per mean delay; all together: no gain.

    The limit: what is missing behind the watermark (5 %) is missing. At the steeper slope the houses that are
    sold last are so much worse that the rest alone passes in some 11 % of streams, against all of them.
    """
    rates = error_rates.of_delays(STREAMS)
    assert rates["in order of arrival, slope 0.01"] > 0.3
    assert rates["in order of arrival, slope 0.02"] > 0.9
    assert rates["behind a watermark of all delays, slope 0.01"] <= ALLOWED
    assert rates["behind a watermark of all delays, slope 0.02"] < 0.2


def test_a_watermark_of_the_delays_seen_so_far_lets_days_in_too_early() -> None:
    """The limit that is documented: while a stream is young its long delays have not been seen.

    If this fails the watermark got better than docs/statistics.md, "Late outcomes" says.
    """
    rates = error_rates.of_delays(STREAMS)
    assert rates["behind the watermark of the delays seen, slope 0"] <= ALLOWED
    assert 0.05 < rates["behind the watermark of the delays seen, slope 0.01"] < 0.3
    assert rates["behind the watermark of the delays seen, slope 0.02"] < 0.7


def test_the_watermark_seen_is_that_of_a_loop_over_houses() -> None:
    gains, arrivals = streams.late(np.random.default_rng(SEED), 2, 0.02)
    keys = streams.behind_the_watermark_seen(gains, arrivals)
    for stream in range(2):
        newest = -1
        for now in range(streams.DAYS):
            newest = max(newest, newest_mature_day(arrivals[stream], now))
            if now not in (45, 90, 199):
                continue
            known = [gains[stream, day][arrivals[stream, day] <= now].tolist() for day in range(newest + 1)]
            houses = [gain for day in known for gain in day]
            enough = len(known) >= streams.LEAST_DAYS and len(houses) >= 0.8 * streams.HOUSES * len(known)
            assert bool(keys.enough[stream, now]) is enough
            bound = lower_bound([sum(day) for day in known], ALPHA)
            assert keys.lower[stream, now] == pytest.approx(bound, rel=1e-9)
            factors = log_factors(streams.TERMS.gaining, np.array(houses))
            assert keys.ln_e[stream, now] == pytest.approx(ln_e(factors), rel=1e-9)


def newest_mature_day(arrivals: NDArray[np.int64], now: int) -> int:
    """Return it by the default policy: 95 % of at least 200 delays seen, in whole days, else 90 days."""
    delays = sorted(
        int(arrival) - day for day, row in enumerate(arrivals) for arrival in row if arrival <= now
    )
    return now - (delays[math.ceil(0.95 * len(delays)) - 1] + 1 if len(delays) >= 200 else 90)


def test_a_share_at_its_limit_is_proved_neither_way_in_more_than_alpha_of_streams() -> None:
    for rate in error_rates.of_shares(STREAMS).values():
        assert 0 < rate <= ALLOWED


def test_a_mean_gap_at_the_margin_is_certified_in_alpha_of_streams_at_most() -> None:
    assert error_rates.of_certificates(STREAMS)["a mean gap at the margin: certified"] <= ALLOWED


def test_the_planning_rule_fits_what_is_simulated_within_a_quarter() -> None:
    for name, needed in error_rates.houses_needed(STREAMS).items():
        assert needed.half_planned == pytest.approx(needed.half, rel=0.25), name
        assert needed.most_planned == pytest.approx(needed.most, rel=0.25), name


def test_the_page_of_statistics_states_the_simulated_rates() -> None:
    """Every row that error_rates prints stands there; each rate is within chance of the one found here."""
    page = (ROOT / "docs/statistics.md").read_text(encoding="utf-8")
    stated = {row.split(" | ")[0]: row for row in page.splitlines() if row.startswith("| ")}
    for row in error_rates.rows(STREAMS):
        name, *_ = row.split(" | ")
        assert name in stated, row
        ours, theirs = (re.findall(r"([\d.,]+) (?:\(|\|)", text) for text in (row, stated[name] + " "))
        assert len(ours) == len(theirs)
        for simulated, printed in zip(ours, theirs, strict=True):
            message = f"stated: {stated[name]}; simulated: {row}"
            assert within_chance(number(simulated), number(printed)), message


def number(text: str) -> float:
    return float(text.replace(",", ""))


def within_chance(simulated: float, stated: float) -> bool:
    """Compare rates within four standard errors of their difference, numbers of houses within a quarter."""
    if max(simulated, stated) > 1:
        return simulated == pytest.approx(stated, rel=0.25)
    middle = (simulated * STREAMS + stated * 2_000 + 1) / (STREAMS + 2_002)
    error = math.sqrt(middle * (1 - middle) * (1 / STREAMS + 1 / 2_000))
    return abs(simulated - stated) <= 4 * error + 0.0005
