"""Refresh: one day of a stream computed anew, in place of what was computed of it before."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Insert, Select, Table, delete, insert, literal, select

from shadow.store import streams
from shadow.store.evidence import rollup
from shadow.store.evidence.due import first_kept_day, settle
from shadow.store.evidence.pairs import Scope
from shadow.store.evidence.span import Days
from shadow.store.streams import Stream
from shadow.store.tables import evidence, gap_bins, outcome_delays, worst_gaps

WORST = 50
_SECONDS = 600


def refresh_day(connection: Connection, stream: Stream, day: int) -> None:
    """Compute the sums, delays, gaps and worst disagreements of a day; it is not due any more.

    A day of which captures have been removed is left as it is. One transaction per day keeps SQLite's only
    writer short; who does the same meanwhile waits, and then finds nothing due.
    """
    streams.lock(connection, stream)
    kept = first_kept_day(connection, stream)
    if kept is None or day >= kept:
        _compute(connection, stream, day)
    settle(connection, stream, day)


def _compute(connection: Connection, stream: Stream, day: int) -> None:
    take_time(connection)
    part = Scope(stream).part(Days(day, day + 1))
    for table, statement in _statements(stream):
        connection.execute(delete(table).where(table.c.stream_id == stream.id, table.c.day == day))
        connection.execute(statement, part)


@lru_cache(maxsize=16)
def _statements(stream: Stream) -> list[tuple[Table, Insert]]:
    """What fills each table. Made once: it takes longer than running it on a small day."""
    scope = Scope(stream)
    queries = {
        evidence: rollup.sums(scope),
        outcome_delays: rollup.delay_bins(scope),
        gap_bins: rollup.gap_bins(scope),
        worst_gaps: rollup.widest(scope, WORST),
    }
    return [(table, _filling(table, stream, query)) for table, query in queries.items()]


def _filling(table: Table, stream: Stream, query: Select[Any]) -> Insert:
    found = query.subquery("found")
    mine = select(literal(stream.id), *found.c)
    return insert(table).from_select(["stream_id", *(column.name for column in found.c)], mine)


def take_time(connection: Connection) -> None:
    """Allow a query of this transaction minutes, where the store would give it seconds.

    Compiling such long queries to machine code takes Postgres longer than running them on a day.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{_SECONDS}s'")
        connection.exec_driver_sql("SET LOCAL jit = off")
