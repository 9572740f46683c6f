"""The demo's traffic is what real traffic is: irregular, mixed, and now and then wrong."""

from __future__ import annotations

import random
from itertools import islice

import pytest

from model_package import schema, synthetic
from shadow import traffic
from shadow.traffic import Ask

HOUSES = synthetic.synthetic(200, seed=1).rows


def parse(ask: Ask) -> schema.Houses:
    read = schema.parse_json if ask.content_type == "application/json" else schema.parse_csv
    return read(ask.body, 1000)


@pytest.mark.parametrize("kind", [traffic.one_house, traffic.a_list, traffic.a_table])
@pytest.mark.parametrize("seed", range(20))
def test_right_requests_are_accepted(kind: type, seed: int) -> None:
    assert all(row in HOUSES for row in parse(kind(HOUSES, random.Random(seed))).rows)


@pytest.mark.parametrize("seed", range(20))
def test_mistakes_are_refused_by_what_they_are(seed: int) -> None:
    with pytest.raises((schema.MalformedBody, schema.InvalidRows)):
        parse(traffic.a_mistake(HOUSES, random.Random(seed)))


def test_arrivals_have_the_rate_and_the_spread_of_a_poisson_process() -> None:
    pauses = [seconds for seconds, _ in islice(traffic.requests(HOUSES, 50.0, random.Random(1)), 4000)]
    mean = sum(pauses) / len(pauses)
    spread = (sum((pause - mean) ** 2 for pause in pauses) / len(pauses)) ** 0.5
    assert mean == pytest.approx(1 / 50, rel=0.08)  # five standard errors
    assert spread == pytest.approx(1 / 50, rel=0.12)


def test_the_same_seed_asks_the_same() -> None:
    first, second = (list(islice(traffic.requests(HOUSES, 5.0, random.Random(9)), 50)) for _ in range(2))
    assert first == second
