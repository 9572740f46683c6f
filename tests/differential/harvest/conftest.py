"""A store with houses that were asked about, some of them again and again, and what two candidates said."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from model_package.reference import ModelRef
from model_package.schema import FIELDS, Field, Row, Value
from shadow.records import Capture, NewObservation, new_capture_ids
from shadow.store import Store, candidates, captures, observations, sources

NOW = datetime(2026, 9, 1, tzinfo=UTC)
REASONS = [*["timeout"] * 7, "not_finite", "crashed"]
FAR, AGAIN = 15, 40


def house(chance: random.Random) -> Row:
    """Draw a valid house; the last codes of a category and nulls are rare."""
    return {field.name: _value(field, chance) for field in FIELDS}


def _value(field: Field, chance: random.Random) -> Value:
    if field.nullable and chance.random() < 0.03:
        return None
    if field.kind == "category":
        return field.categories[min(int(chance.expovariate(0.7)), len(field.categories) - 1)]
    low, high = float(field.minimum or 0), float(field.maximum or 0)
    number = min(low + (high - low) * chance.expovariate(12), high)
    return round(number) if field.kind == "whole" else round(number, 1)


@dataclass(frozen=True, slots=True)
class Asked:
    """What was put into a store: `far` and `failed` are among `rows`, hardest first."""

    rows: list[Row]
    far: list[Row]
    failed: dict[str, list[Row]]


def houses(number: int, seed: int = 3) -> Asked:
    chance = random.Random(seed)
    rows = [house(chance) for _ in range(number)]
    failed: dict[str, list[Row]] = {}
    for reason, row in zip(REASONS, rows[FAR:], strict=False):
        failed.setdefault(reason, []).append(row)
    return Asked(rows, rows[:FAR], failed)


def fill(store: Store, asked: Asked, order: Sequence[int], extra: Sequence[dict[str, Any]] = ()) -> None:
    """Put all of it into a store, in some order."""
    chance = random.Random(8)
    names = new_capture_ids(len(order) + len(extra), 1_788_220_800_000, 5)
    live = [chance.uniform(50_000, 500_000) for _ in asked.rows]
    stored = [
        Capture(name, NOW, "request", 0, ModelRef("linear", "1"), live[i], asked.rows[i], f"listing-{i}")
        for name, i in zip(names, order, strict=False)
    ]
    for name, inputs in zip(names[len(order) :], extra, strict=True):
        stored.append(Capture(name, NOW, "request", 0, ModelRef("linear", "1"), 1e5, inputs, "listing-x"))
    reasons = dict(enumerate(REASONS, FAR))

    def said(capture: Capture, i: int, spread: float) -> NewObservation:
        if i in reasons:
            return NewObservation(capture.id, reason=reasons[i])
        gap = (1.0 - i / 100) * (-1) ** i if i < FAR else spread * math.sin(i)
        return NewObservation(capture.id, prediction_dollars=live[i] * math.exp(gap))

    with store.writing() as connection:
        source = sources.lock(connection, "here", NOW)
        last = captures.insert(connection, source, stored)
        sources.advance(connection, source, last)
        for model, spread in ((ModelRef("gbm", "1"), 0.2), (ModelRef("gbm", "2"), 0.1)):
            added = candidates.add(connection, model, 1.0, NOW, NOW)
            (cursor,) = candidates.cursors_of(connection, added)
            answers = [said(capture, i, spread) for capture, i in zip(stored, order, strict=False)]
            observations.store(connection, added, cursor, answers, last, NOW)


@pytest.fixture(scope="session")
def asked() -> Asked:
    """Eight hundred different houses."""
    return houses(800)


@pytest.fixture
def filled(asked: Asked, store: Store) -> Store:
    """Provide a store of each kind in which forty houses recur."""
    fill(store, asked, [*range(len(asked.rows)), *(list(range(AGAIN)) * 3)])
    return store


@pytest.fixture(scope="session")
def put() -> Callable[..., None]:
    """Provide the function that fills a store."""
    return fill
