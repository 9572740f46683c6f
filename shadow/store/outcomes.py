"""Outcomes: an append-only ledger of the reports about answered rows.

Every report that differs from the one before is a row; a query `as_of` a moment returns what the store knew
then. The last of a capture's outcomes is in force. The numbers of a source give the order of its reports,
not its clock: a clock may be set back. Between sources there are only clocks: a report counts as
received when the latest of its own source's reports up to it was (of two at once that of the higher source
is the later one).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, FromClause, Row, and_, exists, func, or_, select, tuple_

from shadow.records import Outcome, OutcomeState, capture_time
from shadow.store.database import bulk
from shadow.store.database.dialects import allow_long_queries
from shadow.store.database.tables import captures, outcomes
from shadow.store.sources import Source

_AT_ONCE = 1000
ReportFilter: TypeAlias = Callable[[FromClause], Sequence[ColumnElement[bool]]]


class _Report(NamedTuple):
    """An outcome and the source that stored it."""

    source_id: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class OutcomeCounts:
    """Answered rows by their outcome.

    `matched` captures have an outcome in force, `withdrawn` of them no price; `unmatched` ids have an outcome
    and no capture; `corrections` are the reports beyond the first of their capture.
    """

    matched: int
    withdrawn: int
    unmatched: int
    corrections: int

    @property
    def sold(self) -> int:
        """Captures whose price is known."""
        return self.matched - self.withdrawn

    def by_name(self) -> dict[str, int]:
        """Return every count by its name."""
        return {
            "matched": self.matched,
            "sold": self.sold,
            "withdrawn": self.withdrawn,
            "unmatched": self.unmatched,
            "corrections": self.corrections,
        }


def insert(connection: Connection, source: Source, reported: Sequence[Outcome], now: datetime) -> int:
    """Store outcomes, numbered on from the source's last; returns the last number.

    A report equal to the outcome in force, or stored already, is skipped.
    """
    new = _new_reports(connection, source, reported)
    rows = [
        _values(source, outcome, seq, now) for seq, outcome in enumerate(new, source.last_outcome_seq + 1)
    ]
    bulk.insert(connection, outcomes, rows)
    return source.last_outcome_seq + len(rows)


def _values(source: Source, outcome: Outcome, seq: int, now: datetime) -> dict[str, Any]:
    return {
        "source_id": source.id,
        "seq": seq,
        "capture_id": outcome.capture_id,
        "state": outcome.state.value,
        "price_dollars": outcome.price_dollars,
        "sold_at": outcome.sold_at,
        "reported_by": outcome.reported_by,
        "received_at": outcome.received_at,
        "recorded_at": now,
        "delay_seconds": _delay_seconds(outcome),
    }


def _new_reports(connection: Connection, source: Source, reported: Sequence[Outcome]) -> Iterator[Outcome]:
    """Return the reports that the ledger does not have yet, in the order in which they were made."""
    ledger = _reports(connection, [outcome.capture_id for outcome in reported])
    for outcome in reported:
        known = ledger.setdefault(outcome.capture_id, [])
        if known and outcome.has_same_content(known[-1].outcome):
            continue
        if any(
            outcome.received_at == other.received_at and outcome.has_same_content(other) for _, other in known
        ):
            continue
        yield outcome
        _insert_in_order(known, _Report(source.id, outcome))


def _insert_in_order(reports: list[_Report], newest: _Report) -> None:
    """Insert the newest report of its source where `report_order` would put it."""
    latest: dict[int, datetime] = {}

    def order(report: _Report) -> tuple[datetime, int]:
        received = report.outcome.received_at
        latest[report.source_id] = max(received, latest.get(report.source_id, received))
        return latest[report.source_id], report.source_id

    reports.append(newest)
    reports.sort(key=order)


def _delay_seconds(outcome: Outcome) -> float:
    """Return the time from the answer to its outcome, at least 0: clocks of two hosts may differ."""
    return max(0.0, (outcome.received_at - capture_time(outcome.capture_id)).total_seconds())


def history(
    connection: Connection, capture_ids: Sequence[UUID], as_of: datetime | None = None
) -> dict[UUID, list[Outcome]]:
    """Return every outcome of these captures; the last of each capture is in force."""
    by_capture = _reports(connection, capture_ids, as_of)
    return {capture_id: [report.outcome for report in reports] for capture_id, reports in by_capture.items()}


def _reports(
    connection: Connection, capture_ids: Sequence[UUID], as_of: datetime | None = None
) -> dict[UUID, list[_Report]]:
    """Read the reports about these captures with their sources, in order."""
    by_capture: dict[UUID, list[_Report]] = {}
    for chunk in _chunks(capture_ids):
        query = select(outcomes).where(outcomes.c.capture_id.in_(chunk))
        if as_of is not None:
            query = query.where(outcomes.c.recorded_at <= as_of)
        for row in connection.execute(query.order_by(*report_order())):
            by_capture.setdefault(row.capture_id, []).append(_Report(row.source_id, _outcome(row)))
    return by_capture


def report_order() -> tuple[ColumnElement[Any], ...]:
    """Build the columns that order the outcomes of each capture, the one in force last."""
    received = func.max(outcomes.c.received_at).over(
        partition_by=(outcomes.c.capture_id, outcomes.c.source_id), order_by=outcomes.c.seq
    )
    return received, outcomes.c.source_id, outcomes.c.seq


def is_superseded(report: FromClause, known: ReportFilter = lambda _: ()) -> ColumnElement[bool]:
    """Build the condition: a later outcome of the same capture exists among those that pass `known`."""
    newer, same = outcomes.alias("newer"), outcomes.alias("same")
    of_source = same.c.capture_id == report.c.capture_id, same.c.source_id == report.c.source_id
    received = select(func.max(same.c.received_at)).where(*of_source, *known(same)).correlate(report)
    order = tuple_(received.scalar_subquery(), report.c.source_id)
    later = or_(
        and_(newer.c.source_id == report.c.source_id, newer.c.seq > report.c.seq),
        and_(newer.c.source_id != report.c.source_id, tuple_(newer.c.received_at, newer.c.source_id) > order),
    )
    return exists().where(newer.c.capture_id == report.c.capture_id, later, *known(newer))


def in_force(
    connection: Connection, capture_ids: Sequence[UUID], as_of: datetime | None = None
) -> dict[UUID, Outcome]:
    """Return the outcome in force of each of these captures that has one."""
    by_capture = history(connection, capture_ids, as_of)
    return {capture_id: reports[-1] for capture_id, reports in by_capture.items()}


def _chunks(capture_ids: Sequence[UUID]) -> Iterator[list[UUID]]:
    unique = list(dict.fromkeys(capture_ids))
    for start in range(0, len(unique), _AT_ONCE):
        yield unique[start : start + _AT_ONCE]


def counts(connection: Connection) -> OutcomeCounts:
    """Count the whole ledger; takes as long as reading it does."""
    allow_long_queries(connection)
    reports = select(outcomes.c.capture_id, func.count().label("reports"))
    by_capture = reports.group_by(outcomes.c.capture_id).subquery()
    joined = by_capture.outerjoin(captures, captures.c.id == by_capture.c.capture_id)
    totals = select(func.count(), func.count(captures.c.id), func.sum(by_capture.c.reports))
    ids, matched, report_count = connection.execute(totals.select_from(joined)).one()
    return OutcomeCounts(matched, _withdrawn(connection), ids - matched, int(report_count or 0) - ids)


def newest_matched(connection: Connection) -> datetime | None:
    """Return when the last outcome of a stored capture was recorded; None when there is none."""
    captured = exists().where(captures.c.id == outcomes.c.capture_id)
    newest: datetime | None = connection.execute(
        select(func.max(outcomes.c.recorded_at)).where(captured)
    ).scalar_one()
    return newest


def _withdrawn(connection: Connection) -> int:
    """Count the captures whose outcome in force is withdrawn."""
    query = select(func.count()).where(
        outcomes.c.state == OutcomeState.WITHDRAWN.value,
        exists().where(captures.c.id == outcomes.c.capture_id),
        ~is_superseded(outcomes),
    )
    return connection.execute(query.select_from(outcomes)).scalar_one()


def unmatched(connection: Connection, limit: int) -> list[UUID]:
    """List the latest `limit` ids that have an outcome and no capture."""
    captured = exists().where(captures.c.id == outcomes.c.capture_id)
    query = select(outcomes.c.capture_id).where(~captured).distinct().order_by(outcomes.c.capture_id.desc())
    return list(connection.execute(query.limit(limit)).scalars())


def _outcome(row: Row[tuple[object, ...]]) -> Outcome:
    return Outcome(
        capture_id=row.capture_id,
        state=OutcomeState(row.state),
        price_dollars=row.price_dollars,
        sold_at=row.sold_at,
        reported_by=row.reported_by,
        received_at=row.received_at,
        recorded_at=row.recorded_at,
    )
