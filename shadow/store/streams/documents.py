"""Documents: the newest document of each kind about a stream, as pages, command line and gauges show it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, delete, select, update

from model_package.reference import ModelRef
from shadow.store.database.tables import candidates, snapshots, verdicts
from shadow.store.database.tables import streams as stream_table
from shadow.store.streams import excerpts, streams
from shadow.store.streams.streams import Stream
from shadow.store.streams.verdicts import lock_writes

DocumentKind = Literal["verdict", "comparison", "evidence", "drift"]
_CHANGES = 50


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document and the moment at which it was computed."""

    computed_at: datetime
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class VerdictChange:
    """A moment at which a stream's verdict changed to `state`, and the known outcomes it was based on."""

    state: str
    decided_at: datetime
    sold: int


@dataclass(frozen=True, slots=True)
class StreamDocuments:
    """A stream with its documents by kind, and the changes of its verdict, newest first.

    Of the documents only the kinds that were read, and of these the ones that exist. `is_over`: nothing more
    is added, for the candidate was removed or another model is live. `changes` and `is_over` are filled in
    by `of_newest_stream` alone.
    """

    stream: Stream
    documents: Mapping[str, StoredDocument]
    changes: tuple[VerdictChange, ...] = ()
    is_over: bool = False


def put(
    connection: Connection,
    stream_id: int,
    kind: DocumentKind,
    document: StoredDocument,
    bound: UUID | None = None,
) -> None:
    """Replace the document of this kind; writers about one stream wait for each other.

    Rows whose ids are below `bound`, which a prune has removed since the document was computed, are left out.
    """
    lock_writes(connection, stream_id)
    body = dict(document.body)
    if bound is not None:
        body, _ = excerpts.without_rows_below(body, bound)
    connection.execute(delete(snapshots).where(_is_document(stream_id, kind)))
    values = {"stream_id": stream_id, "kind": kind, "computed_at": document.computed_at, "body": body}
    connection.execute(snapshots.insert().values(values))


def get(
    connection: Connection, stream_id: int, kind: DocumentKind, masked: Collection[str] = ()
) -> StoredDocument | None:
    """Return the newest document without masked fields, or None when there is none yet."""
    return read(connection, [stream_id], masked, [kind])[stream_id].get(kind)


def read(
    connection: Connection,
    stream_ids: Collection[int],
    masked: Collection[str],
    kinds: Collection[DocumentKind] | None = None,
) -> dict[int, dict[str, StoredDocument]]:
    """Return the documents of each stream by kind (None: every kind), without masked fields.

    Every reader of documents goes through here, also for streams that have ended.
    """
    documents: dict[int, dict[str, StoredDocument]] = {stream_id: {} for stream_id in stream_ids}
    query = select(snapshots).where(snapshots.c.stream_id.in_(documents))
    if kinds is not None:  # a comparison is large, and reading one takes time
        query = query.where(snapshots.c.kind.in_(kinds))
    for row in connection.execute(query):
        body = excerpts.without_masked(row.body, masked)
        documents[row.stream_id][row.kind] = StoredDocument(row.computed_at, body)
    return documents


def of_open_streams(connection: Connection, masked: Collection[str]) -> list[StreamDocuments]:
    """Return every document of the streams that have not ended, in the order in which these began."""
    return _with_documents(connection, streams.not_ended(connection), masked, None)


def of_current_streams(
    connection: Connection, kinds: Collection[DocumentKind], masked: Collection[str]
) -> list[StreamDocuments]:
    """Return the documents of every active candidate against the live model, oldest candidate first."""
    return _with_documents(connection, streams.current(connection), masked, kinds)


def of_newest_stream(
    connection: Connection, candidate: ModelRef, kinds: Collection[DocumentKind], masked: Collection[str]
) -> StreamDocuments | None:
    """Return the newest stream in which `candidate` was scored, ended or not; None when there is none."""
    query = (
        select(stream_table.c.id)
        .join(candidates, candidates.c.id == stream_table.c.candidate_id)
        .where(candidates.c.name == candidate.name, candidates.c.version == candidate.version)
        .order_by(stream_table.c.id.desc())
        .limit(1)
    )
    stream_id = connection.execute(query).scalar()
    stream = None if stream_id is None else streams.find(connection, stream_id)
    if stream is None:
        return None
    documents = read(connection, [stream.id], masked, kinds)[stream.id]
    is_over = streams.is_over(connection, stream)
    return StreamDocuments(stream, documents, _changes(connection, stream), is_over)


def count_rows_below(connection: Connection, bound: UUID) -> int:
    """Count the rows with ids below `bound` that documents quote."""
    bodies = connection.execute(select(snapshots.c.body)).scalars()
    return sum(excerpts.without_rows_below(body, bound)[1] for body in bodies)


def remove_rows_below(connection: Connection, bound: UUID) -> int:
    """Remove rows with ids below `bound` from every document; returns how many were removed."""
    ids = select(snapshots.c.stream_id).distinct().order_by(snapshots.c.stream_id)
    return sum(
        _remove_rows_below(connection, stream_id, bound)
        for stream_id in connection.execute(ids).scalars().all()
    )


def _remove_rows_below(connection: Connection, stream_id: int, bound: UUID) -> int:
    """Remove old rows from the documents of one stream; returns how many."""
    lock_writes(connection, stream_id)
    removed = 0
    for row in connection.execute(select(snapshots).where(snapshots.c.stream_id == stream_id)).all():
        body, count = excerpts.without_rows_below(row.body, bound)
        if count:
            document = _is_document(stream_id, row.kind)
            connection.execute(update(snapshots).where(document).values(body=body))
            removed += count
    return removed


def _with_documents(
    connection: Connection,
    listed: list[Stream],
    masked: Collection[str],
    kinds: Collection[DocumentKind] | None,
) -> list[StreamDocuments]:
    documents = read(connection, [stream.id for stream in listed], masked, kinds)
    return [StreamDocuments(stream, documents[stream.id]) for stream in listed]


def _is_document(stream_id: int, kind: DocumentKind) -> ColumnElement[bool]:
    return and_(snapshots.c.stream_id == stream_id, snapshots.c.kind == kind)


def _changes(connection: Connection, stream: Stream) -> tuple[VerdictChange, ...]:
    """Read the newest changes of a stream's verdict."""
    query = (
        select(verdicts.c.state, verdicts.c.decided_at, verdicts.c.sold)
        .where(verdicts.c.stream_id == stream.id)
        .order_by(verdicts.c.id.desc())
        .limit(_CHANGES)
    )
    return tuple(VerdictChange(*row) for row in connection.execute(query))
