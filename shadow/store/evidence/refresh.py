"""Refresh: compute the evidence of a day of a stream anew and replace the stored one."""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Insert, Select, Table, delete, insert, literal, select

from shadow.store import streams
from shadow.store.connection import Store
from shadow.store.database.dialects import allow_long_queries
from shadow.store.database.tables import evidence, gap_bins, outcome_delays, worst_gaps
from shadow.store.evidence import rollup
from shadow.store.evidence.due import due_days, first_complete_day, mark_changed_days, mark_computed
from shadow.store.evidence.pairs import Scope
from shadow.store.evidence.rows import measured_rows
from shadow.store.evidence.span import DayRange
from shadow.store.streams import Stream

WORST = 50


def refresh(store: Store, stream: Stream, stop: threading.Event | None = None) -> int:
    """Bring a stream's sums up to date; returns how many days were computed. Ends early on a stop.

    Each step is a transaction of its own: the next call continues where a stop or a crash interrupted it.
    """
    more = True
    while more and not _is_set(stop):
        with store.writing() as connection:
            more = mark_changed_days(connection, stream)
    with store.reading() as connection:
        due = due_days(connection, stream)
    done = 0
    for day in due:
        if _is_set(stop):
            break
        with store.writing() as connection:
            refresh_day(connection, stream, day)
        done += 1
    return done


def refresh_day(connection: Connection, stream: Stream, day: int) -> None:
    """Compute the sums, delays, gap bins and largest gaps of a day, which is then no longer due.

    A day of which captures have been pruned stays as it is. One transaction per day keeps SQLite's only
    writer short; another process that refreshes the same stream waits, and then finds nothing due.
    """
    streams.lock(connection, stream)
    first = first_complete_day(connection, stream)
    if first is None or day >= first:
        _compute(connection, stream, day)
    mark_computed(connection, stream, day)


def _compute(connection: Connection, stream: Stream, day: int) -> None:
    """Replace the stored evidence of a day by a newly computed one."""
    allow_long_queries(connection)
    database = connection.dialect.name
    for table in (evidence, outcome_delays, gap_bins, worst_gaps):
        connection.execute(delete(table).where(table.c.stream_id == stream.id, table.c.day == day))
    for statement in _statements(stream, database):
        connection.execute(statement, Scope(stream, database).parameters(DayRange(day, day + 1)))


@lru_cache(maxsize=16)
def _statements(stream: Stream, database: str) -> list[Insert]:
    """Build the statements that fill the tables; cached, since building takes longer than a small day."""
    rows = measured_rows(Scope(stream, database))
    inserts = [
        _insert_from(evidence, stream, rollup.sums(rows)),
        _insert_from(outcome_delays, stream, rollup.delay_bins(rows)),
        _insert_from(gap_bins, stream, rollup.gap_bins(rows)),
        _insert_from(worst_gaps, stream, rollup.widest(rows, WORST)),
    ]
    if database != "postgresql":
        return inserts
    # One statement, so that the rows are read and measured once; SQLite knows no INSERT inside of WITH.
    first, *others = inserts
    return [first.add_cte(*(other.cte(f"fill_{number}") for number, other in enumerate(others)))]


def _insert_from(table: Table, stream: Stream, query: Select[Any]) -> Insert:
    """Build the statement that inserts the rows of a query for a stream."""
    computed = query.subquery("computed")
    rows = select(literal(stream.id), *computed.c)
    return insert(table).from_select(["stream_id", *(column.name for column in computed.c)], rows)


def _is_set(stop: threading.Event | None) -> bool:
    return stop is not None and stop.is_set()
