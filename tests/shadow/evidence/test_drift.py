"""Drift is told once it lasts and there are houses enough to tell; red drift blocks a promotion."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from season import CANDIDATE, DAY, DAYS, NOW, START, Season, on_one_database
from sqlalchemy import delete, select, update

from shadow.evidence import drift, reference
from shadow.evidence.documents.drift import drift_document
from shadow.evidence.drift import CANDIDATE_PRICE, LIVE_PRICE
from shadow.evidence.judgement import judge
from shadow.json_shapes import to_json
from shadow.store.database import tables

MakeSeason = Callable[..., Season]
counts = tables.field_counts.c


def states(season: Season, now: datetime = NOW) -> dict[str, int | None]:
    """Of every column, and of all together as `all`."""
    measured = drift.measure(season.store, season.context(), now)
    return {**measured.states, "all": measured.state}


def move(season: Season, field: str, first: datetime, to: str = "99") -> None:
    """From a day on every house has the same value of a field: in the last bin, or in bin `to`."""
    day = int(first.timestamp()) // 86_400
    moved = (counts.field == field) & (counts.day >= day)
    with season.store.writing() as connection:
        houses: dict[tuple[str, int], int] = {}
        for row in connection.execute(select(tables.field_counts).where(moved)):
            houses[row.profile, row.day] = houses.get((row.profile, row.day), 0) + row.houses
        connection.execute(delete(tables.field_counts).where(moved))
        for (profile, at), number in houses.items():
            values = {"profile": profile, "day_seconds": 86_400, "field": field, "day": at, "bin": to}
            connection.execute(tables.field_counts.insert().values(houses=number, **values))


def test_houses_like_those_of_training_do_not_drift(season: Season) -> None:
    found = states(season)
    assert found.pop("all") == 0
    assert found == dict.fromkeys(
        ("living_area", "neighborhood", "lot_frontage", "age", LIVE_PRICE, CANDIDATE_PRICE), 0
    )


def test_a_field_that_moved_is_red_once_it_lasts_and_blocks(season: Season) -> None:
    # Ten of 28 days have moved since; each of the three windows holds at least eight of them.
    move(season, "living_area", NOW - 10 * DAY)
    assert states(season) | {"living_area": 2, "all": 2} == states(season)
    assert states(season)["neighborhood"] == 0
    verdict = judge(season.store, season.models, CANDIDATE, NOW)
    assert verdict.state.value == "blocked"
    assert verdict.reasons[0] == "Drift: red"


@on_one_database
@pytest.mark.parametrize(("days", "state"), [(1, 0), (2, 2)])
def test_what_only_the_newest_window_shows_is_no_drift_yet(season: Season, days: int, state: int) -> None:
    # Seven days hold enough, so that one day is a seventh of its window, and all of it is in one bin.
    season.write(update(tables.field_counts).values(houses=counts.houses * 5))
    move(season, "living_area", START + (DAYS - days) * DAY)
    assert states(season)["living_area"] == state
    # Other fields of so few houses, counted five times, may be yellow.
    assert (states(season)["all"] == 2) is (state == 2)


@on_one_database
def test_below_500_houses_nothing_is_known(season: Season) -> None:
    move(season, "living_area", START)
    early = START + 19 * DAY
    found = states(season, early)
    assert set(found.values()) == {None}
    assert judge(season.store, season.models, CANDIDATE, early).evidence.drift is None
    # From the day on which three windows hold 500, it is known.
    assert states(season, START + 23 * DAY)["living_area"] == 2


@on_one_database
def test_a_candidate_that_sees_a_sample_is_told_by_its_own_houses(season: Season) -> None:
    season.write(update(tables.field_counts).values(houses=counts.houses * 5))
    mine = (counts.profile == season.context().candidate_reference.digest) & (counts.field == "prediction")
    season.write(update(tables.field_counts).where(mine).values(houses=(counts.houses / 5)))
    move_of_candidate = {"bin": "99"}
    before = states(season)
    assert before[CANDIDATE_PRICE] == 0  # 28 days: of 7 there are too few
    season.write(delete(tables.field_counts).where(mine & (counts.bin != "99")))
    season.write(update(tables.field_counts).where(mine).values(houses=100, **move_of_candidate))
    after = states(season)
    assert (after[CANDIDATE_PRICE], after[LIVE_PRICE], after["all"]) == (2, 0, 2)


@on_one_database
def test_many_small_things_are_red_together_and_one_unimportant_field_is_not(season: Season) -> None:
    move(season, "lot_frontage", START, to="__missing__")
    found = states(season)
    # Not among the five most important, yet a quarter of the four fields.
    assert (found["lot_frontage"], found["all"]) == (2, 2)
    live = season.context().live_reference
    assert live.by_importance == ("age", "neighborhood", "living_area")
    alone = {str(number): 0 for number in range(9)} | {"lot_frontage": 2}
    assert drift.overall_state(live, alone) == 1
    assert drift.overall_state(live, alone | {"lot_frontage": 0, "age": 2}) == 2


@on_one_database
def test_the_document_shows_the_window_that_has_enough_houses(season: Season) -> None:
    def column(name: str) -> dict[str, Any]:
        measured = drift.measure(season.store, season.context(), NOW)
        made = to_json(drift_document(season.store, season.context(), measured, ()))
        (found,) = [one for one in made["fields"] if one["field"] == name]
        return dict(found) | {"windows": made["windows"]}

    few = column("neighborhood")
    assert (few["windows"]["7"]["houses"], few["houses"]) == (175, few["windows"]["28"]["houses"])
    assert (few["windows"]["7"]["from"], few["windows"]["7"]["to"]) == ("2026-10-04", "2026-10-11")
    assert sum(one["share"] for one in few["window"]) == pytest.approx(1, abs=1e-5)
    assert few["psi_by_window"].keys() == {"7", "28"}
    season.write(update(tables.field_counts).values(houses=counts.houses * 5))
    assert column("neighborhood")["houses"] == 875


@on_one_database
def test_a_profile_that_tells_nothing_leaves_drift_unknown(season: Season) -> None:
    context = season.context()
    for one in (context.live_reference, context.candidate_reference):
        object.__setattr__(one, "profile", {})
    try:
        assert states(season) == {"all": None}
        drift.BinCounter(context).update(season.store)
    finally:
        reference._read.cache_clear()
