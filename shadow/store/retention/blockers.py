"""Blockers: candidates and evidence that still need captures which a prune would remove."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, Row, and_, func, or_, select

from shadow.records import Candidate, capture_time
from shadow.store import candidates
from shadow.store.database.partitions import FIRST_ID, first_id, milliseconds
from shadow.store.database.tables import captures, evidence_cursors, evidence_due, sources, streams


class PruneRefused(RuntimeError):
    """A candidate, or the evidence on it, still needs rows to remove: `waiting` captures or days."""

    def __init__(self, before: datetime, candidate: Candidate, waiting: int, what: str) -> None:
        self.before, self.candidate, self.waiting = before, candidate, waiting
        model = candidate.model
        super().__init__(
            f"{model} ({candidate.state.value}) has yet to {what} of before {before:%Y-%m-%d %H:%M:%S} UTC:"
            f" let a worker do it (`umbra status`), after `umbra candidates resume {model}` if it is paused;"
            f" or do without it: `umbra candidates remove {model}`"
        )


def refuse_pending(connection: Connection, bound: UUID) -> None:
    """Raise PruneRefused if a candidate, or the evidence on it, has not passed all captures below `bound`."""
    for candidate in candidates.present(connection):
        _refuse_unscored(connection, candidate, bound)
        for stream in _open_streams(connection, candidate):
            _refuse_uncomputed(connection, candidate, stream, bound)


def _refuse_unscored(connection: Connection, candidate: Candidate, bound: UUID) -> None:
    cursors = candidates.cursors_of(connection, candidate)
    positions = [(cursor.source_id, cursor.seq) for cursor in cursors if cursor.pending]
    if waiting := _count_beyond(connection, positions, FIRST_ID, bound):
        raise PruneRefused(capture_time(bound), candidate, waiting, f"score {waiting:,} captures")


def _refuse_uncomputed(
    connection: Connection, candidate: Candidate, stream: Row[tuple[object, ...]], bound: UUID
) -> None:
    before = capture_time(bound)
    start = first_id(milliseconds(stream.started_at))
    if waiting := _count_beyond(connection, _positions(connection, stream.id), start, bound):
        raise PruneRefused(before, candidate, waiting, f"have evidence of {waiting:,} captures")
    if waiting := _count_due_days(connection, stream, bound):
        raise PruneRefused(before, candidate, waiting, f"have evidence of {waiting:,} days")


def _count_beyond(
    connection: Connection, positions: Iterable[tuple[int, int]], first: UUID, bound: UUID
) -> int:
    """Count the captures of [first, bound) with higher numbers than these (source, seq)."""
    after = [and_(captures.c.source_id == source, captures.c.seq > seq) for source, seq in positions]
    if not after:
        return 0
    query = select(func.count()).where(captures.c.id >= first, captures.c.id < bound, or_(*after))
    return connection.execute(query).scalar_one()


def _open_streams(connection: Connection, candidate: Candidate) -> list[Row[tuple[object, ...]]]:
    """Read the candidate's streams that have not ended."""
    is_open = streams.c.candidate_id == candidate.id, streams.c.ended_at.is_(None)
    return list(connection.execute(select(streams).where(*is_open)))


def _positions(connection: Connection, stream_id: int) -> list[tuple[int, int]]:
    """List every source with the number of the last capture whose day was marked as changed."""
    of_stream = and_(evidence_cursors.c.source_id == sources.c.id, evidence_cursors.c.stream_id == stream_id)
    seq = func.coalesce(evidence_cursors.c.capture_seq, 0)
    rows = connection.execute(select(sources.c.id, seq).outerjoin(evidence_cursors, of_stream))
    return [(source, number) for source, number in rows]


def _count_due_days(connection: Connection, stream: Row[tuple[object, ...]], bound: UUID) -> int:
    """Count the days, whole or in part before `bound`, that are due to be computed."""
    day_milliseconds = stream.day_seconds * 1000
    is_due = (
        evidence_due.c.stream_id == stream.id,
        evidence_due.c.day * day_milliseconds < (bound.int >> 80),
    )
    return connection.execute(select(func.count()).where(*is_due)).scalar_one()
