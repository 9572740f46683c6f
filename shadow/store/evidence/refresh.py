"""Refresh: one day of a stream computed anew, in place of what was computed of it before."""

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
from shadow.store.evidence.due import due_days, first_kept_day, note_changes, settle
from shadow.store.evidence.pairs import Scope
from shadow.store.evidence.rows import houses
from shadow.store.evidence.span import Days
from shadow.store.streams import Stream

WORST = 50


def refresh(store: Store, stream: Stream, stop: threading.Event | None = None) -> int:
    """Bring a stream's sums up to date; returns how many days were computed. Ends early on a stop.

    Each step is a transaction of its own: what is cut short is gone on with the next time.
    """
    more = True
    while more and not _is_set(stop):
        with store.writing() as connection:
            more = note_changes(connection, stream)
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
    allow_long_queries(connection)
    database = connection.dialect.name
    for table in (evidence, outcome_delays, gap_bins, worst_gaps):
        connection.execute(delete(table).where(table.c.stream_id == stream.id, table.c.day == day))
    for statement in _statements(stream, database):
        connection.execute(statement, Scope(stream, database).part(Days(day, day + 1)))


@lru_cache(maxsize=16)
def _statements(stream: Stream, database: str) -> list[Insert]:
    """What fills the tables. Made once: it takes longer than running it on a small day."""
    found = houses(Scope(stream, database))
    filling = [
        _filling(evidence, stream, rollup.sums(found)),
        _filling(outcome_delays, stream, rollup.delay_bins(found)),
        _filling(gap_bins, stream, rollup.gap_bins(found)),
        _filling(worst_gaps, stream, rollup.widest(found, WORST)),
    ]
    if database != "postgresql":
        return filling
    # All in one, so that the houses are read and measured once; SQLite knows no INSERT inside of WITH.
    first, *others = filling
    return [first.add_cte(*(one.cte(f"fill_{place}") for place, one in enumerate(others)))]


def _filling(table: Table, stream: Stream, query: Select[Any]) -> Insert:
    found = query.subquery("found")
    mine = select(literal(stream.id), *found.c)
    return insert(table).from_select(["stream_id", *(column.name for column in found.c)], mine)


def _is_set(stop: threading.Event | None) -> bool:
    return stop is not None and stop.is_set()
