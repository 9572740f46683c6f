"""Houses whose price is known are told from the others only where they are not like them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from season import LIVE, NOW, Season, fields, on_one_database, rows_of
from sqlalchemy import delete, select

from model_package import profile
from monitoring.statistics.drift import YELLOW_PSI
from shadow.evidence.documents.comparison import comparison_document
from shadow.evidence.documents.shapes import SelectionBias
from shadow.evidence.judgement import current_evidence
from shadow.evidence.reference import Reference
from shadow.evidence.selection_bias import LEAST, compare, count_by_bin
from shadow.json_shapes import to_json
from shadow.records import new_capture_ids
from shadow.store import evidence
from shadow.store.database import tables
from shadow.store.evidence import PredictionPair
from shadow.verdict import decide, verdict_json

ROWS = rows_of(3, 3000)
Sells = Callable[[Mapping[str, Any], PredictionPair, float], bool]
"""Whether a house is sold, by what was asked, both models' answers, and a number drawn of [0, 1)."""


@pytest.fixture(scope="module")
def live() -> Reference:
    """A live model that learned from such houses."""
    prices = np.array([worth(row) for row in ROWS])
    said = profile.build(ROWS, prices, (prices, prices))
    return Reference(LIVE, "1" * 64, "2" * 64, said, ("living_area", "overall_quality"))


def worth(row: Mapping[str, Any]) -> float:
    return float(60.0 * row["living_area"] + 12_000.0 * row["overall_quality"])


def houses(sells: Sells, seed: int = 1) -> list[PredictionPair]:
    chance = np.random.default_rng(seed)
    asked = rows_of(100 + seed, 2000)
    found = []
    for row, name in zip(asked, new_capture_ids(len(asked), 0, seed), strict=True):
        pair = PredictionPair(name, worth(row), worth(row) * float(np.exp(chance.normal(0, 0.06))), None, row)
        price = worth(row) if sells(row, pair, float(chance.random())) else None
        found.append(PredictionPair(name, pair.live_dollars, pair.candidate_dollars, price, row))
    return found


def by_chance(_row: Mapping[str, Any], _pair: PredictionPair, drawn: float) -> bool:
    return drawn < 0.8


def cheap(_row: Mapping[str, Any], pair: PredictionPair, drawn: float) -> bool:
    return pair.live_dollars < 170_000 and drawn < 0.95


def named(found: SelectionBias, state: int) -> set[str]:
    return {row.field for row in found.fields if row.state == state}


@pytest.mark.parametrize("seed", range(3))
def test_houses_that_sell_by_chance_are_like_the_others(live: Reference, seed: int) -> None:
    found = compare(houses(by_chance, seed), live, ())
    assert found.gap.state == 0
    assert {row.field for row in found.fields} == set(live.fields)
    # The neighbourhoods are many: of 400 unsold houses chance alone moves them as far as what would count.
    undecided = {row.field for row in found.fields if row.state is None}
    assert undecided <= {"neighborhood"}
    assert named(found, 0) | undecided == set(live.fields)
    assert found.state == (None if undecided else 0)
    assert found.sold + found.unsold == 2000


def test_when_only_cheap_houses_are_sold_the_fields_that_make_prices_are_red(live: Reference) -> None:
    found = compare(houses(cheap), live, ())
    assert found.state == 2
    assert {"living_area", "overall_quality"} <= named(found, 2)
    assert found.fields[0].field in ("living_area", "overall_quality")
    assert found.gap.state == 0
    ranks = [(row.state, row.psi) for row in found.fields]
    assert ranks == sorted(ranks, reverse=True)
    json.dumps(to_json(found), allow_nan=False)


def test_prices_that_come_where_the_candidate_is_dearer_show_in_the_gap_alone(live: Reference) -> None:
    found = compare(houses(lambda _row, pair, drawn: drawn < (0.9 if pair.gap > 0 else 0.4)), live, ())
    assert found.gap.state == 2
    assert found.state == 2
    assert named(found, 0) == set(live.fields)


@pytest.mark.parametrize(
    ("field", "sells"),
    [
        ("age", lambda row, _, drawn: drawn < (0.95 if row["year_sold"] - row["year_built"] < 30 else 0.3)),
        ("lot_frontage", lambda row, _, drawn: drawn < (0.3 if row["lot_frontage"] is None else 0.9)),
        ("neighborhood", lambda row, _, drawn: drawn < (0.3 if row["neighborhood"] < "G" else 0.9)),
    ],
)
def test_a_planted_selection_is_found_where_it_is(live: Reference, field: str, sells: Sells) -> None:
    found = compare(houses(sells), live, ())
    assert field in named(found, 2)
    assert found.fields[0].field == field


def test_masked_fields_and_ages_made_of_them_count_for_nothing(live: Reference) -> None:
    found = compare(houses(cheap), live, ("overall_quality", "year_sold"))
    shown = {row.field for row in found.fields}
    assert shown == set(live.fields) - {"overall_quality", *profile.AGES}


def test_of_a_hundred_houses_a_side_something_is_said_and_of_fewer_nothing(live: Reference) -> None:
    pairs = houses(by_chance)
    sold = [one for one in pairs if one.sold_dollars is not None]
    unsold = [one for one in pairs if one.sold_dollars is None]
    assert compare([*sold, *unsold[:LEAST]], live, ()).gap.state is not None
    for few in ([*sold, *unsold[: LEAST - 1]], [*sold[: LEAST - 1], *unsold], []):
        found = compare(few, live, ())
        assert (found.state, found.gap.psi, found.fields) == (None, None, ())


def test_what_chance_alone_reaches_of_few_houses_is_too_few_to_tell_and_not_in_order(live: Reference) -> None:
    pairs = houses(by_chance)
    sold = [one for one in pairs if one.sold_dollars is not None]
    unsold = [one for one in pairs if one.sold_dollars is None]
    found = compare([*sold, *unsold[:107]], live, ())
    reached = [row for row in found.fields if YELLOW_PSI < row.psi <= row.floor]
    assert reached
    assert [row.state for row in reached] == [None] * len(reached)
    assert found.state is None
    assert all(row.psi <= YELLOW_PSI for row in found.fields if row.state == 0)


def test_what_is_kept_while_houses_are_counted_does_not_grow_with_them(live: Reference) -> None:
    def counted(most: int) -> int:
        pairs = (
            PredictionPair(
                name, 1e5, 1e5, None, {**row, "living_area": 500 + place / 7, "lot_area": 1000 + place / 3}
            )
            for place, (name, row) in enumerate(
                zip(new_capture_ids(most, 0, 1), rows_of(4, 500) * (most // 500), strict=True)
            )
        )
        return sum(len(bins) for side in count_by_bin(pairs, live.fields) for bins in side.bins.values())

    assert counted(4000) <= counted(500) * 1.2


def test_what_a_house_was_not_asked_is_missing(live: Reference) -> None:
    pairs = [
        PredictionPair(one.id, 1.0, 1.0, one.sold_dollars, {"living_area": 1500}) for one in houses(by_chance)
    ]
    assert compare(pairs, live, ()).state == 0


def test_missing_is_a_value_of_its_own(live: Reference) -> None:
    pairs = [
        PredictionPair(
            one.id, 1.0, 1.0, one.sold_dollars, {"lot_frontage": None if one.sold_dollars else 1.0}
        )
        for one in houses(by_chance)
    ]
    assert named(compare(pairs, live, ()), 2) == {"lot_frontage"}


# ---- from a store


def selection(season: Season) -> SelectionBias:
    facts = current_evidence(season.store, season.context(), NOW)
    found = comparison_document(season.store, season.context(), facts, season.settings.masked_fields)
    return found.selection


def test_it_is_of_the_houses_of_mature_days_that_were_not_withdrawn(season: Season) -> None:
    found = selection(season)
    counts = verdict_json(decide(current_evidence(season.store, season.context(), NOW)))["counts"]
    assert (found.sold, found.unsold) == (counts["sold"], counts["unsold"])
    assert counts["withdrawn"] > 0
    assert counts["pairs"] < len(season.houses)
    assert found.state is None


@on_one_database
def test_outcomes_that_never_come_for_large_houses_are_seen(season: Season) -> None:
    large = [one.id for one in season.houses if one.capture.inputs["living_area"] > 1800]
    season.write(delete(tables.outcomes).where(tables.outcomes.c.capture_id.in_(large)))
    found = selection(season)
    assert found.state == 2
    assert named(found, 2) == {"living_area"}
    assert found.gap.state == 0


def test_the_lowest_sample_keys_are_taken_whatever_was_sold(season: Season) -> None:
    day = current_evidence(season.store, season.context(), NOW).watermark.day
    assert day is not None
    with season.store.reading() as connection:
        every = list(evidence.mature_sample(connection, season.stream, day + 1, 20_000))
        few = list(evidence.mature_sample(connection, season.stream, day + 1, 50))
        keys = dict(connection.execute(select(tables.captures.c.id, tables.captures.c.sample_key)).all())
        assert list(evidence.mature_sample(connection, season.stream, 0, 50)) == []
    lowest = sorted((one.id for one in every), key=lambda name: keys[name])
    assert [one.id for one in few] == lowest[:50]
    assert few[0].inputs.keys() == fields(season.chance).keys()
