"""The ledger (promise P3): every eligible row of a candidate is in exactly one state.

Every number is counted from rows, never stored as a running total, so that a wrong cursor, a lost observation
or one stored twice shows as a ledger that does not balance.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    MetaData,
    Table,
    and_,
    func,
    or_,
    select,
    union_all,
)

from shadow.records import Candidate, ObservationState
from shadow.store.candidates import Cursor, cursors_of
from shadow.store.database import partitions
from shadow.store.database.tables import captures, drops, observations, sources


@dataclass(frozen=True, slots=True)
class Intake:
    """Rows of all sources: stored captures, and dropped rows by reason.

    `numbered` is how many captures the sources have numbered; each must be `stored` or `pruned`.
    """

    numbered: int
    stored: int
    dropped: dict[str, int]
    pruned: int = 0

    @property
    def balances(self) -> bool:
        """Whether every number belongs to a capture that is stored or was pruned."""
        return self.numbered == self.stored + self.pruned


@dataclass(frozen=True, slots=True)
class Account:
    """One candidate's ledger. `eligible` counts answered rows since it was added, dropped ones too."""

    candidate: Candidate
    eligible: int
    scored: int
    sampled_out: int
    failed: dict[str, int]
    dropped: dict[str, int]
    pending: int

    def by_state(self) -> dict[str, int]:
        """Count the rows in each state, failed and dropped ones over all reasons."""
        return {
            "scored": self.scored,
            "sampled_out": self.sampled_out,
            "failed": sum(self.failed.values()),
            "dropped": sum(self.dropped.values()),
            "pending": self.pending,
        }

    def reasons(self, state: str) -> dict[str, int]:
        """Count the rows in a state by reason; empty for states that have none."""
        return {"failed": self.failed, "dropped": self.dropped}.get(state, {})

    @property
    def missing(self) -> int:
        """Rows in no state (positive) or in more than one (negative)."""
        return self.eligible - sum(self.by_state().values())

    @property
    def balances(self) -> bool:
        """Whether every eligible row is in exactly one state."""
        return self.missing == 0


def intake(connection: Connection) -> Intake:
    """Count the rows of all sources."""
    columns = sources.c.last_seq, sources.c.pruned
    totals = select(*(func.coalesce(func.sum(column), 0) for column in columns))
    numbered, pruned = connection.execute(totals).one()
    stored = select(func.count()).select_from(_rows(connection, captures))
    return Intake(
        int(numbered), connection.execute(stored).scalar_one(), _dropped(connection, None), int(pruned)
    )


def account(connection: Connection, candidate: Candidate) -> Account:
    """Count one candidate's ledger."""
    rows = _rows(connection, captures)
    cursors = cursors_of(connection, candidate)
    states = _observed(connection, candidate)
    dropped = _dropped(connection, candidate.replay_from or candidate.added_at)
    captured = [_is_between(rows, cursor, cursor.start_seq, None) for cursor in cursors]
    return Account(
        candidate=candidate,
        eligible=_count(connection, rows, captured) + sum(dropped.values()),
        scored=states.pop((ObservationState.SCORED, None), 0),
        sampled_out=_sampled_out(connection, rows, candidate, cursors),
        failed={str(reason): count for (_, reason), count in states.items()},
        dropped=dropped,
        pending=_pending(connection, rows, cursors),
    )


def _rows(connection: Connection, table: Table) -> FromClause:
    """Select the rows of a table and of its partitions that a prune has detached and not dropped yet."""
    detached = [
        partition.name for partition in partitions.detached(connection) if partition.table == table.name
    ]
    if not detached:
        return table
    tables = [table, *(table.to_metadata(MetaData(), name=name) for name in detached)]
    return union_all(*(select(*partition.c) for partition in tables)).subquery()


def _sampled_out(
    connection: Connection, rows: FromClause, candidate: Candidate, cursors: list[Cursor]
) -> int:
    """Count the captures that the candidate has passed and that are not in its sample."""
    if candidate.sample == 1:
        return 0
    passed = [
        and_(_is_between(rows, cursor, cursor.start_seq, cursor.seq), rows.c.sample_key >= candidate.sample)
        for cursor in cursors
    ]
    return _count(connection, rows, passed)


def _pending(connection: Connection, rows: FromClause, cursors: list[Cursor]) -> int:
    """Count the captures beyond the cursors, from rows too: a prune leaves gaps in the numbers.

    A cursor that is ahead of its source counts below zero.
    """
    ahead = sum(min(0, cursor.pending) for cursor in cursors)
    beyond = [_is_between(rows, cursor, cursor.seq, None) for cursor in cursors if cursor.pending > 0]
    return ahead + _count(connection, rows, beyond)


def _is_between(rows: FromClause, cursor: Cursor, after: int, up_to: int | None) -> ColumnElement[bool]:
    beyond = and_(rows.c.source_id == cursor.source_id, rows.c.seq > after)
    return beyond if up_to is None else and_(beyond, rows.c.seq <= up_to)


def _count(connection: Connection, rows: FromClause, conditions: list[ColumnElement[bool]]) -> int:
    """Count the rows that meet at least one condition."""
    if not conditions:
        return 0
    return connection.execute(select(func.count()).select_from(rows).where(or_(*conditions))).scalar_one()


def _observed(connection: Connection, candidate: Candidate) -> dict[tuple[str, str | None], int]:
    """Count the candidate's observations by state and reason."""
    stored = _rows(connection, observations)
    rows = connection.execute(
        select(stored.c.state, stored.c.reason, func.count())
        .where(stored.c.candidate_id == candidate.id)
        .group_by(stored.c.state, stored.c.reason)
    )
    return {(state, reason): count for state, reason, count in rows}


def _dropped(connection: Connection, since: datetime | None) -> dict[str, int]:
    """Count dropped rows by reason, recorded at or after `since` (None: all)."""
    query = select(drops.c.reason, func.sum(drops.c.houses)).group_by(drops.c.reason).order_by(drops.c.reason)
    if since is not None:
        query = query.where(drops.c.recorded_at >= since)
    return {reason: int(count) for reason, count in connection.execute(query)}
