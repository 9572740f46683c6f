"""Due days: which days of a stream have changed since they were last computed.

`evidence_cursors` hold up to which capture and outcome of each source changes have been noted. They move in
the transaction that notes them, so that after a crash the same changes are noted again. A change also
concerns the other captures of the same entity, because it may change which of them counts.
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
from shadow.store.database.dialects import (
    allow_long_queries,
    day_of,
    insert_absent_from,
    insert_if_absent,
)
from shadow.store.database.tables import captures, cursors, evidence_cursors, evidence_due, outcomes, sources
from shadow.store.evidence.span import ids_in, milliseconds
from shadow.store.retention import prunings
from shadow.store.streams import Stream

AT_ONCE = 100_000


@dataclass(frozen=True, slots=True)
class _Changes:
    """Changes of one source: captures that the candidate has passed, and outcomes, noted and stored."""

    source_id: int
    captures_noted: int
    captures_passed: int
    outcomes_noted: int
    outcomes_stored: int

    def first(self, limit: int) -> _Changes:
        """Return the first `limit` captures and outcomes of these changes."""
        return _Changes(
            self.source_id,
            self.captures_noted,
            min(self.captures_passed, self.captures_noted + limit),
            self.outcomes_noted,
            min(self.outcomes_stored, self.outcomes_noted + limit),
        )

    @property
    def exist(self) -> bool:
        return self.captures_passed > self.captures_noted or self.outcomes_stored > self.outcomes_noted


def mark_changed_days(connection: Connection, stream: Stream, at_once: int = AT_ONCE) -> bool:
    """Make changed days due, in this transaction; returns whether more than `at_once` changes exist."""
    streams.lock(connection, stream)
    allow_long_queries(connection)
    _begin(connection, stream)
    by_source = list(_changes(connection, stream))
    for changes in by_source:
        if changes.exist:
            _mark(connection, stream, changes.first(at_once))
    return any(changes.first(at_once) != changes for changes in by_source)


def due_days(connection: Connection, stream: Stream) -> list[int]:
    """List the days that are due to be computed, oldest first."""
    query = select(evidence_due.c.day).where(evidence_due.c.stream_id == stream.id)
    return list(connection.execute(query.order_by(evidence_due.c.day)).scalars())


def mark_computed(connection: Connection, stream: Stream, day: int) -> None:
    """Make a day no longer due."""
    is_day = (evidence_due.c.stream_id == stream.id) & (evidence_due.c.day == day)
    connection.execute(delete(evidence_due).where(is_day))


def first_complete_day(connection: Connection, stream: Stream) -> int | None:
    """Return the first day of which no capture has been pruned; None: nothing has ever been pruned."""
    before: datetime | None = prunings.latest(connection)
    return None if before is None else -(-milliseconds(before) // (stream.terms.day_seconds * 1000))


def _begin(connection: Connection, stream: Stream) -> None:
    """Put the cursors of a new stream where its candidate began.

    Outcomes stored before are read together with their captures.
    """
    of_stream = evidence_cursors.c.stream_id == stream.id
    if connection.execute(select(evidence_cursors.c.source_id).where(of_stream).limit(1)).first() is not None:
        return
    capture_seq = func.coalesce(cursors.c.start_seq, 0).label("capture_seq")
    outcome_seq = sources.c.last_outcome_seq.label("outcome_seq")
    stream_id, source_id = _number(stream.id).label("stream_id"), sources.c.id.label("source_id")
    query = select(stream_id, source_id, capture_seq, outcome_seq)
    rows = query.outerjoin(cursors, _is_candidates(stream)).subquery("begin")
    insert_absent_from(connection, evidence_cursors, rows)


def _is_candidates(stream: Stream) -> ColumnElement[bool]:
    return and_(cursors.c.source_id == sources.c.id, cursors.c.candidate_id == stream.terms.candidate_id)


def _changes(connection: Connection, stream: Stream) -> Iterator[_Changes]:
    """Read the changes of every source. Nothing at or below these numbers can be committed later."""
    of_stream = and_(evidence_cursors.c.source_id == sources.c.id, evidence_cursors.c.stream_id == stream.id)
    rows = connection.execute(
        select(
            sources.c.id,
            sources.c.last_outcome_seq,
            cursors.c.seq,
            evidence_cursors.c.capture_seq,
            evidence_cursors.c.outcome_seq,
        )
        .outerjoin(cursors, _is_candidates(stream))
        .outerjoin(evidence_cursors, of_stream)
        .order_by(sources.c.id)
    )
    for row in rows:
        yield _Changes(row.id, row.capture_seq or 0, row.seq or 0, row.outcome_seq or 0, row.last_outcome_seq)


def _mark(connection: Connection, stream: Stream, changes: _Changes) -> None:
    """Insert the changed days that can be computed, and move the cursor."""
    changed = union(*_changed_days(stream, changes)).subquery("changed")
    first = first_complete_day(connection, stream)
    due = select(_number(stream.id).label("stream_id"), changed.c.day)
    if first is not None:
        due = due.where(changed.c.day >= first)
    insert_absent_from(connection, evidence_due, due.subquery("due"))
    _move_cursor(connection, stream, changes)


def _number(value: int) -> ColumnElement[int]:
    return cast(value, BigInteger)


def _changed_days(stream: Stream, changes: _Changes) -> Iterator[Select[Any]]:
    """Select the days of captures passed, of captures with outcomes, and of captures of the same entities."""
    day_seconds = stream.terms.day_seconds
    passed = and_(
        captures.c.source_id == changes.source_id,
        captures.c.seq > changes.captures_noted,
        captures.c.seq <= changes.captures_passed,
    )
    reported = and_(
        outcomes.c.source_id == changes.source_id,
        outcomes.c.seq > changes.outcomes_noted,
        outcomes.c.seq <= changes.outcomes_stored,
    )
    yield _days(captures.c.id, day_seconds).where(passed, *_is_in_stream(captures, stream))
    yield _days(outcomes.c.capture_id, day_seconds).where(
        reported, *_is_while_stream(outcomes.c.capture_id, stream)
    )
    yield _days_of_same_entities(stream).where(passed)
    yield _days_of_same_entities(stream, outcomes).where(reported)


def _days(capture_id: ColumnElement[Any], day_seconds: int) -> Select[Any]:
    """Select the day of each id."""
    return select(day_of(capture_id, day_seconds).label("day"))


def _days_of_same_entities(stream: Stream, reports: FromClause | None = None) -> Select[Any]:
    other = captures.alias("other")
    same = and_(other.c.entity_id == captures.c.entity_id, *_is_in_stream(other, stream))
    joined = captures.join(other, same)
    if reports is not None:
        joined = reports.join(joined, reports.c.capture_id == captures.c.id)
    query = _days(other.c.id, stream.terms.day_seconds).select_from(joined)
    return query.where(captures.c.entity_id.is_not(None), *_is_in_stream(captures, stream))


def _is_while_stream(capture_id: ColumnElement[Any], stream: Stream) -> tuple[ColumnElement[bool], ...]:
    ids = ids_in(stream)
    return capture_id >= ids.low, capture_id < ids.high


def _is_in_stream(rows: FromClause, stream: Stream) -> tuple[ColumnElement[bool], ...]:
    """Build the conditions: a capture that the stream's live model answered while the stream lasted."""
    live = stream.terms.live
    return (
        *_is_while_stream(rows.c.id, stream),
        rows.c.live_name == live.name,
        rows.c.live_version == live.version,
    )


def _move_cursor(connection: Connection, stream: Stream, changes: _Changes) -> None:
    """Store up to which capture and outcome changes have been noted."""
    key = {"stream_id": stream.id, "source_id": changes.source_id}
    reached = {"capture_seq": changes.captures_passed, "outcome_seq": changes.outcomes_stored}
    insert_if_absent(connection, evidence_cursors, key | reached)
    cursor = and_(
        evidence_cursors.c.stream_id == stream.id, evidence_cursors.c.source_id == changes.source_id
    )
    connection.execute(update(evidence_cursors).where(cursor).values(reached))
