"""The ledger (promise P3): every eligible house of a candidate in exactly one state.

Every number is counted from rows, never kept as a running total, so that a wrong cursor, a lost
observation or one written twice shows as a ledger that does not add up.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from shadow.records import Candidate, ObservationState
from shadow.store.candidates import Cursor, cursors_of
from shadow.store.tables import captures, drops, observations, sources


@dataclass(frozen=True, slots=True)
class Intake:
    """What came in over all sources: houses stored, and houses dropped by reason.

    `numbered` is how many captures the sources have numbered; it must equal `stored`.
    """

    numbered: int
    stored: int
    dropped: dict[str, int]

    @property
    def balances(self) -> bool:
        """Whether every number given out has its capture."""
        return self.numbered == self.stored


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

    @property
    def missing(self) -> int:
        """Houses in no state (positive) or in more than one (negative)."""
        settled = self.scored + self.sampled_out + sum(self.failed.values()) + sum(self.dropped.values())
        return self.eligible - settled - self.pending

    @property
    def balances(self) -> bool:
        """Whether every eligible house is in exactly one state."""
        return self.missing == 0


def intake(connection: Connection) -> Intake:
    """Count what came in."""
    numbered = connection.execute(select(func.coalesce(func.sum(sources.c.last_seq), 0))).scalar_one()
    stored = connection.execute(select(func.count()).select_from(captures)).scalar_one()
    return Intake(int(numbered), stored, _dropped(connection, None))


def account(connection: Connection, candidate: Candidate) -> Account:
    """Count one candidate's ledger."""
    places = cursors_of(connection, candidate)
    states = _observed(connection, candidate)
    dropped = _dropped(connection, candidate.replay_from or candidate.added_at)
    return Account(
        candidate=candidate,
        eligible=_captured(connection, places) + sum(dropped.values()),
        scored=states.pop((ObservationState.SCORED, None), 0),
        sampled_out=_sampled_out(connection, candidate, places),
        failed={str(reason): count for (_, reason), count in states.items()},
        dropped=dropped,
        pending=sum(place.pending for place in places),
    )


def _captured(connection: Connection, places: list[Cursor]) -> int:
    after_start = [_within(place, place.start_seq, None) for place in places]
    return _count(connection, after_start)


def _sampled_out(connection: Connection, candidate: Candidate, places: list[Cursor]) -> int:
    if candidate.sample == 1:
        return 0
    passed = [
        and_(_within(place, place.start_seq, place.seq), captures.c.sample_key >= candidate.sample)
        for place in places
    ]
    return _count(connection, passed)


def _within(place: Cursor, after: int, up_to: int | None) -> ColumnElement[bool]:
    here = and_(captures.c.source_id == place.source_id, captures.c.seq > after)
    return here if up_to is None else and_(here, captures.c.seq <= up_to)


def _count(connection: Connection, conditions: list[ColumnElement[bool]]) -> int:
    if not conditions:
        return 0
    return connection.execute(select(func.count()).select_from(captures).where(or_(*conditions))).scalar_one()


def _observed(connection: Connection, candidate: Candidate) -> dict[tuple[str, str | None], int]:
    rows = connection.execute(
        select(observations.c.state, observations.c.reason, func.count())
        .where(observations.c.candidate_id == candidate.id)
        .group_by(observations.c.state, observations.c.reason)
    )
    return {(state, reason): count for state, reason, count in rows}


def _dropped(connection: Connection, since: datetime | None) -> dict[str, int]:
    query = select(drops.c.reason, func.sum(drops.c.houses)).group_by(drops.c.reason).order_by(drops.c.reason)
    if since is not None:
        query = query.where(drops.c.recorded_at >= since)
    return {reason: int(houses) for reason, houses in connection.execute(query)}
