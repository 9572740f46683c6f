"""Samples: the few single pairs that pages show, and the sample for rank correlation."""

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
from shadow.store.evidence.rollup import ALL_ROWS
from shadow.store.evidence.span import DayRange
from shadow.store.streams import Stream

_PAIRS_SCANNED = 1_000_000
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class PredictionPair:
    """Both models' predictions for one capture, and its price (None: not sold), in dollars."""

    id: UUID
    live_dollars: float
    candidate_dollars: float
    sold_dollars: float | None
    inputs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def captured_at(self) -> datetime:
        """The time of the capture."""
        return capture_time(self.id)

    @property
    def gap(self) -> float:
        """The gap g = ln(candidate / live)."""
        return log(self.candidate_dollars / self.live_dollars)


def sample(connection: Connection, stream: Stream, limit: int) -> list[PredictionPair]:
    """Return a sample of the newest million pairs, picked by id alone, mature or not, without inputs."""
    return [PredictionPair(*row) for row in _sampled(connection, stream, limit)]


def _sampled(connection: Connection, stream: Stream, limit: int) -> Iterator[Any]:
    newest = _newest(connection, stream)
    if newest is None:
        return
    allow_long_queries(connection)
    scope = Scope(stream, connection.dialect.name)
    query = _lowest_keys(_picked(scope, limit, newest), limit).execution_options(yield_per=_AT_ONCE)
    yield from connection.execute(query, scope.parameters(newest.days))


def mature_sample(
    connection: Connection, stream: Stream, before_day: int, limit: int
) -> Iterator[PredictionPair]:
    """Return a sample of the pairs of days before one, with their inputs, without withdrawn rows.

    A thousand are held at a time, because inputs are large.
    """
    newest = _newest(connection, stream, before_day)
    if newest is None:
        return
    allow_long_queries(connection)
    scope = Scope(stream, connection.dialect.name)
    picked = _picked(scope, limit, newest)
    query = _lowest_keys(picked, limit).add_columns(picked.c.inputs).where(picked.c.withdrawn == 0)
    batched = query.execution_options(yield_per=_AT_ONCE)
    for row in connection.execute(batched, scope.parameters(newest.days)):
        yield PredictionPair(*row)


def price_arrays(
    connection: Connection, stream: Stream, limit: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a sample as two arrays of shape (n,) in dollars: the live model's, the candidate's."""
    rows = ((row.live, row.candidate) for row in _sampled(connection, stream, limit))
    prices: NDArray[np.float64] = np.fromiter(rows, dtype=np.dtype((np.float64, 2)))
    return prices[:, 0], prices[:, 1]


def largest_gaps(connection: Connection, stream: Stream, limit: int) -> list[PredictionPair]:
    """Return the pairs with the largest |g|, largest first, with their inputs."""
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
        .limit(limit)
    ).all()
    in_force = outcomes.in_force(connection, [row[0] for row in rows])
    sold = {capture_id: outcome.price_dollars for capture_id, outcome in in_force.items()}
    return [
        PredictionPair(capture_id, live, candidate, sold.get(capture_id), inputs)
        for capture_id, live, candidate, inputs in rows
    ]


@dataclass(frozen=True, slots=True)
class _NewestDays:
    """Some days, and how many pairs they hold."""

    days: DayRange
    pairs: float


def _newest(connection: Connection, stream: Stream, before_day: int | None = None) -> _NewestDays | None:
    """Find the newest days before one that hold enough pairs together; None when there is no pair."""
    of_stream = (evidence.c.stream_id == stream.id) & (evidence.c.segment == ALL_ROWS)
    query = select(evidence.c.day, evidence.c.pairs).where(of_stream, evidence.c.pairs > 0)
    query = query.order_by(evidence.c.day.desc())
    if before_day is not None:
        query = query.where(evidence.c.day < before_day)
    newest: _NewestDays | None = None
    for day, count in connection.execute(query):
        end, pairs_so_far = (day + 1, 0.0) if newest is None else (newest.days.end, newest.pairs)
        newest = _NewestDays(DayRange(day, end), pairs_so_far + count)
        if newest.pairs >= _PAIRS_SCANNED:
            break
    return newest


def _picked(scope: Scope, limit: int, newest: _NewestDays) -> FromClause:
    """Select pairs with low sample keys: twice the limit, since models fail and entities repeat."""
    share = (2 * limit + 100) / newest.pairs
    return pairs(scope).where(captures.c.sample_key < share).subquery("picked")


def _lowest_keys(picked: FromClause, limit: int) -> Select[Any]:
    """Select the pairs with the lowest sample keys, which do not depend on any price."""
    return (
        select(picked.c.id, picked.c.live, picked.c.candidate, picked.c.price)
        .where(picked.c.candidate.is_not(None))
        .order_by(picked.c.sample_key)
        .limit(limit)
    )
