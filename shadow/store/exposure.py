"""Exposure: houses of a stream that its candidate has not seen: dropped ones, and pending ones."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, and_, exists, func, select

from shadow.store import candidates
from shadow.store.evidence.span import ids_in, milliseconds
from shadow.store.partitions import first_id
from shadow.store.streams import Stream
from shadow.store.tables import captures, drops, observations


def dropped(connection: Connection, stream: Stream, moment: datetime) -> int:
    """Houses answered since the stream began that were dropped before they could be stored."""
    query = select(func.coalesce(func.sum(drops.c.houses), 0)).where(
        drops.c.recorded_at >= stream.started_at, drops.c.recorded_at <= (stream.ended_at or moment)
    )
    return int(connection.execute(query).scalar_one())


def pending(connection: Connection, stream: Stream, now: datetime) -> int:
    """Stored houses that the candidate has not looked at yet, by the numbers of its cursors."""
    candidate = candidates.by_id(connection, stream.terms.candidate_id)
    return 0 if candidate is None else candidates.lag(connection, candidate, now)[0]


def pending_as_of(connection: Connection, stream: Stream, moment: datetime) -> int:
    """The same as it was at an earlier moment, counted house by house."""
    candidate = candidates.by_id(connection, stream.terms.candidate_id)
    ids = ids_in(stream)
    looked_at = exists().where(
        observations.c.capture_id == captures.c.id,
        observations.c.candidate_id == stream.terms.candidate_id,
        observations.c.observed_at <= moment,
    )
    waiting = and_(
        captures.c.id >= ids.low,
        captures.c.id < min(ids.high, first_id(milliseconds(moment))),
        captures.c.sample_key < (1.0 if candidate is None else candidate.sample),
        captures.c.live_name == stream.terms.live.name,
        captures.c.live_version == stream.terms.live.version,
        ~looked_at,
    )
    return connection.execute(select(func.count()).select_from(captures).where(waiting)).scalar_one()
