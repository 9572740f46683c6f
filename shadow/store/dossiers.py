"""Dossiers: a candidate's stream, its documents and the changes of its verdict, as pages show them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from shadow.records import ModelRef
from shadow.store import streams
from shadow.store.snapshots import Kind, Snapshot
from shadow.store.streams import Stream
from shadow.store.tables import candidates, snapshots, verdicts
from shadow.store.tables import streams as stored

_CHANGES = 50


@dataclass(frozen=True, slots=True)
class Change:
    """A moment at which a stream's verdict became another one, with the sold houses it knew by then."""

    state: str
    decided_at: datetime
    sold: int


@dataclass(frozen=True, slots=True)
class Dossier:
    """A stream, those of its documents that were asked for and exist, and its changes, newest first."""

    stream: Stream
    documents: Mapping[str, Snapshot]
    changes: tuple[Change, ...] = ()


def current(connection: Connection, kinds: Collection[Kind]) -> list[Dossier]:
    """Of every active candidate against the live model, in the order they were added."""
    found = streams.current(connection)
    kept = _documents(connection, [stream.id for stream in found], kinds)
    return [Dossier(stream, kept[stream.id]) for stream in found]


def newest(connection: Connection, candidate: ModelRef, kinds: Collection[Kind]) -> Dossier | None:
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
    documents = _documents(connection, [stream.id], kinds)[stream.id]
    return Dossier(stream, documents, _changes(connection, stream))


def _documents(
    connection: Connection, ids: Collection[int], kinds: Collection[Kind]
) -> dict[int, dict[str, Snapshot]]:
    """Only the kinds that are needed: a comparison is large, and reading one takes time."""
    kept: dict[int, dict[str, Snapshot]] = {number: {} for number in ids}
    query = select(snapshots).where(snapshots.c.stream_id.in_(ids), snapshots.c.kind.in_(kinds))
    for row in connection.execute(query):
        kept[row.stream_id][row.kind] = Snapshot(row.computed_at, row.body)
    return kept


def _changes(connection: Connection, stream: Stream) -> tuple[Change, ...]:
    query = (
        select(verdicts.c.state, verdicts.c.decided_at, verdicts.c.sold)
        .where(verdicts.c.stream_id == stream.id)
        .order_by(verdicts.c.id.desc())
        .limit(_CHANGES)
    )
    return tuple(Change(*row) for row in connection.execute(query))
