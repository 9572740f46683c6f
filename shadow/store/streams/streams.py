"""Streams: one candidate against one deployment under one frozen policy; evidence belongs to a stream.

Another deployment, another policy or a candidate added again begins another stream, without evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select, update

from model_package.reference import ModelRef
from shadow.records import CandidateState, Deployment
from shadow.store.database.dialects import insert_if_absent
from shadow.store.database.tables import candidates, deployments, streams


class NotJudged(ValueError):
    """There is no evidence about a model, because it is no candidate, or was none at the time."""

    safe_to_log = True


@dataclass(frozen=True, slots=True)
class StreamTerms:
    """The terms fixed before any evidence: the two models, the policy, and how strictly it is applied.

    `policy` is the file's text. `margin` is in log units; `alpha` the share of worse candidates that may be
    promoted; `number` counts the candidates against this live artifact from 1, and alpha depends on it.
    """

    deployment_id: int
    candidate_id: int
    live: ModelRef
    live_digest: str
    candidate_digest: str
    schema_digest: str
    policy: str
    policy_sha256: str
    day_seconds: int
    margin: float
    alpha: float
    number: int

    @property
    def key(self) -> str:
        """A key that is equal only for streams in which nothing differs that evidence depends on."""
        identity = (
            self.live_digest,
            self.candidate_digest,
            self.schema_digest,
            self.policy_sha256,
            str(self.deployment_id),
            str(self.candidate_id),
        )
        return sha256("\n".join(identity).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Stream:
    """A stored stream. It holds captures answered from `started_at` until `ended_at` (None: it goes on)."""

    id: int
    terms: StreamTerms
    candidate: ModelRef
    started_at: datetime
    ended_at: datetime | None


def next_number(connection: Connection, live_digest: str) -> int:
    """Return the number of the next candidate against this live artifact, from 1.

    Until the transaction ends nobody else can open a stream: two never get the same number.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("LOCK TABLE streams IN SHARE ROW EXCLUSIVE MODE")
    before = select(func.count()).select_from(streams).where(streams.c.live_digest == live_digest)
    return int(connection.execute(before).scalar_one()) + 1


def open_stream(connection: Connection, terms: StreamTerms, now: datetime) -> Stream:
    """Begin a stream at `now`; returns the existing one when there is one with the same key."""
    values = {
        "key": terms.key,
        "live_name": terms.live.name,
        "live_version": terms.live.version,
        "started_at": now,
        **{name: getattr(terms, name) for name in _SAME_NAME},
    }
    insert_if_absent(connection, streams, values)
    return _stream(connection.execute(_joined().where(streams.c.key == terms.key)).one())


def find(connection: Connection, stream_id: int) -> Stream | None:
    """Return a stream, ended or not; None when the id is unknown."""
    row = connection.execute(_joined().where(streams.c.id == stream_id)).first()
    return None if row is None else _stream(row)


def current(connection: Connection) -> list[Stream]:
    """Return the streams of active candidates against the newest deployment, oldest candidate first."""
    newest = select(func.max(deployments.c.id)).scalar_subquery()
    query = _joined().where(
        streams.c.deployment_id == newest,
        streams.c.ended_at.is_(None),
        candidates.c.state == CandidateState.ACTIVE.value,
    )
    return [_stream(row) for row in connection.execute(query.order_by(streams.c.candidate_id))]


def not_ended(connection: Connection) -> list[Stream]:
    """Return the streams that nobody has ended, of candidates that were not removed, oldest first."""
    query = _joined().where(streams.c.ended_at.is_(None), candidates.c.state != CandidateState.REMOVED.value)
    return [_stream(row) for row in connection.execute(query.order_by(streams.c.id))]


def of_candidate(connection: Connection, candidate_id: int) -> list[Stream]:
    """Return every stream of a candidate, newest first."""
    query = _joined().where(streams.c.candidate_id == candidate_id).order_by(streams.c.id.desc())
    return [_stream(row) for row in connection.execute(query)]


def live_digest(connection: Connection, deployment_id: int) -> str | None:
    """Return the digest of the live artifact in a deployment's streams; None when it has none."""
    query = select(streams.c.live_digest).where(streams.c.deployment_id == deployment_id)
    digest: str | None = connection.execute(query.order_by(streams.c.id).limit(1)).scalar()
    return digest


def of_model(connection: Connection, model: ModelRef, moment: datetime) -> Stream | None:
    """Return the stream in which `model` was the candidate at a moment; None when there is none."""
    lasted = (streams.c.started_at <= moment) & (streams.c.ended_at.is_(None) | (streams.c.ended_at > moment))
    is_model = (candidates.c.name == model.name) & (candidates.c.version == model.version)
    query = _joined().where(lasted, is_model).order_by(streams.c.id.desc()).limit(1)
    row = connection.execute(query).first()
    return None if row is None else _stream(row)


def end_older(connection: Connection, deployment: Deployment) -> int:
    """End the streams of earlier deployments when this one begins; returns how many were ended."""
    older = (streams.c.deployment_id < deployment.id) & streams.c.ended_at.is_(None)
    return connection.execute(update(streams).where(older).values(ended_at=deployment.since)).rowcount


def is_over(connection: Connection, stream: Stream) -> bool:
    """Return whether nothing more is added: the candidate was removed, or another model is live.

    A stream that nobody has ended yet may be over all the same.
    """
    newest = connection.execute(select(func.max(deployments.c.id))).scalar()
    state = select(candidates.c.state).where(candidates.c.id == stream.terms.candidate_id)
    is_removed = connection.execute(state).scalar() == CandidateState.REMOVED.value
    return is_removed or stream.ended_at is not None or newest != stream.terms.deployment_id


def lock(connection: Connection, stream: Stream) -> None:
    """Lock the stream's evidence until this transaction ends.

    SQLite has one writer at a time, and knows no FOR UPDATE.
    """
    connection.execute(select(streams.c.id).where(streams.c.id == stream.id).with_for_update(key_share=True))


_SAME_NAME = (
    "deployment_id",
    "candidate_id",
    "live_digest",
    "candidate_digest",
    "schema_digest",
    "policy",
    "policy_sha256",
    "day_seconds",
    "margin",
    "alpha",
    "number",
)


def _joined() -> Select[Any]:
    """Select streams with the name and version of their candidate."""
    candidate = candidates.c.name.label("candidate_name"), candidates.c.version.label("candidate_version")
    return select(streams, *candidate).join(candidates, candidates.c.id == streams.c.candidate_id)


def _stream(row: Row[Any]) -> Stream:
    terms = StreamTerms(
        live=ModelRef(row.live_name, row.live_version), **{name: getattr(row, name) for name in _SAME_NAME}
    )
    candidate = ModelRef(row.candidate_name, row.candidate_version)
    return Stream(row.id, terms, candidate, row.started_at, row.ended_at)
