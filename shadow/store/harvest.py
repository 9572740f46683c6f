"""Harvest: what houses were asked with, to ask it again elsewhere; nothing of who asked, when, or which."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, and_, func, select

from shadow.records import Inputs, ObservationState
from shadow.store.database.dialects import allow_long_queries
from shadow.store.database.tables import candidates, captures, observations

AT_ONCE = 1000
"""So many houses are held at a time."""
_SMALLEST_DOLLARS, _LARGEST_DOLLARS = 1e-6, 1e15


def newest(connection: Connection, most: int) -> Iterator[Inputs]:
    """What the last houses were asked with, the newest first."""
    allow_long_queries(connection)
    query = select(captures.c.inputs).order_by(captures.c.id.desc()).limit(most)
    yield from connection.execute(query.execution_options(yield_per=AT_ONCE)).scalars()


def apart(connection: Connection, most: int) -> Iterator[Inputs]:
    """The houses of which |ln(candidate / live)| is largest, the largest first, whichever candidate it is."""
    live, candidate = captures.c.prediction_dollars, observations.c.prediction_dollars
    gap = func.abs(func.ln(candidate / live))
    query = (
        _observed(ObservationState.SCORED)
        .where(_is_price(live), _is_price(candidate))
        .order_by(gap.desc(), captures.c.id)
    )
    return _each(connection, query, most)


def failed(connection: Connection, most: int) -> Iterator[Inputs]:
    """Houses that a candidate had no answer to: of each candidate and reason one, then a second..."""
    alike = (observations.c.candidate_id, observations.c.reason)
    nth = func.row_number().over(partition_by=alike, order_by=observations.c.capture_id)
    return _each(connection, _observed(ObservationState.FAILED).order_by(nth, *alike), most)


def _observed(state: ObservationState) -> Select[Any]:
    return (
        select(captures.c.id, captures.c.inputs)
        .join(observations, observations.c.capture_id == captures.c.id)
        .where(observations.c.state == state.value)
    )


def _is_price(dollars: ColumnElement[float]) -> ColumnElement[bool]:
    # NaN is larger than any number to Postgres.
    return and_(dollars >= _SMALLEST_DOLLARS, dollars <= _LARGEST_DOLLARS)


def _each(connection: Connection, query: Select[Any], most: int) -> Iterator[Inputs]:
    """The first `most` houses of a query, each once."""
    allow_long_queries(connection)
    # A house is there at most once for each candidate.
    several = connection.execute(select(func.count()).select_from(candidates)).scalar_one() or 1
    seen: set[UUID] = set()
    in_parts = query.limit(most * several).execution_options(yield_per=AT_ONCE)
    for capture_id, inputs in connection.execute(in_parts):
        if len(seen) == most:
            return
        if capture_id not in seen:
            seen.add(capture_id)
            yield inputs
