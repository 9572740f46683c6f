"""Replays are kept once for each day; houses are sampled by a key that no answer can change."""

from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select

from model_package import schema
from model_package.reference import ModelRef
from shadow.records import Capture, NewObservation, new_capture_ids
from shadow.store import Store, candidates, captures, observations, open_store, sources
from shadow.store.captures import sample_key
from shadow.store.database import tables
from shadow.store.database.partitions import first_id
from shadow.store.drift import replays
from shadow.store.drift.replays import Replay

NOW = datetime(2026, 11, 21, tzinfo=UTC)
DAY = timedelta(days=1)
LIVE, GBM = ModelRef("linear", "1"), ModelRef("gbm", "1")
REPLAY = Replay(GBM, 86_400, 20_000, 17, 0.25, 2, NOW)
HOUSES = 400


def span(begin: datetime, end: datetime) -> tuple[UUID, UUID]:
    return first_id(int(begin.timestamp() * 1000)), first_id(int(end.timestamp() * 1000))


@pytest.fixture
def names(store: Store) -> list[UUID]:
    """Houses of two days; of every tenth the candidate could say nothing, others it said 1,000 more of."""
    made = [
        name
        for day in range(2)
        for name in new_capture_ids(HOUSES // 2, int((NOW + day * DAY).timestamp() * 1000), 99 + day << 40)
    ]
    rows = [
        Capture(
            name,
            NOW,
            "request",
            row,
            LIVE if row % 4 else GBM,
            1e5 + row,
            {**schema.EXAMPLE, "lot_area": row},
        )
        for row, name in enumerate(made)
    ]
    with store.writing() as connection:
        added = candidates.add(connection, GBM, 1.0, None, NOW)
        source = sources.lock(connection, "here", NOW)
        sources.advance(connection, source, captures.insert(connection, source, rows))
        (cursor,) = candidates.cursors_of(connection, added)
        answers = [
            NewObservation(one.id, reason="raised", detail="no")
            if row % 10 == 0
            else NewObservation(one.id, 1e5 + row + 1000)
            for row, one in enumerate(rows)
        ]
        observations.store(connection, added, cursor, answers, HOUSES, NOW)
    return made


def test_the_last_comparison_of_each_model_and_length_of_day_is_told(store: Store) -> None:
    with store.writing() as connection:
        assert replays.newest(connection, GBM, 86_400) is None
        for day in (20_001, 19_990, 20_000):
            replays.record(connection, replace(REPLAY, day=day))
        replays.record(connection, replace(REPLAY, day_seconds=1, day=10**9, beyond=0))
        replays.record(connection, replace(REPLAY, model=LIVE, day=30_000, worst_log_ratio=math.inf))
    with store.reading() as connection:
        assert replays.newest(connection, GBM, 86_400) == replace(REPLAY, day=20_001)
        assert replays.newest(connection, GBM, 1) == replace(REPLAY, day_seconds=1, day=10**9, beyond=0)
        told = replays.newest(connection, LIVE, 86_400)
    assert told is not None
    assert told.worst_log_ratio == math.inf


def test_a_day_that_is_compared_again_is_kept_once_as_it_was_found_last(store: Store) -> None:
    again = replace(REPLAY, houses=20, beyond=0, worst_log_ratio=0.0, checked_at=NOW + DAY)
    with store.writing() as connection:
        for one in (REPLAY, again):
            replays.record(connection, one)
    with store.reading() as connection:
        assert replays.newest(connection, GBM, 86_400) == again
        assert connection.execute(select(func.count()).select_from(tables.replays)).scalar_one() == 1


def test_workers_that_compare_the_same_day_do_not_fail_each_other(store: Store) -> None:
    others = [open_store(store.url) for _ in range(4)]

    def record(other: Store) -> None:
        for day in range(20):
            with other.writing() as connection:
                replays.record(connection, replace(REPLAY, day=day))

    with ThreadPoolExecutor(len(others)) as at_once:
        for one in [at_once.submit(record, other) for other in others]:
            one.result(timeout=60)
    for other in others:
        other.close()
    with store.reading() as connection:
        assert connection.execute(select(func.count()).select_from(tables.replays)).scalar_one() == 20


def test_what_a_model_answered_is_sampled_by_its_key(store: Store, names: list[UUID]) -> None:
    with store.reading() as connection:
        found = replays.sample_of_live(connection, LIVE, span(NOW, NOW + DAY), 0.3, 1000)
    wanted = [name for row, name in enumerate(names[:200]) if row % 4 and sample_key(name) < 0.3]
    assert [house.id for house, _ in found] == sorted(wanted, key=sample_key)
    assert len(wanted) > 20
    for house, said in found:
        row = names.index(house.id)
        assert (said, json.loads(house.inputs_json)["lot_area"]) == (1e5 + row, row)


def test_what_a_candidate_said_is_sampled_alike_without_what_it_failed_on(
    store: Store, names: list[UUID]
) -> None:
    with store.reading() as connection:
        found = replays.sample_of_candidate(connection, GBM, span(NOW + DAY, NOW + 2 * DAY), 0.3, 1000)
        few = replays.sample_of_candidate(connection, GBM, span(NOW, NOW + 2 * DAY), 1.0, 7)
        assert replays.sample_of_candidate(connection, LIVE, span(NOW, NOW + 2 * DAY), 1.0, 7) == []
    wanted = {names[row] for row in range(200, 400) if row % 10 and sample_key(names[row]) < 0.3}
    assert {house.id for house, _ in found} == wanted
    assert all(said == 1e5 + names.index(house.id) + 1000 for house, said in found)
    assert [house.id for house, _ in few] == sorted(
        (name for row, name in enumerate(names) if row % 10), key=sample_key
    )[:7]
