"""The demo's traffic is what real traffic is: irregular, mixed, now and then wrong; and houses are sold."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from itertools import islice
from statistics import mean, quantiles
from uuid import UUID

import pytest

from model_package import schema, synthetic
from shadow.outcomes import parse_outcome
from shadow.records import OutcomeState, new_capture_ids
from umbra.demo import market, traffic
from umbra.demo.market import HousingMarket, MarketHouse, ReportQueue, SaleReport
from umbra.demo.traffic import TrafficRequest

SALES = synthetic.synthetic(400, seed=1)
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ID = str(new_capture_ids(1, int(NOW.timestamp() * 1000), 1)[0])


def stocked() -> HousingMarket:
    return HousingMarket(map(MarketHouse, SALES.rows * 20, SALES.prices.tolist() * 20))


def parse(ask: TrafficRequest) -> schema.Houses:
    read = schema.parse_json if ask.content_type == "application/json" else schema.parse_csv
    return read(ask.body, 1000)


@pytest.mark.parametrize(
    "kind", [traffic.single_house, traffic.named_house, traffic.house_list, traffic.csv_table]
)
@pytest.mark.parametrize("seed", range(10))
def test_right_requests_are_accepted_and_tell_their_houses_in_order(kind: type, seed: int) -> None:
    ask = kind(stocked(), random.Random(seed))
    parsed = parse(ask)
    assert parsed.rows == [house.fields for house in ask.houses]
    assert [*parsed.entities] == [house.entity_id for house in ask.houses if house.entity_id]


@pytest.mark.parametrize("seed", range(20))
def test_mistakes_are_refused_by_what_they_are(seed: int) -> None:
    ask = traffic.wrong_request(stocked(), random.Random(seed))
    assert ask.houses == ()
    with pytest.raises((schema.MalformedBody, schema.InvalidRows)):
        parse(ask)


def test_arrivals_have_the_rate_and_the_spread_of_a_poisson_process() -> None:
    asks = traffic.requests(stocked(), 50.0, random.Random(1))
    pauses = [seconds for seconds, _ in islice(asks, 3500)]
    average = sum(pauses) / len(pauses)
    spread = (sum((pause - average) ** 2 for pause in pauses) / len(pauses)) ** 0.5
    assert average == pytest.approx(1 / 50, rel=0.09)  # five standard errors
    assert spread == pytest.approx(1 / 50, rel=0.13)


def test_the_same_seed_asks_the_same() -> None:
    first, second = (list(islice(traffic.requests(stocked(), 5.0, random.Random(9)), 50)) for _ in range(2))
    assert first == second


def test_no_house_comes_twice_and_each_has_the_price_of_the_mechanism() -> None:
    found = list(islice(market.houses(seed=3), market._BLOCK + 5))
    assert len({repr(house.fields) for house in found}) == len(found)
    again = synthetic.synthetic(market._BLOCK, 3 << 20)
    assert [house.price_dollars for house in found[: market._BLOCK]] == again.prices.tolist()
    assert found[: market._BLOCK] != found[market._BLOCK :]


def test_people_come_back_to_listings_and_a_listing_sells_for_one_price() -> None:
    chance, offered = random.Random(4), stocked()
    asked = [offered.listing(chance) for _ in range(200)]
    names = {house.entity_id for house in asked}
    assert 60 < len(names) < 140
    assert len({(house.entity_id, house.price_dollars) for house in asked}) == len(names)


def told_of(houses: int, seed: int = 5) -> list[list[SaleReport]]:
    chance, house = random.Random(seed), MarketHouse({}, 200_000.0)
    return [list(market.reports(house, ID, 100.0, chance)) for _ in range(houses)]


def test_most_houses_are_sold_soon_some_late_and_wrong_prices_are_corrected() -> None:
    told = told_of(6000)
    sold = [one[-1].due - 100.0 for one in told if one and one[-1].price_dollars is not None]
    assert 0.91 < len(sold) / len(told) < 0.95
    assert 1.3 < mean(sold) < 1.9
    assert quantiles(sold, n=20)[-1] < 6
    assert max(sold) > 10
    corrected = [one for one in told if len(one) == 2]
    assert 0.015 < len(corrected) / len(told) < 0.045
    assert {one[-1].price_dollars for one in told if one} == {200_000.0, None}


def test_reports_are_such_as_the_api_takes() -> None:
    for report in (SaleReport(1.0, ID, 180_000.0), SaleReport(1.0, ID, None)):
        parsed = parse_outcome(report.as_json(NOW), 0, NOW)
        assert parsed.faults == ()
        assert parsed.outcome is not None
        assert parsed.outcome.capture_id == UUID(ID)
        assert (parsed.outcome.state is OutcomeState.SOLD) == (report.price_dollars is not None)


def test_reports_come_when_they_are_due_and_again_when_nobody_took_them() -> None:
    queue = ReportQueue(random.Random(6))
    queue.expect([MarketHouse({}, 1.0)] * 300, [ID] * 300, 0.0)
    soon = queue.due(1.0, 1000)
    assert 0 < len(soon) < 300
    assert all(report.due <= 1.0 for report in soon)
    queue.put_back(soon)
    assert queue.due(1.0, 2) == soon[:2]
    later = queue.due(1000.0, 1000)
    assert len(later) > len(soon)
    assert queue.due(1000.0, 1000) == []
