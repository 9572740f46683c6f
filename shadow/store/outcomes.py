"""Outcomes: an append-only ledger of what answered houses sold for.

Every report that says something new is a row; who asks `as_of` a moment sees what the store knew then. The
last of a capture's outcomes is in force. The numbers of a source say in which order its reports came,
whatever its clock said: a clock may be set back. Between sources there are only clocks: a report counts as
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
Known: TypeAlias = Callable[[FromClause], Sequence[ColumnElement[bool]]]


class _Report(NamedTuple):
    """An outcome and the source that stored it."""

    source_id: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class OutcomeCounts:
    """Answered houses by what is known of them.

    `matched` houses have an outcome in force, `withdrawn` of them no price; `unmatched` ids have an outcome
    and no capture; `corrections` are the reports beyond the first of their house.
    """

    matched: int
    withdrawn: int
    unmatched: int
    corrections: int

    @property
    def sold(self) -> int:
        """Houses whose price is known."""
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

    What says the same as the outcome in force, or is stored already, is skipped.
    """
    fresh = list(_news(connection, source, reported))
    rows = [
        {
            "source_id": source.id,
            "seq": seq,
            "capture_id": one.capture_id,
            "state": one.state.value,
            "price_dollars": one.price_dollars,
            "sold_at": one.sold_at,
            "reported_by": one.reported_by,
            "received_at": one.received_at,
            "recorded_at": now,
            "delay_seconds": _delay_seconds(one),
        }
        for seq, one in enumerate(fresh, source.last_outcome_seq + 1)
    ]
    bulk.insert(connection, outcomes, rows)
    return source.last_outcome_seq + len(rows)


def _news(connection: Connection, source: Source, reported: Sequence[Outcome]) -> Iterator[Outcome]:
    """What the ledger does not say yet, in the order in which it was reported."""
    known = _reports(connection, [one.capture_id for one in reported])
    for one in reported:
        told = known.setdefault(one.capture_id, [])
        if told and one.says_the_same_as(told[-1].outcome):
            continue
        if any(one.received_at == other.received_at and one.says_the_same_as(other) for _, other in told):
            continue
        yield one
        _add(told, _Report(source.id, one))


def _add(told: list[_Report], newest: _Report) -> None:
    """Put the newest report of its source where `report_order` would."""
    latest: dict[int, datetime] = {}

    def place(report: _Report) -> tuple[datetime, int]:
        received = report.outcome.received_at
        latest[report.source_id] = max(received, latest.get(report.source_id, received))
        return latest[report.source_id], report.source_id

    told.append(newest)
    told.sort(key=place)


def _delay_seconds(one: Outcome) -> float:
    """From the answer to its outcome; clocks of two hosts may differ, a delay is never negative."""
    return max(0.0, (one.received_at - capture_time(one.capture_id)).total_seconds())


def history(
    connection: Connection, capture_ids: Sequence[UUID], as_of: datetime | None = None
) -> dict[UUID, list[Outcome]]:
    """Every outcome of these captures, the last of each being the one in force."""
    found = _reports(connection, capture_ids, as_of)
    return {name: [report.outcome for report in told] for name, told in found.items()}


def _reports(
    connection: Connection, capture_ids: Sequence[UUID], as_of: datetime | None = None
) -> dict[UUID, list[_Report]]:
    found: dict[UUID, list[_Report]] = {}
    for some in _some(capture_ids):
        query = select(outcomes).where(outcomes.c.capture_id.in_(some))
        if as_of is not None:
            query = query.where(outcomes.c.recorded_at <= as_of)
        for row in connection.execute(query.order_by(*report_order())):
            found.setdefault(row.capture_id, []).append(_Report(row.source_id, _outcome(row)))
    return found


def report_order() -> tuple[ColumnElement[Any], ...]:
    """Columns that order the outcomes of each capture, the one in force last."""
    received = func.max(outcomes.c.received_at).over(
        partition_by=(outcomes.c.capture_id, outcomes.c.source_id), order_by=outcomes.c.seq
    )
    return received, outcomes.c.source_id, outcomes.c.seq


def is_superseded(told: FromClause, known: Known = lambda _: ()) -> ColumnElement[bool]:
    """Whether another outcome of the same capture is later in order, of those that `known` lets through."""
    newer, same = outcomes.alias("newer"), outcomes.alias("same")
    of_source = same.c.capture_id == told.c.capture_id, same.c.source_id == told.c.source_id
    received = select(func.max(same.c.received_at)).where(*of_source, *known(same)).correlate(told)
    place = tuple_(received.scalar_subquery(), told.c.source_id)
    later = or_(
        and_(newer.c.source_id == told.c.source_id, newer.c.seq > told.c.seq),
        and_(newer.c.source_id != told.c.source_id, tuple_(newer.c.received_at, newer.c.source_id) > place),
    )
    return exists().where(newer.c.capture_id == told.c.capture_id, later, *known(newer))


def in_force(
    connection: Connection, capture_ids: Sequence[UUID], as_of: datetime | None = None
) -> dict[UUID, Outcome]:
    """The outcome in force of each of these captures that has one."""
    return {name: told[-1] for name, told in history(connection, capture_ids, as_of).items()}


def _some(capture_ids: Sequence[UUID]) -> Iterator[list[UUID]]:
    names = list(dict.fromkeys(capture_ids))
    for start in range(0, len(names), _AT_ONCE):
        yield names[start : start + _AT_ONCE]


def counts(connection: Connection) -> OutcomeCounts:
    """Count the whole ledger; takes as long as reading it does."""
    allow_long_queries(connection)
    reports = select(outcomes.c.capture_id, func.count().label("reports"))
    by_house = reports.group_by(outcomes.c.capture_id).subquery()
    found = by_house.outerjoin(captures, captures.c.id == by_house.c.capture_id)
    every = select(func.count(), func.count(captures.c.id), func.sum(by_house.c.reports)).select_from(found)
    houses, matched, told = connection.execute(every).one()
    return OutcomeCounts(matched, _withdrawn(connection), houses - matched, int(told or 0) - houses)


def newest_matched(connection: Connection) -> datetime | None:
    """When the last outcome of an answered house was stored; None when there is none."""
    captured = exists().where(captures.c.id == outcomes.c.capture_id)
    newest: datetime | None = connection.execute(
        select(func.max(outcomes.c.recorded_at)).where(captured)
    ).scalar_one()
    return newest


def _withdrawn(connection: Connection) -> int:
    """Captured houses whose outcome in force is that they were withdrawn."""
    query = select(func.count()).where(
        outcomes.c.state == OutcomeState.WITHDRAWN.value,
        exists().where(captures.c.id == outcomes.c.capture_id),
        ~is_superseded(outcomes),
    )
    return connection.execute(query.select_from(outcomes)).scalar_one()


def unmatched(connection: Connection, limit: int) -> list[UUID]:
    """Ids that have an outcome and no capture, the latest `limit` of them."""
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
