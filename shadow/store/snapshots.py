"""Snapshots: the newest document of each kind about a stream, as pages, command line and gauges show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, and_, delete, select

from shadow.records import CandidateState
from shadow.store.tables import candidates, snapshots, streams
from shadow.store.verdicts import take_turn

Kind = Literal["verdict", "comparison", "evidence", "drift"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A document and when it was made."""

    computed_at: datetime
    body: Mapping[str, Any]


def put(connection: Connection, stream_id: int, kind: Kind, snapshot: Snapshot) -> None:
    """Keep a document in place of the one before; writers take turns."""
    take_turn(connection, stream_id)
    connection.execute(delete(snapshots).where(_this(stream_id, kind)))
    connection.execute(
        snapshots.insert().values(
            stream_id=stream_id, kind=kind, computed_at=snapshot.computed_at, body=dict(snapshot.body)
        )
    )


def get(connection: Connection, stream_id: int, kind: Kind) -> Snapshot | None:
    """The newest document, or None when there is none yet."""
    row = connection.execute(select(snapshots).where(_this(stream_id, kind))).first()
    return None if row is None else Snapshot(row.computed_at, row.body)


def _this(stream_id: int, kind: Kind) -> Any:
    return and_(snapshots.c.stream_id == stream_id, snapshots.c.kind == kind)


@dataclass(frozen=True, slots=True)
class Current:
    """The documents about a stream that has not ended, by kind; `candidate` and `live` as NAME@VERSION."""

    stream_id: int
    candidate: str
    live: str
    documents: Mapping[str, Snapshot]


def current(connection: Connection) -> list[Current]:
    """The streams that go on, in the order they began, with the documents there are."""
    rows = connection.execute(
        select(
            streams.c.id, candidates.c.name, candidates.c.version, streams.c.live_name, streams.c.live_version
        )
        .join(candidates, candidates.c.id == streams.c.candidate_id)
        .where(streams.c.ended_at.is_(None), candidates.c.state != CandidateState.REMOVED.value)
        .order_by(streams.c.id)
    ).all()
    kept: dict[int, dict[str, Snapshot]] = {row.id: {} for row in rows}
    for one in connection.execute(select(snapshots).where(snapshots.c.stream_id.in_(kept))):
        kept[one.stream_id][one.kind] = Snapshot(one.computed_at, one.body)
    return [
        Current(row.id, f"{row.name}@{row.version}", f"{row.live_name}@{row.live_version}", kept[row.id])
        for row in rows
    ]
