"""Harvest: inputs of captures, to send them again elsewhere; without request, time or entity."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, and_, func, select

from shadow.records import Inputs, ObservationState
from shadow.store.database.dialects import allow_long_queries
from shadow.store.database.tables import candidates, captures, observations

AT_ONCE = 1000
"""How many rows are held at a time."""
_SMALLEST_DOLLARS, _LARGEST_DOLLARS = 1e-6, 1e15


def newest(connection: Connection, limit: int) -> Iterator[Inputs]:
    """Return the inputs of the last captures, newest first."""
    allow_long_queries(connection)
    query = select(captures.c.inputs).order_by(captures.c.id.desc()).limit(limit)
    yield from connection.execute(query.execution_options(yield_per=AT_ONCE)).scalars()


def largest_gaps(connection: Connection, limit: int) -> Iterator[Inputs]:
    """Return the inputs with the largest |ln(candidate / live)| of any candidate, largest first."""
    live, candidate = captures.c.prediction_dollars, observations.c.prediction_dollars
    gap = func.abs(func.ln(candidate / live))
    query = (
        _observed(ObservationState.SCORED)
        .where(_is_price(live), _is_price(candidate))
        .order_by(gap.desc(), captures.c.id)
    )
    return _distinct(connection, query, limit)


def failed(connection: Connection, limit: int) -> Iterator[Inputs]:
    """Return inputs that a candidate failed on: one of each candidate and reason, then a second..."""
    alike = (observations.c.candidate_id, observations.c.reason)
    nth = func.row_number().over(partition_by=alike, order_by=observations.c.capture_id)
    query = _observed(ObservationState.FAILED).order_by(nth, *alike)
    return _distinct(connection, query, limit)


def _observed(state: ObservationState) -> Select[Any]:
    """Select id and inputs of the captures with an observation in this state."""
    return (
        select(captures.c.id, captures.c.inputs)
        .join(observations, observations.c.capture_id == captures.c.id)
        .where(observations.c.state == state.value)
    )


def _is_price(dollars: ColumnElement[float]) -> ColumnElement[bool]:
    # NaN is larger than any number to Postgres.
    return and_(dollars >= _SMALLEST_DOLLARS, dollars <= _LARGEST_DOLLARS)


def _distinct(connection: Connection, query: Select[Any], limit: int) -> Iterator[Inputs]:
    """Return the inputs of the first `limit` captures of a query, each once."""
    allow_long_queries(connection)
    # A capture is in the query at most once for each candidate.
    repeats = connection.execute(select(func.count()).select_from(candidates)).scalar_one() or 1
    seen: set[UUID] = set()
    batched = query.limit(limit * repeats).execution_options(yield_per=AT_ONCE)
    for capture_id, inputs in connection.execute(batched):
        if len(seen) == limit:
            return
        if capture_id not in seen:
            seen.add(capture_id)
            yield inputs
