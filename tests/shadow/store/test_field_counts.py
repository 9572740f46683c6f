"""Counts of stored houses are those that a profile is made of, each house once."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import insert, select

from model_package import profile
from model_package.profile import MISSING, OTHER, UNSEEN
from model_package.reference import ModelRef
from model_package.schema import EXAMPLE, Row
from model_package.synthetic import synthetic
from monitoring.statistics.drift import field_drift
from shadow.records import Capture, NewObservation, new_capture_ids
from shadow.store import Store, candidates, captures, observations, open_store, sources
from shadow.store.database.tables import field_counts
from shadow.store.drift.field_counts import PREDICTION, FieldCounts, bin_counts

START = datetime(2026, 9, 1, tzinfo=UTC)
DAY = 86_400
FIRST = int(START.timestamp()) // DAY
LIVE, CANDIDATE = ModelRef("linear", "1"), ModelRef("gbm", "2")
DIGEST = "a" * 64


@pytest.fixture(scope="module")
def houses() -> list[Row]:
    """Rows as in training, some of them unlike any other."""
    rows = synthetic(1200, seed=4).rows
    return [{**row, "lot_frontage": None} if i % 7 == 0 else row for i, row in enumerate(rows)]


@pytest.fixture(scope="module")
def dollars(houses: list[Row]) -> list[float]:
    """What the live model said of each."""
    chance = random.Random(2)
    return [math.exp(chance.gauss(12, 0.4)) for _ in houses]


@pytest.fixture(scope="module")
def reference(houses: list[Row], dollars: list[float]) -> dict[str, Any]:
    """The profile of an artifact trained on these rows."""
    prices = np.array(dollars)
    return profile.build(houses, prices, (prices, prices * 1.1))


def put(
    store: Store,
    rows: Sequence[Row],
    dollars: Sequence[float],
    *,
    where: str = "here",
    since: datetime = START,
    live: ModelRef = LIVE,
    seed: int = 1,
) -> list[Capture]:
    """Houses that were answered within one day."""
    chance = random.Random(seed)
    made = []
    for row, price in zip(rows, dollars, strict=True):
        moment = since + timedelta(seconds=chance.uniform(0, DAY - 1))
        (name,) = new_capture_ids(1, int(moment.timestamp() * 1000), chance.getrandbits(74))
        made.append(Capture(name, moment, "request", 0, live, price, row))
    with store.writing() as connection:
        source = sources.lock(connection, where, START)
        sources.advance(connection, source, captures.insert(connection, source, made))
    return made


def count(store: Store, counts: FieldCounts, since: datetime = START, at_once: int = 10_000) -> int:
    """Count everything there is; returns in how many transactions."""
    for times in range(1, 1000):
        with store.writing() as connection:
            if not counts.count_next(connection, since, at_once):
                return times
    raise AssertionError("there is always more")


def counted(store: Store, first: int = FIRST, end: int = FIRST + 100) -> dict[str, dict[str, int]]:
    with store.reading() as connection:
        return bin_counts(connection, DIGEST, DAY, first, end)


def bins(described: dict[str, Any]) -> dict[str, int]:
    """The counts of a profile by the labels of a window, without the empty ones."""
    if described["kind"] == "categorical":
        found = dict(described["counts"])
    else:
        found = {str(place): houses for place, houses in enumerate(described["fine_counts"])}
        found |= {name: described[name] for name in ("missing", "nonfinite")}
    return {name: houses for name, houses in found.items() if houses}


def test_counts_of_the_training_rows_are_those_of_the_profile(
    store: Store, houses: list[Row], dollars: list[float], reference: dict[str, Any]
) -> None:
    put(store, houses[:500], dollars[:500], where="there")
    put(store, houses[500:], dollars[500:], since=START + timedelta(days=3), seed=5)
    count(store, FieldCounts(DIGEST, LIVE, reference, DAY))
    wanted = {name: bins(described) for name, described in reference["fields"].items()}
    assert {"age", "remodel_age", "garage_age", "lot_frontage", "zoning"} <= set(wanted)
    assert len({described["kind"] for described in reference["fields"].values()}) == 2
    found = counted(store)
    for name, fallen in ({**wanted, PREDICTION: bins(reference["prediction"])}).items():
        assert found[name] == fallen, name
    for name, fallen in found.items():
        described = reference["prediction"] if name == PREDICTION else reference["fields"][name]
        assert field_drift(described, fallen, len(found)).psi == pytest.approx(0, abs=1e-12)


def test_counts_are_by_day(
    store: Store, houses: list[Row], dollars: list[float], reference: dict[str, Any]
) -> None:
    put(store, houses[:50], dollars[:50])
    put(store, houses[50:80], dollars[50:80], since=START + timedelta(days=3), seed=5)
    count(store, FieldCounts(DIGEST, LIVE, reference, DAY))
    one = counted(store, FIRST, FIRST + 1)
    assert {sum(fallen.get(str(i), 0) for i in range(101)) for fallen in [one[PREDICTION]]} == {50}
    assert Counter(one["zoning"]) == Counter(row["zoning"] for row in houses[:50])
    assert Counter(counted(store, FIRST + 3)["zoning"]) == Counter(row["zoning"] for row in houses[50:80])
    assert counted(store, FIRST + 1, FIRST + 3) == {}


def test_each_house_is_counted_once_however_the_work_is_cut(
    store: Store, houses: list[Row], dollars: list[float], reference: dict[str, Any]
) -> None:
    counts = FieldCounts(DIGEST, LIVE, reference, DAY)
    put(store, houses[:60], dollars[:60])
    assert count(store, counts, at_once=25) == 3
    put(store, houses[60:90], dollars[60:90], where="there", seed=3)
    put(store, houses[90:100], dollars[90:100], seed=4)
    count(store, FieldCounts(DIGEST, LIVE, reference, DAY))
    assert count(store, counts) == 1
    found = counted(store)
    assert Counter(found["zoning"]) == Counter(row["zoning"] for row in houses[:100])
    assert sum(found[PREDICTION].values()) >= 100


def test_two_processes_count_each_house_once(
    store: Store, houses: list[Row], dollars: list[float], reference: dict[str, Any]
) -> None:
    put(store, houses[:200], dollars[:200])
    others = [open_store(store.url) for _ in range(3)]
    with ThreadPoolExecutor(len(others)) as at_once:
        work = [
            at_once.submit(count, other, FieldCounts(DIGEST, LIVE, reference, DAY), START, 20)
            for other in others
        ]
        for done in work:
            done.result(timeout=60)
    for other in others:
        other.close()
    assert Counter(counted(store)["zoning"]) == Counter(row["zoning"] for row in houses[:200])


def test_counting_begins_with_the_first_house_of_the_time_that_is_asked_for(
    store: Store, houses: list[Row], dollars: list[float], reference: dict[str, Any]
) -> None:
    put(store, houses[:20], dollars[:20])
    put(store, houses[20:30], dollars[20:30], since=START + timedelta(days=5), seed=2)
    count(store, FieldCounts(DIGEST, LIVE, reference, DAY), START + timedelta(days=2))
    assert sum(counted(store)["zoning"].values()) == 10


def described(kind: str) -> dict[str, Any]:
    """A reference of one field: whole numbers 0 to 99, or a few codes."""
    if kind == "codes":
        return profile.describe(["RL"] * 6 + ["RM"] * 3 + [None])
    if kind == "many":
        return profile.describe([f"code-{number:03d}" for number in range(60)] + ["RL"] * 3)
    return profile.describe([float(number) for number in range(100)])


def reference_of(**fields: dict[str, Any]) -> dict[str, Any]:
    return {"fields": fields, "prediction": described("numbers")}


def example(**values: object) -> Row:
    return {**EXAMPLE, **values}  # type: ignore[dict-item]


def test_what_is_missing_out_of_range_or_unheard_of_is_counted_so(store: Store) -> None:
    rows = [
        example(lot_area=area, zoning=code, lot_frontage=None)
        for area, code in ((-1.0, "RL"), (0.0, "FV"), (99.0, None), (99.5, "RM"), (1e6, "RL"))
    ]
    numbers = described("numbers")
    counts = reference_of(lot_area=numbers, zoning=described("codes"), lot_frontage=numbers)
    put(store, rows, [50.0, -math.inf, math.inf, 1000.0, 99.0])
    count(store, FieldCounts(DIGEST, LIVE, counts, DAY))
    found = counted(store)
    assert found["lot_area"] == {"0": 2, "99": 3, "below": 1, "above": 2}
    assert found["zoning"] == {"RL": 2, "RM": 1, MISSING: 1, UNSEEN: 1}
    assert found["lot_frontage"] == {"missing": 5}
    assert found[PREDICTION] == {"50": 1, "99": 2, "nonfinite": 2, "above": 1}


def test_a_value_on_an_edge_falls_where_the_profile_puts_it(store: Store) -> None:
    numbers = described("numbers")
    edges = numbers["fine_edges"]
    values = [*edges, *(math.nextafter(edge, 0) for edge in edges)]
    put(store, [example(lot_area=value) for value in values], [50.0] * len(values))
    count(store, FieldCounts(DIGEST, LIVE, reference_of(lot_area=numbers), DAY))
    places = Counter(str(np.searchsorted(edges, value, side="right")) for value in values)
    assert counted(store)["lot_area"] == places


def test_a_code_that_a_reference_does_not_name_may_be_one_of_its_rare_ones(store: Store) -> None:
    many = described("many")
    assert many["counts"][OTHER] > 0
    put(store, [example(zoning=code) for code in ("RL", "code-000", "never seen")], [50.0] * 3)
    count(store, FieldCounts(DIGEST, LIVE, reference_of(zoning=many), DAY))
    assert counted(store)["zoning"] == {"RL": 1, "code-000": 1, OTHER: 1}


def test_few_numbers_are_named_by_their_value_however_they_are_written(store: Store) -> None:
    few = profile.describe([0, 1, 2, 2.5, None])
    put(store, [example(fireplaces=number) for number in (0, 0.0, 2, 2.0, 2.5, 7, None)], [50.0] * 7)
    count(store, FieldCounts(DIGEST, LIVE, reference_of(fireplaces=few), DAY))
    assert counted(store)["fireplaces"] == {"0": 2, "2": 2, "2.5": 1, UNSEEN: 1, MISSING: 1}


def test_prices_of_another_live_model_are_not_counted_as_this_ones(store: Store) -> None:
    put(store, [EXAMPLE] * 3, [10.0, 20.0, 30.0])
    put(store, [EXAMPLE] * 2, [10.0, 20.0], live=ModelRef("linear", "9"), seed=2)
    count(store, FieldCounts(DIGEST, LIVE, reference_of(lot_area=described("numbers")), DAY))
    found = counted(store)
    assert sum(found[PREDICTION].values()) == 3
    assert found["lot_area"] == {"99": 5, "above": 5}


def test_of_a_candidate_its_own_prices_are_counted_as_far_as_it_has_come(store: Store) -> None:
    with store.writing() as connection:
        candidate = candidates.add(connection, CANDIDATE, 1.0, None, START)
    asked = put(store, [EXAMPLE] * 4, [10.0] * 4)
    counts = FieldCounts(DIGEST, CANDIDATE, reference_of(lot_area=described("numbers")), DAY, candidate.id)
    count(store, counts)
    assert counted(store) == {}
    said = [
        NewObservation(one.id, prediction_dollars=price)
        for one, price in zip(asked, (60.0, 60.5, 70.0), strict=False)
    ]
    said.append(NewObservation(asked[3].id, reason="not_finite"))
    with store.writing() as connection:
        (cursor,) = candidates.cursors_of(connection, candidate)
        observations.store(connection, candidate, cursor, said, 4, START)
    put(store, [EXAMPLE] * 2, [10.0] * 2, seed=2)
    count(store, counts)
    count(store, counts)
    assert counted(store) == {PREDICTION: {"60": 1, "61": 1, "70": 1}}


def test_a_table_of_counts_can_be_read_for_one_profile_alone(store: Store) -> None:
    with store.writing() as connection:
        for digest, seconds in (("b" * 64, DAY), (DIGEST, 60)):
            row = {
                "profile": digest,
                "day_seconds": seconds,
                "field": "x",
                "day": FIRST,
                "bin": "0",
                "houses": 1,
            }
            connection.execute(insert(field_counts).values(row))
        assert len(connection.execute(select(field_counts)).all()) == 2
    assert counted(store) == {}


def test_a_process_that_dies_between_any_two_statements_counts_nothing_twice(
    store: Store, dying_after: Callable[[Store, int], Any]
) -> None:
    put(store, [EXAMPLE] * 9, [10.0] * 9)
    counts = FieldCounts(DIGEST, LIVE, reference_of(lot_area=described("numbers")), DAY)
    for allowed in range(1, 100):
        with dying_after(store, allowed) as survived:
            count(store, counts, at_once=4)
        if survived():
            break
    assert allowed > 5
    assert counted(store)["lot_area"] == {"99": 9, "above": 9}
