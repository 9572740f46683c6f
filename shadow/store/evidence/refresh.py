"""Refresh: one day of a stream computed anew, in place of what was computed of it before."""

from __future__ import annotations

from sqlalchemy import Connection, Select, Table, delete, insert, literal, select

from shadow.store import streams
from shadow.store.evidence import rollup
from shadow.store.evidence.due import first_kept_day, settle
from shadow.store.evidence.pairs import Scope
from shadow.store.evidence.span import Days, ids_of
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
    scope = Scope(stream, ids_of(Days(day, day + 1), stream.terms.day_seconds))
    take_time(connection)
    _replace(connection, stream, day, evidence, rollup.sums(scope))
    _replace(connection, stream, day, outcome_delays, rollup.delay_bins(scope))
    _replace(connection, stream, day, gap_bins, rollup.gap_bins(scope))
    _replace(connection, stream, day, worst_gaps, rollup.widest(scope, WORST))


def take_time(connection: Connection) -> None:
    """Allow a query of this transaction minutes, where the store would give it seconds.

    Compiling such long queries to machine code takes Postgres longer than running them on a day.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{_SECONDS}s'")
        connection.exec_driver_sql("SET LOCAL jit = off")


def _replace(
    connection: Connection, stream: Stream, day: int, table: Table, rows: Select[tuple[object, ...]]
) -> None:
    connection.execute(delete(table).where(table.c.stream_id == stream.id, table.c.day == day))
    found = rows.subquery("found")
    names = [column.name for column in found.c]
    mine = select(literal(stream.id), *found.c)
    connection.execute(insert(table).from_select(["stream_id", *names], mine))
