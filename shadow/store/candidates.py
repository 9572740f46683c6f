"""Candidates: the models that are scored in shadow, and how far each has come in each source."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from model_package.reference import ModelRef
from shadow.records import Candidate, CandidateState
from shadow.store.captures import seq_before
from shadow.store.database.tables import candidates, captures, cursors, deployments, sources


class CandidateConflict(ValueError):
    """The request contradicts the candidates that exist."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a candidate has come in one source, whose last capture has the number `last_seq`."""

    source_id: int
    start_seq: int
    seq: int
    last_seq: int

    @property
    def pending(self) -> int:
        """Captures that the candidate has not passed yet."""
        return self.last_seq - self.seq


def add(
    connection: Connection,
    model: ModelRef,
    sample: float,
    replay_from: datetime | None,
    now: datetime,
    policy: str | None = None,
) -> Candidate:
    """Begin to score `model`, from `replay_from` on (None: from now); raises CandidateConflict.

    The live model is no candidate: a model is not compared with itself. `policy` is the text of its policy
    (None: the default policy); raises InvalidPolicy.
    """
    _check_start(sample, replay_from, now)
    lock_deployments(connection)
    _check_addable(connection, model)
    policy_sha256 = None if policy is None else hash_of(policy)
    candidate = Candidate(0, model, sample, CandidateState.ACTIVE, replay_from, now, policy, policy_sha256)
    insert = candidates.insert().values(_values(candidate)).returning(candidates.c.id)
    candidate_id = connection.execute(insert).scalar_one()
    for source_id in connection.execute(select(sources.c.id)).scalars().all():
        _begin_cursor(connection, candidate_id, source_id, seq_before(connection, source_id, replay_from))
    return replace(candidate, id=candidate_id)


def _values(candidate: Candidate) -> dict[str, Any]:
    return {
        "name": candidate.model.name,
        "version": candidate.model.version,
        "sample": candidate.sample,
        "state": candidate.state.value,
        "replay_from": candidate.replay_from,
        "added_at": candidate.added_at,
        "policy": candidate.policy,
        "policy_sha256": candidate.policy_sha256,
    }


def _check_start(sample: float, replay_from: datetime | None, now: datetime) -> None:
    if not 0 < sample <= 1:
        raise CandidateConflict(f"a sample of {sample} is no share: expected more than 0 and at most 1")
    if replay_from is not None and replay_from > now:
        raise CandidateConflict(
            f"there is nothing to replay from {replay_from:%Y-%m-%d %H:%M} UTC: it lies ahead"
        )


def _check_addable(connection: Connection, model: ModelRef) -> None:
    if live(connection) == model:
        raise CandidateConflict(
            f"{model} is live: a model is not compared with itself; it becomes a candidate by itself as soon "
            "as another one is live"
        )
    if any(candidate.model == model for candidate in present(connection)):
        raise CandidateConflict(f"{model} is a candidate already; see `umbra candidates`")


def present(connection: Connection) -> list[Candidate]:
    """List the candidates that have not been removed, in the order they were added."""
    rows = connection.execute(
        select(candidates).where(candidates.c.state != CandidateState.REMOVED).order_by(candidates.c.id)
    )
    return [_candidate(row) for row in rows]


def lock_deployments(connection: Connection) -> None:
    """Make other decisions about the live model wait until this transaction ends; readers do not wait."""
    if connection.dialect.name == "postgresql":
        # New streams may refer to deployments (ROW SHARE) meanwhile. SQLite has one writer at a time.
        connection.exec_driver_sql("LOCK TABLE deployments IN SHARE ROW EXCLUSIVE MODE")


def live(connection: Connection) -> ModelRef | None:
    """Return the model of the newest deployment; None when there is none."""
    query = select(deployments.c.live_name, deployments.c.live_version)
    row = connection.execute(query.order_by(deployments.c.id.desc()).limit(1)).first()
    return None if row is None else ModelRef(*row)


def by_id(connection: Connection, candidate_id: int) -> Candidate | None:
    """Return a candidate, removed or not; None when the id is unknown."""
    row = connection.execute(select(candidates).where(candidates.c.id == candidate_id)).first()
    return None if row is None else _candidate(row)


def set_state(connection: Connection, model: ModelRef, state: CandidateState) -> None:
    """Pause, resume or remove the candidate `model`; raises CandidateConflict when there is none."""
    is_present = (
        (candidates.c.name == model.name)
        & (candidates.c.version == model.version)
        & (candidates.c.state != CandidateState.REMOVED)
    )
    if connection.execute(update(candidates).where(is_present).values(state=state.value)).rowcount == 0:
        raise CandidateConflict(f"{model} is not a candidate; `umbra candidates` lists them")


def cursors_of(connection: Connection, candidate: Candidate) -> list[Cursor]:
    """List the candidate's cursor in every source; a source added later begins at its first capture."""
    known = {
        row.source_id: row
        for row in connection.execute(select(cursors).where(cursors.c.candidate_id == candidate.id))
    }
    listed = []
    for source in connection.execute(select(sources).order_by(sources.c.id)):
        row = known.get(source.id)
        start, seq = (row.start_seq, row.seq) if row is not None else (0, 0)
        listed.append(Cursor(source.id, start, seq, source.last_seq))
    return listed


def move_cursor(connection: Connection, candidate: Candidate, cursor: Cursor, seq: int) -> bool:
    """Move the cursor to `seq` unless another process has moved it meanwhile; returns whether it moved."""
    is_cursor = (cursors.c.candidate_id == candidate.id) & (cursors.c.source_id == cursor.source_id)
    unmoved = is_cursor & (cursors.c.seq == cursor.seq)
    if connection.execute(update(cursors).where(unmoved).values(seq=seq)).rowcount == 1:
        return True
    if connection.execute(select(cursors.c.seq).where(is_cursor)).first() is not None:
        return False
    _begin_cursor(connection, candidate.id, cursor.source_id, cursor.start_seq, seq)
    return True


def lag(connection: Connection, candidate: Candidate, now: datetime) -> tuple[int, float]:
    """Return how many captures the candidate has yet to pass, and the age of the oldest in seconds (or 0)."""
    behind = [cursor for cursor in cursors_of(connection, candidate) if cursor.pending]
    # The next number may not exist: pruning leaves gaps.
    oldest = [
        connection.execute(
            select(captures.c.captured_at)
            .where(captures.c.source_id == cursor.source_id, captures.c.seq > cursor.seq)
            .order_by(captures.c.seq)
            .limit(1)
        ).scalar()
        for cursor in behind
    ]
    ages = [(now - moment).total_seconds() for moment in oldest if moment is not None]
    return sum(cursor.pending for cursor in behind), max([0.0, *ages])


def _begin_cursor(
    connection: Connection, candidate_id: int, source_id: int, start_seq: int, seq: int | None = None
) -> None:
    """Insert the candidate's cursor of one source, at `seq` (None: at `start_seq`)."""
    values = {
        "candidate_id": candidate_id,
        "source_id": source_id,
        "start_seq": start_seq,
        "seq": start_seq if seq is None else seq,
    }
    connection.execute(cursors.insert().values(values))


def _candidate(row: Row[tuple[object, ...]]) -> Candidate:
    return Candidate(
        id=row.id,
        model=ModelRef(row.name, row.version),
        sample=row.sample,
        state=CandidateState(row.state),
        replay_from=row.replay_from,
        added_at=row.added_at,
        policy=row.policy,
        policy_sha256=row.policy_sha256,
    )


def hash_of(policy: str | None) -> str:
    """Return the SHA-256 of a policy's text (None: the default policy's); raises InvalidPolicy."""
    # Imported when called: policies take memory that processes which only score do not need.
    from shadow.policy import Policy, default_text  # noqa: PLC0415

    return Policy.parse(default_text() if policy is None else policy).sha256
