"""Pictures: the few single pairs that are shown, and the sample that ranks are correlated on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import log
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, FromClause, Select, func, select

from shadow.records import capture_time
from shadow.store import outcomes
from shadow.store.database.dialects import allow_long_queries
from shadow.store.database.tables import captures, evidence, observations, worst_gaps
from shadow.store.evidence.pairs import Scope, pairs
from shadow.store.evidence.rollup import WHOLE
from shadow.store.evidence.span import Days
from shadow.store.streams import Stream

_PAIRS_SCANNED = 1_000_000
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Pair:
    """What both models said of one house, and what it sold for (None: not sold), in dollars."""

    id: UUID
    live_dollars: float
    candidate_dollars: float
    sold_dollars: float | None
    inputs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def captured_at(self) -> datetime:
        """When it was asked about."""
        return capture_time(self.id)

    @property
    def gap(self) -> float:
        """g = ln(candidate / live)."""
        return log(self.candidate_dollars / self.live_dollars)


def sample(connection: Connection, stream: Stream, most: int) -> list[Pair]:
    """Pairs picked by their ids alone, mature or not, without inputs; of the newest million pairs."""
    return [Pair(*row) for row in _sampled(connection, stream, most)]


def _sampled(connection: Connection, stream: Stream, most: int) -> Iterator[Any]:
    there = _newest(connection, stream)
    if there is None:
        return
    allow_long_queries(connection)
    scope = Scope(stream, connection.dialect.name)
    query = _lowest_keys(_picked(scope, most, there), most).execution_options(yield_per=_AT_ONCE)
    yield from connection.execute(query, scope.part(there.days))


def mature_sample(connection: Connection, stream: Stream, before_day: int, most: int) -> Iterator[Pair]:
    """The same of the days before one, with what was asked; houses that were withdrawn are left out.

    A thousand are held at a time: with all they were asked with, they are large.
    """
    there = _newest(connection, stream, before_day)
    if there is None:
        return
    allow_long_queries(connection)
    scope = Scope(stream, connection.dialect.name)
    picked = _picked(scope, most, there)
    query = _lowest_keys(picked, most).add_columns(picked.c.inputs).where(picked.c.withdrawn == 0)
    in_parts = query.execution_options(yield_per=_AT_ONCE)
    for row in connection.execute(in_parts, scope.part(there.days)):
        yield Pair(*row)


def prices(
    connection: Connection, stream: Stream, most: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The same as two arrays of shape (n,) in dollars: the live model's, the candidate's."""
    rows = ((row.live, row.candidate) for row in _sampled(connection, stream, most))
    found: NDArray[np.float64] = np.fromiter(rows, dtype=np.dtype((np.float64, 2)))
    return found[:, 0], found[:, 1]


def worst(connection: Connection, stream: Stream, most: int) -> list[Pair]:
    """The pairs that are furthest apart, the furthest first, with what was asked."""
    rows = connection.execute(
        select(
            worst_gaps.c.capture_id,
            captures.c.prediction_dollars,
            observations.c.prediction_dollars,
            captures.c.inputs,
        )
        .join(captures, captures.c.id == worst_gaps.c.capture_id)
        .join(observations, observations.c.capture_id == worst_gaps.c.capture_id)
        .where(worst_gaps.c.stream_id == stream.id, observations.c.candidate_id == stream.terms.candidate_id)
        .order_by(func.abs(worst_gaps.c.gap).desc(), worst_gaps.c.capture_id)
        .limit(most)
    ).all()
    told = outcomes.in_force(connection, [row[0] for row in rows])
    sold = {name: outcome.price_dollars for name, outcome in told.items()}
    return [Pair(name, live, candidate, sold.get(name), inputs) for name, live, candidate, inputs in rows]


@dataclass(frozen=True, slots=True)
class _Newest:
    """Some days, and how many pairs they hold."""

    days: Days
    pairs: float


def _newest(connection: Connection, stream: Stream, before_day: int | None = None) -> _Newest | None:
    """The newest days that hold enough pairs together, of those before one; None: there is no pair."""
    mine = (evidence.c.stream_id == stream.id) & (evidence.c.segment == WHOLE) & (evidence.c.pairs > 0)
    query = select(evidence.c.day, evidence.c.pairs).where(mine).order_by(evidence.c.day.desc())
    if before_day is not None:
        query = query.where(evidence.c.day < before_day)
    found: _Newest | None = None
    for day, houses in connection.execute(query):
        end, so_far = (day + 1, 0.0) if found is None else (found.days.end, found.pairs)
        found = _Newest(Days(day, end), so_far + houses)
        if found.pairs >= _PAIRS_SCANNED:
            break
    return found


def _picked(scope: Scope, most: int, there: _Newest) -> FromClause:
    """Pairs with low sample keys: twice as many as are wanted, since models fail and houses come back."""
    share = (2 * most + 100) / there.pairs
    return pairs(scope).where(captures.c.sample_key < share).subquery("picked")


def _lowest_keys(picked: FromClause, most: int) -> Select[Any]:
    """Those with the lowest sample keys, which no price has a part in."""
    return (
        select(picked.c.id, picked.c.live, picked.c.candidate, picked.c.price)
        .where(picked.c.candidate.is_not(None))
        .order_by(picked.c.sample_key)
        .limit(most)
    )
