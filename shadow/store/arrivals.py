"""Arrivals: how many houses were answered lately, minute by minute."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from shadow.records import new_capture_ids
from shadow.store.dialects import day_of
from shadow.store.tables import captures

_MINUTE = 60


def by_minute(connection: Connection, now: datetime, minutes: int) -> list[tuple[datetime, int]]:
    """Houses answered in each of the last whole minutes and the one that goes on, the oldest first.

    Their ids carry the time, so that only they are read, however many came before.
    """
    last = now.replace(second=0, microsecond=0)
    first = last - timedelta(minutes=minutes - 1)
    (least,) = new_capture_ids(1, int(first.timestamp() * 1000), 0)
    minute = day_of(captures.c.id, _MINUTE)
    query = select(minute, func.count()).where(captures.c.id >= least).group_by(minute)
    counts = {int(number): houses for number, houses in connection.execute(query)}
    moments = [first + timedelta(minutes=step) for step in range(minutes)]
    return [(moment, counts.get(int(moment.timestamp()) // _MINUTE, 0)) for moment in moments]
