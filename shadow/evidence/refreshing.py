"""Refreshing: the days of a stream that have changed, computed again one by one."""

from __future__ import annotations

import threading

from shadow.store import Store, evidence
from shadow.store.streams import Stream


def refresh(store: Store, stream: Stream, stop: threading.Event | None = None) -> int:
    """Bring a stream's sums up to date; returns how many days were computed. Ends early on a stop.

    Each step is a transaction of its own: what is cut short is gone on with the next time.
    """
    more = True
    while more and not _is_set(stop):
        with store.writing() as connection:
            more = evidence.note_changes(connection, stream)
    with store.reading() as connection:
        due = evidence.due_days(connection, stream)
    done = 0
    for day in due:
        if _is_set(stop):
            break
        with store.writing() as connection:
            evidence.refresh_day(connection, stream, day)
        done += 1
    return done


def _is_set(stop: threading.Event | None) -> bool:
    return stop is not None and stop.is_set()
