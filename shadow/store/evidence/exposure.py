"""Exposure: rows of a stream that its candidate was to score and has not: dropped ones, and pending ones."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select

from shadow.records import Candidate
from shadow.store import candidates
from shadow.store.database.partitions import first_id
from shadow.store.database.tables import captures, drops, observations
from shadow.store.evidence.span import ids_in, milliseconds
from shadow.store.streams import Stream


def dropped(connection: Connection, stream: Stream, candidate: Candidate | None, moment: datetime) -> int:
    """Count the candidate's share of the rows that were dropped from the stream's start until a moment.

    A dropped row has no stored id that would place it in the sample: the candidate's share of all is taken.
    """
    end = moment if stream.ended_at is None else min(moment, stream.ended_at)
    query = select(func.coalesce(func.sum(drops.c.houses), 0)).where(
        drops.c.recorded_at >= stream.started_at, drops.c.recorded_at <= end
    )
    return round(int(connection.execute(query).scalar_one()) * _share(candidate))


def pending(connection: Connection, stream: Stream, candidate: Candidate | None) -> int:
    """Count the captures of the stream that the candidate's cursors have not passed."""
    cursors = [] if candidate is None else candidates.cursors_of(connection, candidate)
    beyond = [
        and_(captures.c.source_id == cursor.source_id, captures.c.seq > cursor.seq)
        for cursor in cursors
        if cursor.pending > 0
    ]
    return _count(connection, _is_sampled(stream, candidate), or_(*beyond)) if beyond else 0


def pending_as_of(
    connection: Connection, stream: Stream, candidate: Candidate | None, moment: datetime
) -> int:
    """Count the captures of the stream until a moment that the candidate had not scored by then."""
    scored = exists().where(
        observations.c.capture_id == captures.c.id,
        observations.c.candidate_id == stream.terms.candidate_id,
        observations.c.observed_at <= moment,
    )
    before = captures.c.id < first_id(milliseconds(moment))
    return _count(connection, _is_sampled(stream, candidate), before, ~scored)


def _is_sampled(stream: Stream, candidate: Candidate | None) -> ColumnElement[bool]:
    """Build the condition: a capture of the stream that is in the candidate's sample."""
    ids, live = ids_in(stream), stream.terms.live
    return and_(
        captures.c.id >= ids.low,
        captures.c.id < ids.high,
        captures.c.sample_key < _share(candidate),
        captures.c.live_name == live.name,
        captures.c.live_version == live.version,
    )


def _share(candidate: Candidate | None) -> float:
    return 1.0 if candidate is None else candidate.sample


def _count(connection: Connection, *conditions: ColumnElement[bool]) -> int:
    """Count the captures that meet every condition."""
    query = select(func.count()).select_from(captures).where(*conditions)
    return connection.execute(query).scalar_one()
