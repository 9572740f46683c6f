"""Snapshots: the newest document of each kind about a stream, as pages, command line and gauges show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, and_, delete, select

from shadow.store.tables import snapshots, streams

Kind = Literal["verdict", "comparison", "evidence", "drift"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A document and when it was made."""

    computed_at: datetime
    body: Mapping[str, Any]


def put(connection: Connection, stream_id: int, kind: Kind, snapshot: Snapshot) -> None:
    """Keep a document in place of the one before. Writers take turns: the stream's row is locked."""
    connection.execute(select(streams.c.id).where(streams.c.id == stream_id).with_for_update())
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
