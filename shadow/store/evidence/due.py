"""Due days: which days of a stream have changed since they were last computed.

Places in the sources say up to where changes have been noted. They move in the transaction that notes them:
whatever is lost, is noted again. A change also concerns the other captures of the same house, since which of
them counts may change with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    cast,
    delete,
    func,
    select,
    union,
    update,
)

from shadow.store import streams
from shadow.store.database.dialects import allow_long_queries, day_of, insert_absent_from, insert_if_absent
from shadow.store.database.tables import captures, cursors, evidence_cursors, evidence_due, outcomes, sources
from shadow.store.evidence.span import ids_in, milliseconds
from shadow.store.retention import prunings
from shadow.store.streams import Stream

AT_ONCE = 100_000


@dataclass(frozen=True, slots=True)
class _Place:
    """What of one source has been noted, and what there is: captures the candidate has passed, outcomes."""

    source_id: int
    captures_noted: int
    captures_passed: int
    outcomes_noted: int
    outcomes_stored: int

    def next(self, most: int) -> _Place:
        """The same, with at most so many of each to be noted."""
        return _Place(
            self.source_id,
            self.captures_noted,
            min(self.captures_passed, self.captures_noted + most),
            self.outcomes_noted,
            min(self.outcomes_stored, self.outcomes_noted + most),
        )

    @property
    def has_news(self) -> bool:
        return self.captures_passed > self.captures_noted or self.outcomes_stored > self.outcomes_noted


def note_changes(connection: Connection, stream: Stream, at_once: int = AT_ONCE) -> bool:
    """Make days due that have changed; says whether there is more than was noted in this transaction."""
    streams.lock(connection, stream)
    allow_long_queries(connection)
    _begin(connection, stream)
    there = list(_places(connection, stream))
    for place in there:
        if place.has_news:
            _note(connection, stream, place.next(at_once))
    return any(place.next(at_once) != place for place in there)


def due_days(connection: Connection, stream: Stream) -> list[int]:
    """The days that are to be computed, the oldest first."""
    query = select(evidence_due.c.day).where(evidence_due.c.stream_id == stream.id)
    return list(connection.execute(query.order_by(evidence_due.c.day)).scalars())


def settle(connection: Connection, stream: Stream, day: int) -> None:
    """Say that a day has been computed."""
    this = (evidence_due.c.stream_id == stream.id) & (evidence_due.c.day == day)
    connection.execute(delete(evidence_due).where(this))


def first_kept_day(connection: Connection, stream: Stream) -> int | None:
    """The first day all of whose captures are still stored; None: every day is whole."""
    before: datetime | None = prunings.latest(connection)
    return None if before is None else -(-milliseconds(before) // (stream.terms.day_seconds * 1000))


def _begin(connection: Connection, stream: Stream) -> None:
    """Put a new stream where its candidate began. Earlier outcomes are read with their captures."""
    mine = evidence_cursors.c.stream_id == stream.id
    if connection.execute(select(evidence_cursors.c.source_id).where(mine).limit(1)).first() is not None:
        return
    start = func.coalesce(cursors.c.start_seq, 0).label("capture_seq")
    reached = sources.c.last_outcome_seq.label("outcome_seq")
    places = select(_number(stream.id).label("stream_id"), sources.c.id.label("source_id"), start, reached)
    rows = places.outerjoin(cursors, _is_candidates(stream)).subquery("begin")
    insert_absent_from(connection, evidence_cursors, rows)


def _is_candidates(stream: Stream) -> ColumnElement[bool]:
    return and_(cursors.c.source_id == sources.c.id, cursors.c.candidate_id == stream.terms.candidate_id)


def _places(connection: Connection, stream: Stream) -> Iterator[_Place]:
    """Every source the candidate has come to. Nothing at or below these numbers can be committed later."""
    noted = and_(evidence_cursors.c.source_id == sources.c.id, evidence_cursors.c.stream_id == stream.id)
    rows = connection.execute(
        select(
            sources.c.id,
            sources.c.last_outcome_seq,
            cursors.c.seq,
            evidence_cursors.c.capture_seq,
            evidence_cursors.c.outcome_seq,
        )
        .outerjoin(cursors, _is_candidates(stream))
        .outerjoin(evidence_cursors, noted)
        .order_by(sources.c.id)
    )
    for row in rows:
        yield _Place(row.id, row.capture_seq or 0, row.seq or 0, row.outcome_seq or 0, row.last_outcome_seq)


def _note(connection: Connection, stream: Stream, place: _Place) -> None:
    changed = union(*_changed_days(stream, place)).subquery("changed")
    kept = first_kept_day(connection, stream)
    whole = select(_number(stream.id).label("stream_id"), changed.c.day)
    if kept is not None:
        whole = whole.where(changed.c.day >= kept)
    insert_absent_from(connection, evidence_due, whole.subquery("due"))
    _move(connection, stream, place)


def _number(value: int) -> ColumnElement[int]:
    return cast(value, BigInteger)


def _changed_days(stream: Stream, place: _Place) -> Iterator[Select[Any]]:
    """The days of captures passed, of captures with outcomes, and of the other captures of their houses."""
    length = stream.terms.day_seconds
    passed = and_(
        captures.c.source_id == place.source_id,
        captures.c.seq > place.captures_noted,
        captures.c.seq <= place.captures_passed,
    )
    told = and_(
        outcomes.c.source_id == place.source_id,
        outcomes.c.seq > place.outcomes_noted,
        outcomes.c.seq <= place.outcomes_stored,
    )
    yield _days(captures.c.id, length).where(passed, *_answered(captures, stream))
    yield _days(outcomes.c.capture_id, length).where(told, *_lasting(outcomes.c.capture_id, stream))
    yield _others(stream).where(passed)
    yield _others(stream, outcomes).where(told)


def _days(capture_id: ColumnElement[Any], day_seconds: int) -> Select[Any]:
    return select(day_of(capture_id, day_seconds).label("day"))


def _others(stream: Stream, told: FromClause | None = None) -> Select[Any]:
    other = captures.alias("other")
    same = and_(other.c.entity_id == captures.c.entity_id, *_answered(other, stream))
    joined = captures.join(other, same)
    if told is not None:
        joined = told.join(joined, told.c.capture_id == captures.c.id)
    query = _days(other.c.id, stream.terms.day_seconds).select_from(joined)
    return query.where(captures.c.entity_id.is_not(None), *_answered(captures, stream))


def _lasting(capture_id: ColumnElement[Any], stream: Stream) -> tuple[ColumnElement[bool], ...]:
    ids = ids_in(stream)
    return capture_id >= ids.low, capture_id < ids.high


def _answered(asked: FromClause, stream: Stream) -> tuple[ColumnElement[bool], ...]:
    live = stream.terms.live
    return (
        *_lasting(asked.c.id, stream),
        asked.c.live_name == live.name,
        asked.c.live_version == live.version,
    )


def _move(connection: Connection, stream: Stream, place: _Place) -> None:
    here = {"stream_id": stream.id, "source_id": place.source_id}
    reached = {"capture_seq": place.captures_passed, "outcome_seq": place.outcomes_stored}
    insert_if_absent(connection, evidence_cursors, here | reached)
    this = and_(evidence_cursors.c.stream_id == stream.id, evidence_cursors.c.source_id == place.source_id)
    connection.execute(update(evidence_cursors).where(this).values(reached))
