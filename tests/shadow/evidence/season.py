"""A season: weeks of houses that were asked about, scored and sold, told to a store day by day."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import event, select

from model_package import artifact, profile
from model_package.reference import ModelRef
from model_package.schema import EXAMPLE
from model_package.synthetic import synthetic
from shadow.evidence.context import StreamContext
from shadow.evidence.drift import BinCounter
from shadow.evidence.streams import StreamOpener
from shadow.policy import default_text
from shadow.records import Capture, Deployment, NewObservation, Outcome, OutcomeState, new_capture_ids
from shadow.settings import Settings
from shadow.store import Store, candidates, captures, deployments, observations, outcomes, sources
from shadow.store.captures import sample_key
from shadow.store.database import tables
from shadow.store.evidence.refresh import refresh
from shadow.store.streams import Stream

START = datetime(2026, 9, 1, tzinfo=UTC)
DAY = timedelta(days=1)
DAYS, A_DAY = 40, 25
NOW = START + DAYS * DAY + timedelta(hours=12)
LIVE, CANDIDATE = ModelRef("linear", "1"), ModelRef("gbm", "1")
HOODS = ("NAmes", "OldTown", "NoRidge", "Sawyer")
_CUT, _END = (
    default_text().index(f"[segments.dimensions.{name}") for name in ("neighborhood", "lot_frontage")
)
POLICY = default_text()[:_CUT] + default_text()[_END:]
"""The default policy, with two segments instead of twelve."""
on_one_database = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def changed(*pairs: tuple[str, str], text: str = POLICY) -> str:
    """The policy with something else in it."""
    for old, new in pairs:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


AUTOMATIC = changed(
    (
        "[automation]          # without these somebody runs `umbra promote` and `umbra rollback`\n"
        "promote = false\nrollback = false",
        "[automation]\npromote = true\nrollback = true",
    ),
)


# ---- artifacts


def save_models(models: Path, **cards: object) -> None:
    """linear@1 and gbm@1, both of the faulty recipe: 100 dollars per square foot."""
    random_ = np.random.default_rng(3)
    rows = [fields(random.Random(number)) for number in range(600)]
    prices = random_.lognormal(12, 0.35, len(rows))
    guessed = prices * np.exp(random_.normal(0, 0.1, len(rows)))
    said = profile.build(rows, guessed, (guessed, prices))
    kept = {name: said["fields"][name] for name in ("living_area", "neighborhood", "lot_frontage", "age")}
    card = {"importance": {"neighborhood": 0.1, "year_built": 0.2, "living_area": 0.05}} | cards
    for name in (LIVE.name, CANDIDATE.name):
        save(models, name, {**said, "fields": kept}, card)


def save(models: Path, name: str, said: Mapping[str, Any], card: Mapping[str, Any] | None = None) -> ModelRef:
    """The next version of a model, with this profile."""
    files = {"card.json": json.dumps(card or {}).encode(), "profile.json": json.dumps(said).encode()}
    saved = artifact.save(models, name, "faulty", lambda _: files, lambda _: None)
    return ModelRef(name, saved.name)


def fields(chance: random.Random) -> dict[str, Any]:
    """A house."""
    return {
        **EXAMPLE,
        "living_area": 600 + chance.randrange(2400),
        "neighborhood": chance.choice(HOODS),
        "year_built": chance.randrange(1900, 2008),
        "lot_frontage": chance.choice((None, 60.0)),
    }


# ---- houses


@dataclass(frozen=True, slots=True)
class House:
    """One answered house: what both said, what it really sells for, and when that becomes known."""

    capture: Capture
    candidate_dollars: float
    reports: tuple[Outcome, ...]

    @property
    def id(self) -> UUID:
        """The prediction's."""
        return self.capture.id


def name_at(moment: datetime, chance: random.Random, share: Callable[[float], bool] = lambda _: True) -> UUID:
    """An id of that moment whose sample key is such a one."""
    while True:
        (name,) = new_capture_ids(1, int(moment.timestamp() * 1000), chance.getrandbits(74))
        if share(sample_key(name)):
            return name


def houses(days: int = DAYS, a_day: int = A_DAY, seed: int = 7) -> Iterator[House]:
    """The candidate's log errors are the live model's less a quarter, with some of its own.

    None of them is in the sample that is replayed: that would take a model's process.
    """
    chance = random.Random(seed)
    for number in range(days * a_day):
        moment = START + DAY * ((number + chance.random()) / a_day)
        price, error = chance.lognormvariate(12, 0.35), chance.gauss(0, 0.1)
        name = name_at(moment, chance, lambda key: key >= 0.01)
        entity = f"house-{chance.randrange(40)}" if chance.random() < 0.1 else None
        asked = Capture(
            name, moment, f"request-{number}", 0, LIVE, price * math.exp(error), fields(chance), entity
        )
        yield House(
            asked, price * math.exp(0.75 * error + chance.gauss(0, 0.02)), _sold(asked, price, chance)
        )


def _sold(asked: Capture, price: float, chance: random.Random) -> tuple[Outcome, ...]:
    received = asked.captured_at + DAY * chance.expovariate(1)
    fate = chance.random()
    if fate < 0.05:
        return ()
    if fate < 0.08:
        return (outcome(asked.id, None, received),)
    if fate < 0.11:
        return outcome(asked.id, price * 1.1, received), outcome(asked.id, price, received + 2 * DAY)
    return (outcome(asked.id, price, received),)


def outcome(name: UUID, price: float | None, received: datetime) -> Outcome:
    """A report; None: withdrawn."""
    state = OutcomeState.WITHDRAWN if price is None else OutcomeState.SOLD
    return Outcome(name, state, price, None, None, received)


def alike(one: Any, other: Any) -> bool:
    """Whether two documents are equal, numbers to 1e-9."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, float) and other is not None:
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return bool(one == other)


# ---- stores


@dataclass
class Season:
    """A store that was told of a season."""

    store: Store
    settings: Settings
    stream: Stream
    houses: Sequence[House] = field(default_factory=list)
    chance: random.Random = field(default_factory=lambda: random.Random(5))

    @property
    def models(self) -> Path:
        """Where the artifacts lie."""
        return self.settings.models

    def context(self) -> StreamContext:
        """The stream with its policy and references."""
        return StreamContext.read(self.models, self.stream)

    def refresh(self) -> None:
        """Add up what has come."""
        refresh(self.store, self.stream)
        BinCounter(self.context()).update(self.store)

    def ask(self, moment: datetime, count: int = 1, live: ModelRef = LIVE, **values: object) -> list[UUID]:
        """Houses are answered and stored; nobody has looked at them."""
        seen = (fields(self.chance) | values for _ in range(count))
        asked = [
            Capture(name_at(moment, self.chance), moment, "late", row, live, 150_000.0, house)
            for row, house in enumerate(seen)
        ]
        with self.store.writing() as connection:
            insert(connection, asked)
        return [one.id for one in asked]

    def score(self, names: Sequence[UUID], dollars: float, now: datetime) -> None:
        """The candidate says so of these, and has passed everything there is."""
        with self.store.writing() as connection:
            pass_all(connection, [NewObservation(name, prediction_dollars=dollars) for name in names], now)

    def report(self, told: Sequence[Outcome], recorded: datetime) -> None:
        """Outcomes are stored."""
        with self.store.writing() as connection:
            source = sources.lock(connection, "here", START)
            sources.advance(
                connection, source, source.last_seq, outcomes.insert(connection, source, told, recorded)
            )

    def rows(self, *wanted: str) -> dict[str, list[list[Any]]]:
        """All rows of tables, in the order of their keys; without what says when they were made."""
        with self.store.reading() as connection:
            return {
                name: sorted(
                    map(list, connection.execute(select(*_lasting(tables.metadata.tables[name])))), key=repr
                )
                for name in wanted
            }

    def write(self, statement: Any) -> None:
        """Change the store directly."""
        with self.store.writing() as connection:
            connection.execute(statement)


def _lasting(table: Any) -> list[Any]:
    return [one for one in table.c if one.name not in ("computed_at", "checked_at", "decided_at")]


def insert(connection: Any, asked: Sequence[Capture]) -> None:
    """Store captures."""
    source = sources.lock(connection, "here", START)
    sources.advance(connection, source, captures.insert(connection, source, list(asked)))


def pass_all(connection: Any, answers: Sequence[NewObservation], now: datetime) -> None:
    """The candidate passes all there is, with these answers."""
    candidate = next(one for one in candidates.present(connection) if one.model == CANDIDATE)
    (cursor,) = candidates.cursors_of(connection, candidate)
    observations.store(connection, candidate, cursor, answers, cursor.last_seq, now)


def begin(store: Store, models: Path, text: str = POLICY, sample: float = 1.0) -> Stream:
    """linear@1 goes live at START, gbm@1 becomes its candidate."""
    with store.writing() as connection:
        deployments.append(connection, Deployment(LIVE, START, "somebody", "first"))
        candidates.add(connection, CANDIDATE, sample, None, START, text)
    (stream,) = StreamOpener(store, models).open_missing()
    return stream


def tell(store: Store, known: Sequence[House]) -> None:
    """Everything that happened until NOW, in the order in which a store hears of it; each day at its end."""
    reports = sorted((one for house in known for one in house.reports), key=lambda one: one.received_at)
    chance = random.Random(1)
    with store.writing() as connection:
        for day in range(DAYS + 1):
            begun, ended = START + day * DAY, min(NOW, START + (day + 1) * DAY)
            asked = [house for house in known if begun <= house.capture.captured_at < ended]
            if asked:
                insert(connection, [house.capture for house in asked])
                answers = [
                    NewObservation(
                        one.id,
                        one.candidate_dollars,
                        latency_seconds=0.004 if chance.random() < 0.1 else None,
                    )
                    for one in asked
                ]
                pass_all(connection, answers, ended)
            source = sources.lock(connection, "here", START)
            told = [one for one in reports if begun <= one.received_at < ended]
            last = outcomes.insert(connection, source, told, ended)
            sources.advance(connection, source, source.last_seq, last)


class Died(Exception):
    """The process is gone."""


def die_after(store: Store, statements: int) -> Callable[[], None]:
    """Let a store run so many statements and no more; gives what ends that."""
    left = iter(range(statements))

    def run(*_: object) -> None:
        if next(left, None) is None:
            raise Died

    event.listen(store._engine, "before_cursor_execute", run)
    return lambda: event.remove(store._engine, "before_cursor_execute", run)


def rows_of(seed: int, count: int) -> list[Any]:
    """Synthetic houses."""
    return list(synthetic(count, seed=seed).rows)
