"""Dossiers: a candidate's stream, its documents and the changes of its verdict, as pages show them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from model_package.reference import ModelRef
from shadow.store import streams
from shadow.store.database.tables import candidates, verdicts
from shadow.store.database.tables import streams as stored
from shadow.store.streams import Stream, snapshots
from shadow.store.streams.snapshots import Kind, Snapshot

_CHANGES = 50


@dataclass(frozen=True, slots=True)
class Change:
    """A moment at which a stream's verdict became another one, with the sold houses it knew by then."""

    state: str
    decided_at: datetime
    sold: int


@dataclass(frozen=True, slots=True)
class Dossier:
    """A stream, those of its documents that were asked for and exist, and its changes, newest first.

    `is_over`: nothing more is added, for its candidate was removed or another model is live.
    """

    stream: Stream
    documents: Mapping[str, Snapshot]
    changes: tuple[Change, ...] = ()
    is_over: bool = False


def current(connection: Connection, kinds: Collection[Kind], masked: Collection[str]) -> list[Dossier]:
    """Of every active candidate against the live model, in the order they were added."""
    found = streams.current(connection)
    kept = snapshots.read(connection, [stream.id for stream in found], masked, kinds)
    return [Dossier(stream, kept[stream.id]) for stream in found]


def newest(
    connection: Connection, candidate: ModelRef, kinds: Collection[Kind], masked: Collection[str]
) -> Dossier | None:
    """Of the newest stream in which `candidate` was scored, ended or not; None: there was never one."""
    query = (
        select(stored.c.id)
        .join(candidates, candidates.c.id == stored.c.candidate_id)
        .where(candidates.c.name == candidate.name, candidates.c.version == candidate.version)
        .order_by(stored.c.id.desc())
        .limit(1)
    )
    number = connection.execute(query).scalar()
    stream = None if number is None else streams.find(connection, number)
    if stream is None:
        return None
    documents = snapshots.read(connection, [stream.id], masked, kinds)[stream.id]
    return Dossier(stream, documents, _changes(connection, stream), streams.is_over(connection, stream))


def _changes(connection: Connection, stream: Stream) -> tuple[Change, ...]:
    query = (
        select(verdicts.c.state, verdicts.c.decided_at, verdicts.c.sold)
        .where(verdicts.c.stream_id == stream.id)
        .order_by(verdicts.c.id.desc())
        .limit(_CHANGES)
    )
    return tuple(Change(*row) for row in connection.execute(query))
