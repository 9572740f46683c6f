"""The ledger (promise P3): every eligible house of a candidate in exactly one state.

Every number is counted from rows, never kept as a running total, so that a wrong cursor, a lost
observation or one written twice shows as a ledger that does not add up.
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
    """What came in over all sources: houses stored, and houses dropped by reason.

    `numbered` is how many captures the sources have numbered; each must be `stored` or `pruned`.
    """

    numbered: int
    stored: int
    dropped: dict[str, int]
    pruned: int = 0

    @property
    def balances(self) -> bool:
        """Whether every number given out has its capture, or had it until that was pruned."""
        return self.numbered == self.stored + self.pruned


@dataclass(frozen=True, slots=True)
class Account:
    """One candidate's ledger. `eligible` counts answered houses since it was added, dropped ones too."""

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
        """Houses in no state (positive) or in more than one (negative)."""
        return self.eligible - sum(self.by_state().values())

    @property
    def balances(self) -> bool:
        """Whether every eligible house is in exactly one state."""
        return self.missing == 0


def intake(connection: Connection) -> Intake:
    """Count what came in."""
    totals = select(*(func.coalesce(func.sum(one), 0) for one in (sources.c.last_seq, sources.c.pruned)))
    numbered, pruned = connection.execute(totals).one()
    stored = select(func.count()).select_from(_rows(connection, captures))
    return Intake(
        int(numbered), connection.execute(stored).scalar_one(), _dropped(connection, None), int(pruned)
    )


def account(connection: Connection, candidate: Candidate) -> Account:
    """Count one candidate's ledger."""
    houses = _rows(connection, captures)
    places = cursors_of(connection, candidate)
    states = _observed(connection, candidate)
    dropped = _dropped(connection, candidate.replay_from or candidate.added_at)
    captured = [_within(houses, place, place.start_seq, None) for place in places]
    return Account(
        candidate=candidate,
        eligible=_count(connection, houses, captured) + sum(dropped.values()),
        scored=states.pop((ObservationState.SCORED, None), 0),
        sampled_out=_sampled_out(connection, houses, candidate, places),
        failed={str(reason): count for (_, reason), count in states.items()},
        dropped=dropped,
        pending=_pending(connection, houses, places),
    )


def _rows(connection: Connection, table: Table) -> FromClause:
    """The table with what a prune has taken off it and not dropped yet."""
    taken_off = [one.name for one in partitions.detached(connection) if one.table == table.name]
    if not taken_off:
        return table
    tables = [table, *(table.to_metadata(MetaData(), name=name) for name in taken_off)]
    return union_all(*(select(*one.c) for one in tables)).subquery()


def _sampled_out(
    connection: Connection, houses: FromClause, candidate: Candidate, places: list[Cursor]
) -> int:
    if candidate.sample == 1:
        return 0
    passed = [
        and_(_within(houses, place, place.start_seq, place.seq), houses.c.sample_key >= candidate.sample)
        for place in places
    ]
    return _count(connection, houses, passed)


def _pending(connection: Connection, houses: FromClause, places: list[Cursor]) -> int:
    """Captures beyond the cursors, counted from rows too: what was pruned leaves gaps in the numbers.

    A cursor that is ahead of its source counts below zero.
    """
    ahead = sum(min(0, place.pending) for place in places)
    return ahead + _count(
        connection, houses, [_within(houses, place, place.seq, None) for place in places if place.pending > 0]
    )


def _within(houses: FromClause, place: Cursor, after: int, up_to: int | None) -> ColumnElement[bool]:
    here = and_(houses.c.source_id == place.source_id, houses.c.seq > after)
    return here if up_to is None else and_(here, houses.c.seq <= up_to)


def _count(connection: Connection, houses: FromClause, conditions: list[ColumnElement[bool]]) -> int:
    if not conditions:
        return 0
    return connection.execute(select(func.count()).select_from(houses).where(or_(*conditions))).scalar_one()


def _observed(connection: Connection, candidate: Candidate) -> dict[tuple[str, str | None], int]:
    answers = _rows(connection, observations)
    rows = connection.execute(
        select(answers.c.state, answers.c.reason, func.count())
        .where(answers.c.candidate_id == candidate.id)
        .group_by(answers.c.state, answers.c.reason)
    )
    return {(state, reason): count for state, reason, count in rows}


def _dropped(connection: Connection, since: datetime | None) -> dict[str, int]:
    query = select(drops.c.reason, func.sum(drops.c.houses)).group_by(drops.c.reason).order_by(drops.c.reason)
    if since is not None:
        query = query.where(drops.c.recorded_at >= since)
    return {reason: int(houses) for reason, houses in connection.execute(query)}
