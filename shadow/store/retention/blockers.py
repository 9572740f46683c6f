"""Pending: who has yet to look at captures that a prune would remove."""

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
    """A candidate, or the evidence on it, is not done with what would go: `waiting` captures or days."""

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
    before = capture_time(bound)
    for candidate in candidates.present(connection):
        places = [
            (one.source_id, one.seq) for one in candidates.cursors_of(connection, candidate) if one.pending
        ]
        if waiting := _beyond(connection, places, FIRST_ID, bound):
            raise PruneRefused(before, candidate, waiting, f"score {waiting:,} captures")
        for stream in _open_streams(connection, candidate):
            began = first_id(milliseconds(stream.started_at))
            if waiting := _beyond(connection, _noted(connection, stream.id), began, bound):
                raise PruneRefused(before, candidate, waiting, f"have evidence of {waiting:,} captures")
            if waiting := _due(connection, stream, bound):
                raise PruneRefused(before, candidate, waiting, f"have evidence of {waiting:,} days")


def _beyond(connection: Connection, places: Iterable[tuple[int, int]], first: UUID, bound: UUID) -> int:
    """Captures of [first, bound) that come after these places in their sources."""
    after = [and_(captures.c.source_id == source, captures.c.seq > seq) for source, seq in places]
    if not after:
        return 0
    query = select(func.count()).where(captures.c.id >= first, captures.c.id < bound, or_(*after))
    return connection.execute(query).scalar_one()


def _open_streams(connection: Connection, candidate: Candidate) -> list[Row[tuple[object, ...]]]:
    mine = streams.c.candidate_id == candidate.id, streams.c.ended_at.is_(None)
    return list(connection.execute(select(streams).where(*mine)))


def _noted(connection: Connection, stream_id: int) -> list[tuple[int, int]]:
    """Every source, and the last of its captures that evidence knows of."""
    this = and_(evidence_cursors.c.source_id == sources.c.id, evidence_cursors.c.stream_id == stream_id)
    reached = func.coalesce(evidence_cursors.c.capture_seq, 0)
    rows = connection.execute(select(sources.c.id, reached).outerjoin(evidence_cursors, this))
    return [(source, seq) for source, seq in rows]


def _due(connection: Connection, stream: Row[tuple[object, ...]], bound: UUID) -> int:
    """Days, whole or in part before `bound`, that are to be computed."""
    length = stream.day_seconds * 1000
    due = evidence_due.c.stream_id == stream.id, evidence_due.c.day * length < (bound.int >> 80)
    return connection.execute(select(func.count()).where(*due)).scalar_one()
