"""Stored houses that are asked again get the prices they got in service, or it is told that they do not."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from season import (
    CANDIDATE,
    DAY,
    LIVE,
    NOW,
    START,
    Season,
    fields,
    insert,
    name_at,
    on_one_database,
    pass_all,
)
from sqlalchemy import func, select, update

from model_package.reference import ModelRef
from shadow.evidence import drift, skew
from shadow.evidence.documents.drift import drift_document
from shadow.records import Capture, NewObservation
from shadow.store.database import tables
from shadow.store.drift import replays
from shadow.store.drift.replays import Replay

MakeSeason = Callable[..., Season]
LATER = NOW + 3 * DAY


@pytest.fixture(autouse=True)
def _found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model's process finds the recipe, too."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))


@pytest.fixture
def season(make_season: MakeSeason) -> Season:
    """A season of which no house is in the sample; those of `ask` are, unless said otherwise."""
    return make_season("new")


def ask(
    season: Season,
    moment: datetime,
    areas: list[int],
    key: Callable[[float], bool] = lambda k: k < 0.01,
    live: ModelRef = LIVE,
) -> list[Any]:
    """Houses of these sizes, priced as the artifacts say; the candidate has seen them, too."""
    asked = [
        Capture(
            name_at(moment, season.chance, key),
            moment,
            "again",
            row,
            live,
            100.0 * area,
            fields(season.chance) | {"living_area": area},
        )
        for row, area in enumerate(areas)
    ]
    with season.store.writing() as connection:
        insert(connection, asked)
        pass_all(
            connection,
            [NewObservation(one.id, 100.0 * area) for one, area in zip(asked, areas, strict=True)],
            NOW,
        )
    return [one.id for one in asked]


def check(season: Season, model: ModelRef = LIVE, now: datetime = LATER) -> Replay | None:
    return skew.check(season.store, season.settings, model, season.stream, now, threading.Event())


@on_one_database
def test_an_honest_model_answers_as_it_did(season: Season) -> None:
    ask(season, NOW, list(range(1200, 1230)))
    ask(season, NOW, [1300] * 20, lambda key: key >= 0.01)
    for model in (LIVE, CANDIDATE):
        found = check(season, model)
        assert found is not None
        assert (found.houses, found.beyond) == (30, 0)
        assert found.worst_log_ratio <= 1e-9
    with season.store.reading() as connection:
        assert replays.newest(connection, LIVE, 86_400) == check_kept(season)


def check_kept(season: Season) -> Replay | None:
    with season.store.reading() as connection:
        return replays.newest(connection, LIVE, 86_400)


@on_one_database
def test_a_price_that_was_altered_is_found(season: Season, caplog: pytest.LogCaptureFixture) -> None:
    names = ask(season, NOW, list(range(1200, 1210)))
    other = tables.captures.c.id == names[3]
    season.write(update(tables.captures).where(other).values(prediction_dollars=120_300 * 1.00001))
    seen = tables.observations.c.capture_id == names[5]
    season.write(update(tables.observations).where(seen).values(prediction_dollars=60_000.0))
    found = check(season)
    assert found is not None
    assert (found.houses, found.beyond) == (10, 1)
    assert found.worst_log_ratio == pytest.approx(1e-5, rel=1e-3)
    other_found = check(season, CANDIDATE)
    assert other_found is not None
    assert (other_found.beyond, other_found.worst_log_ratio) == (1, pytest.approx(math.log(2), abs=0.01))
    assert [one.levelname for one in caplog.records if one.message == "replayed"] == ["ERROR", "ERROR"]
    measured = drift.measure(season.store, season.context(), LATER)
    document = drift_document(season.store, season.context(), measured, ())
    assert [(entry.model, entry.beyond, entry.state) for entry in document.skew] == [
        ("linear@1", 1, 2),
        ("gbm@1", 1, 2),
    ]


@on_one_database
def test_a_model_that_cannot_be_loaded_answers_none_of_them(
    season: Season, caplog: pytest.LogCaptureFixture
) -> None:
    ask(season, NOW, list(range(1200, 1205)))
    (season.models / "linear" / "1" / "card.json").unlink()
    found = check(season)
    assert found is not None
    assert (found.houses, found.beyond, found.worst_log_ratio) == (5, 5, math.inf)
    assert [one.message for one in caplog.records].count("replay_failed") == 1
    kept = check_kept(season)
    assert kept is not None
    assert kept.worst_log_ratio == math.inf


@on_one_database
def test_a_model_that_dies_on_a_house_cannot_answer_that_batch(season: Season) -> None:
    ask(season, NOW, [1200, 1003, 1201])  # on 1,003 square feet it exits
    found = check(season)
    assert found is not None
    assert (found.houses, found.beyond) == (3, 3)


@on_one_database
def test_no_day_is_compared_twice_and_none_before_it_is_over(season: Season) -> None:
    ask(season, NOW, [1200])
    assert check(season, now=START + DAY / 2) is None
    first = check(season, now=NOW + DAY)
    assert first is not None
    assert first.day == int(NOW.timestamp()) // 86_400
    assert check(season, now=NOW + DAY) is None
    assert check(season, now=NOW + 2 * DAY) is None  # a day without a house
    ask(season, NOW + 2 * DAY, [1300, 1301])
    assert check(season, now=NOW + 2 * DAY) is None
    second = check(season, now=NOW + 3 * DAY)
    assert second is not None
    assert (second.houses, second.day) == (2, first.day + 2)
    with season.store.reading() as connection:
        rows = connection.execute(select(func.count()).select_from(tables.replays)).scalar_one()
    assert rows == 2


@on_one_database
def test_a_model_that_was_promoted_is_asked_for_what_it_said_in_both_roles(season: Season) -> None:
    ask(season, NOW, [1200, 1201])
    ask(season, NOW + timedelta(hours=1), [1300, 1301, 1302], live=CANDIDATE)
    season.write(
        tables.observations.delete().where(
            tables.observations.c.capture_id.in_(
                select(tables.captures.c.id).where(tables.captures.c.live_name == CANDIDATE.name)
            )
        )
    )
    found = check(season, CANDIDATE)
    assert found is not None
    assert (found.houses, found.beyond) == (5, 0)


@on_one_database
def test_a_stop_leaves_the_comparison_for_the_next_time(season: Season) -> None:
    ask(season, NOW, [1200])
    stop = threading.Event()
    stop.set()
    assert skew.check(season.store, season.settings, LIVE, season.stream, LATER, stop) is None
    assert check_kept(season) is None
    assert check(season) is not None
