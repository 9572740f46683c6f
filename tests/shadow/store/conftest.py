"""A town: houses that are asked about, scored and sold at moments a test chooses, in a real store."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from uuid import UUID

import pytest
from sqlalchemy import Connection, event

from model_package import schema
from model_package.reference import ModelRef
from shadow import policy
from shadow.policy import Policy
from shadow.records import Capture, Deployment, NewObservation, Outcome, OutcomeState, new_capture_ids
from shadow.store import Store, candidates, captures, deployments, observations, outcomes, sources, streams
from shadow.store.streams import Stream, StreamTerms

START = datetime(2026, 9, 1, tzinfo=UTC)
LIVE, CANDIDATE = ModelRef("linear", "1"), ModelRef("gbm", "2")


@dataclass
class Town:
    """One live model, one candidate, and everything that was put into the store, to be told again."""

    store: Store
    policy: Policy
    stream: Stream
    asked: dict[UUID, Capture] = field(default_factory=dict)
    answers: dict[UUID, tuple[NewObservation, datetime]] = field(default_factory=dict)
    reported: list[Outcome] = field(default_factory=list)
    reported_where: list[str] = field(default_factory=list)
    waiting: dict[str, list[UUID]] = field(default_factory=dict)
    chance: random.Random = field(default_factory=lambda: random.Random(11))
    unstored: list[Callable[[Connection], None]] = field(default_factory=list)

    def ask(
        self,
        moment: datetime,
        live_dollars: float = 150_000.0,
        *,
        entity: str | None = None,
        where: str = "here",
        live: ModelRef = LIVE,
        inputs: Mapping[str, object] | None = None,
        stored: bool = True,
    ) -> UUID:
        """One house is answered; what is stored first has the lower number, whenever it was asked."""
        (name,) = new_capture_ids(1, int(moment.timestamp() * 1000), self.chance.getrandbits(74))
        house = {**schema.EXAMPLE, **(inputs or {})}
        number = f"request-{len(self.asked)}"
        self.asked[name] = Capture(name, moment, number, 0, live, live_dollars, house, entity)
        if stored:
            self.put(name, where)
        return name

    def put(self, name: UUID, where: str = "here") -> None:
        """A house that was asked about reaches the store."""
        self.unstored.append(lambda connection: self._put(connection, name, where))

    def _put(self, connection: Connection, name: UUID, where: str) -> None:
        source = sources.lock(connection, where, START)
        sources.advance(connection, source, captures.insert(connection, source, [self.asked[name]]))
        self.waiting.setdefault(where, []).append(name)

    def sell(
        self,
        name: UUID,
        price: float | None,
        received: datetime,
        *,
        where: str = "here",
        recorded: datetime | None = None,
    ) -> None:
        """A report: the price, or None for a house that was withdrawn."""
        state = OutcomeState.WITHDRAWN if price is None else OutcomeState.SOLD
        told = Outcome(name, state, price, None, None, received, recorded or received)
        self.unstored.append(lambda connection: self._tell(connection, told, where))

    def _tell(self, connection: Connection, told: Outcome, where: str) -> None:
        source = sources.lock(connection, where, START)
        last = outcomes.insert(connection, source, [told], told.recorded_at)
        sources.advance(connection, source, source.last_seq, last)
        if last > source.last_outcome_seq:
            self.reported.append(told)
            self.reported_where.append(where)

    def flush(self) -> None:
        """Store what has come in, in its order; one transaction, since each costs a sync of the disk."""
        with self.store.writing() as connection:
            for one in self.unstored:
                one(connection)
        self.unstored.clear()

    def score(self, answered: Callable[[UUID], NewObservation | None], now: datetime) -> None:
        """The candidate passes everything there is; None: it was not in its sample."""
        self.flush()
        with self.store.writing() as connection:
            candidate = candidates.by_id(connection, self.stream.terms.candidate_id)
            assert candidate is not None
            for cursor in candidates.cursors_of(connection, candidate):
                where = list(self.waiting)[cursor.source_id - 1]
                said = [answer for name in self.waiting[where] if (answer := answered(name)) is not None]
                self.waiting[where] = []
                observations.store(connection, candidate, cursor, said, cursor.last_seq, now)
                self.answers |= {answer.capture_id: (answer, now) for answer in said}

    def scored(self, dollars: float, now: datetime) -> None:
        """The candidate says the same of every house that waits."""
        self.score(lambda name: NewObservation(name, prediction_dollars=dollars), now)


def terms(candidate_id: int, deployment_id: int, judged_by: Policy, number: int = 1) -> StreamTerms:
    """What a stream of the town is about."""
    return StreamTerms(
        deployment_id=deployment_id,
        candidate_id=candidate_id,
        live=LIVE,
        live_digest="1" * 64,
        candidate_digest="2" * 64,
        schema_digest="3" * 64,
        policy=judged_by.text,
        policy_sha256=judged_by.sha256,
        day_seconds=judged_by.day_seconds,
        margin=0.004,
        alpha=0.025,
        number=number,
    )


@pytest.fixture
def make_terms() -> Callable[..., StreamTerms]:
    """What a stream between a candidate and a deployment is about, by the default policy."""
    return lambda candidate_id, deployment_id: terms(
        candidate_id, deployment_id, Policy.parse(policy.default_text())
    )


class Died(Exception):
    """The process is gone."""


@pytest.fixture
def dying_after() -> Callable[..., AbstractContextManager[Callable[[], bool]]]:
    """Let a store run so many statements and no more; yields what tells whether that was enough."""

    @contextmanager
    def dying(store: Store, statements: int) -> Iterator[Callable[[], bool]]:
        left, died = count(statements, -1), []

        def run(*_: object) -> None:
            if next(left) <= 0:
                died.append(True)
                raise Died

        event.listen(store._engine, "before_cursor_execute", run)
        try:
            yield lambda: not died
        except Died:
            return
        finally:
            event.remove(store._engine, "before_cursor_execute", run)

    return dying


@pytest.fixture
def make_town() -> Callable[..., Town]:
    """Begin a stream in a store: its first day begins at START."""

    def make(store: Store, sample: float = 1.0, text: str | None = None) -> Town:
        judged_by = Policy.parse(text or policy.default_text())
        with store.writing() as connection:
            deployed = deployments.append(connection, Deployment(LIVE, START, "test", "first"))
            added = candidates.add(connection, CANDIDATE, sample, None, START)
            stream = streams.open_stream(connection, terms(added.id, deployed.id, judged_by), START)
        return Town(store, judged_by, stream)

    return make


@pytest.fixture
def town(make_town: Callable[..., Town], store: Store) -> Town:
    """A town on each database in turn."""
    return make_town(store)
