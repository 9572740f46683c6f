"""A cover is small, has everything, holds few houses, and does not depend on their order."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from differential_tests.questions.harvest import coverage
from differential_tests.questions.harvest.coverage import Cover, Edges, features
from model_package.schema import EXAMPLE, Row


def covered(rows: Sequence[Row], edges: Edges | None = None, ordinary: int = 10) -> Cover:
    cover = Cover(edges or coverage.edges(rows), 3, ordinary)
    for row in rows:
        cover.add(row, str(row["neighborhood"]))
    return cover


def small(chance: random.Random) -> Row:
    """Houses that differ in a few fields only."""
    return EXAMPLE | {
        "neighborhood": chance.choice(("NAmes", "OldTown", "NoRidge")),
        "living_area": float(chance.randrange(500, 3000)),
        "overall_quality": chance.choice((4, 5, 5, 5, 6)),
        "lot_frontage": chance.choice((None, 60.0)),
        "basement_area": chance.choice((None, 800.0)),
    }


@settings(max_examples=30, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 1000), st.integers(1, 150))
def test_the_order_of_the_houses_does_not_matter(seed: int, number: int) -> None:
    chance = random.Random(seed)
    rows = [small(chance) for _ in range(number)]
    edges = coverage.edges(rows)
    first = list(covered(rows, edges).chosen())
    chance.shuffle(rows)
    assert coverage.edges(rows) == edges
    assert list(covered([*rows, *rows[:5]], edges).chosen()) == first


def test_everything_occurs_and_each_house_adds_something() -> None:
    chance = random.Random(2)
    rows = [small(chance) for _ in range(400)]
    edges = coverage.edges(rows)
    chosen = list(covered(rows, edges, ordinary=0).chosen())
    every = {feature for row in rows for feature in features(row, edges, str(row["neighborhood"]))}
    seen: set[str] = set()
    areas = [row["living_area"] for row in rows]
    for row in chosen:
        new = set(features(row, edges, str(row["neighborhood"])))
        assert new - seen or row["living_area"] in (min(areas), max(areas))
        seen |= new
    assert seen == every
    assert len(chosen) < 20


def test_few_houses_are_held_however_many_come() -> None:
    chance = random.Random(4)

    def held(number: int) -> int:
        cover = covered([small(chance) for _ in range(number)], ordinary=20)
        return len({id(row) for houses in cover._kept.values() for _, _, row in houses})

    assert held(3000) < 1.2 * held(300) < 150


def test_few_values_are_parts_of_their_own_and_many_are_tenths() -> None:
    chance = random.Random(5)
    edges = coverage.edges([small(chance) for _ in range(500)])
    assert edges["overall_quality"] == [4.5, 5.5]
    assert len(edges["living_area"]) == 9
    assert edges["garage_cars"] == []


@pytest.mark.parametrize(
    "spoil", [lambda row: row | {"lot_frontage": None}, lambda row: row | {"zoning": "RM"}]
)
def test_what_occurs_once_among_many_is_chosen(spoil: Callable[[Row], Row]) -> None:
    chance = random.Random(6)
    rows = [small(chance) | {"lot_frontage": 60.0} for _ in range(300)]
    rows[250] = spoil(rows[250])
    assert rows[250] in list(covered(rows, ordinary=0).chosen())
