"""Snapshots: the newest document of each kind about a stream, as pages, command line and gauges show it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, and_, delete, select, update

from shadow.records import CandidateState
from shadow.store.database.tables import candidates, snapshots, streams
from shadow.store.streams import excerpts
from shadow.store.streams.verdicts import take_turn

Kind = Literal["verdict", "comparison", "evidence", "drift"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A document and when it was made."""

    computed_at: datetime
    body: Mapping[str, Any]


def put(
    connection: Connection, stream_id: int, kind: Kind, snapshot: Snapshot, bound: UUID | None = None
) -> None:
    """Keep a document in place of the one before; writers take turns.

    Rows whose ids are below `bound`, which a prune has removed since the document was made, are left out.
    """
    take_turn(connection, stream_id)
    body = dict(snapshot.body) if bound is None else excerpts.aged(snapshot.body, bound)[0]
    connection.execute(delete(snapshots).where(_this(stream_id, kind)))
    connection.execute(
        snapshots.insert().values(stream_id=stream_id, kind=kind, computed_at=snapshot.computed_at, body=body)
    )


def get(connection: Connection, stream_id: int, kind: Kind, masked: Collection[str] = ()) -> Snapshot | None:
    """The newest document without masked fields, or None when there is none yet."""
    return read(connection, [stream_id], masked, [kind])[stream_id].get(kind)


def read(
    connection: Connection,
    stream_ids: Collection[int],
    masked: Collection[str],
    kinds: Collection[Kind] | None = None,
) -> dict[int, dict[str, Snapshot]]:
    """The documents of each stream by kind (None: every kind), without masked fields.

    Everything that is shown of documents passes through here, those of streams that have ended included.
    """
    documents: dict[int, dict[str, Snapshot]] = {number: {} for number in stream_ids}
    query = select(snapshots).where(snapshots.c.stream_id.in_(documents))
    if kinds is not None:  # a comparison is large, and reading one takes time
        query = query.where(snapshots.c.kind.in_(kinds))
    for row in connection.execute(query):
        body = excerpts.unmasked(row.body, masked)
        documents[row.stream_id][row.kind] = Snapshot(row.computed_at, body)
    return documents


def excerpts_below(connection: Connection, bound: UUID) -> int:
    """How many rows with ids below `bound` documents quote."""
    bodies = connection.execute(select(snapshots.c.body)).scalars()
    return sum(excerpts.aged(body, bound)[1] for body in bodies)


def forget(connection: Connection, bound: UUID) -> int:
    """Leave rows with ids below `bound` out of every document; returns how many these were."""
    gone = 0
    for stream_id in (
        connection.execute(select(snapshots.c.stream_id).distinct().order_by(snapshots.c.stream_id))
        .scalars()
        .all()
    ):
        take_turn(connection, stream_id)
        of_stream = select(snapshots).where(snapshots.c.stream_id == stream_id)
        for row in connection.execute(of_stream).all():
            body, rows = excerpts.aged(row.body, bound)
            if rows:
                connection.execute(update(snapshots).where(_this(stream_id, row.kind)).values(body=body))
                gone += rows
    return gone


def _this(stream_id: int, kind: Kind) -> Any:
    return and_(snapshots.c.stream_id == stream_id, snapshots.c.kind == kind)


@dataclass(frozen=True, slots=True)
class Current:
    """The documents about a stream that has not ended, by kind; `candidate` and `live` as NAME@VERSION."""

    stream_id: int
    candidate: str
    live: str
    documents: Mapping[str, Snapshot]


def current(connection: Connection, masked: Collection[str]) -> list[Current]:
    """The streams that go on, in the order they began, with the documents there are; see `read`."""
    rows = connection.execute(
        select(
            streams.c.id, candidates.c.name, candidates.c.version, streams.c.live_name, streams.c.live_version
        )
        .join(candidates, candidates.c.id == streams.c.candidate_id)
        .where(streams.c.ended_at.is_(None), candidates.c.state != CandidateState.REMOVED.value)
        .order_by(streams.c.id)
    ).all()
    documents = read(connection, [row.id for row in rows], masked)
    return [
        Current(row.id, f"{row.name}@{row.version}", f"{row.live_name}@{row.live_version}", documents[row.id])
        for row in rows
    ]
