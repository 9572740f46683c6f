"""Captures: store them in batches, read them in the order of their source, look them up by id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Text, cast, func, select

from model_package.reference import ModelRef
from shadow.records import Capture, Observation, ObservationState, PendingCapture, Prediction, new_capture_ids
from shadow.store import outcomes
from shadow.store.database import bulk, dialects, partitions
from shadow.store.database.tables import candidates, captures, observations, sources
from shadow.store.sources import Source

_AT_ONCE = 1000
_MINUTE_SECONDS = 60


def sample_key(capture_id: UUID) -> float:
    """Compute the sample key of a capture, in [0, 1), from its id alone.

    A candidate with sample share s scores the captures below s, so smaller samples lie inside larger ones and
    candidates can be compared on the rows they share.
    """
    digest = blake2b(capture_id.bytes, digest_size=8).digest()
    return (int.from_bytes(digest) >> 11) * 2.0**-53


def insert(connection: Connection, source: Source, batch: Sequence[Capture]) -> int:
    """Store captures, numbered on from the source's last; returns the last number."""
    partitions.ensure(connection, (capture.id for capture in batch))
    rows = [_values(source, capture, seq) for seq, capture in enumerate(batch, source.last_seq + 1)]
    bulk.insert(connection, captures, rows)
    return source.last_seq + len(rows)


def _values(source: Source, capture: Capture, seq: int) -> dict[str, Any]:
    return {
        "id": capture.id,
        "source_id": source.id,
        "seq": seq,
        "captured_at": capture.captured_at,
        "request_id": capture.request_id,
        "row_index": capture.row_index,
        "live_name": capture.live.name,
        "live_version": capture.live.version,
        "prediction_dollars": capture.prediction_dollars,
        "inputs": capture.inputs,
        "sample_key": sample_key(capture.id),
        "entity_id": capture.entity_id,
    }


def split_new(connection: Connection, batch: Sequence[Capture]) -> tuple[list[Capture], list[Capture]]:
    """Return the captures that the store does not have yet, and those whose id belongs to another prediction.

    A capture that is stored already, or repeated in `batch`, is in neither. Inputs are not compared: they may
    have been erased since; nor is the request, which has another id when it was sent again.
    """
    stored = _stored(connection, [capture.id for capture in batch])
    fresh, contradicting = list[Capture](), list[Capture]()
    for capture in batch:
        prediction = capture.live.name, capture.live.version, capture.prediction_dollars, capture.row_index
        known = stored.setdefault(capture.id, prediction)
        if known is prediction:
            fresh.append(capture)
        elif known != prediction:
            contradicting.append(capture)
    return fresh, contradicting


def _stored(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, tuple[str, str, float, int]]:
    """Return model name, version, dollars and row index of those of these captures that are stored."""
    columns = (
        captures.c.id,
        captures.c.live_name,
        captures.c.live_version,
        captures.c.prediction_dollars,
        captures.c.row_index,
    )
    stored = dict[UUID, tuple[str, str, float, int]]()
    for chunk in _chunks(ids):
        rows = connection.execute(select(*columns).where(captures.c.id.in_(chunk)))
        stored |= {row.id: tuple(row[1:]) for row in rows}
    return stored


def _chunks(ids: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    for start in range(0, len(ids), _AT_ONCE):
        yield ids[start : start + _AT_ONCE]


def pending(
    connection: Connection, source_id: int, after_seq: int, up_to_seq: int, share: float
) -> list[PendingCapture]:
    """Return the sampled captures of a source with after_seq < seq <= up_to_seq, in order."""
    rows = connection.execute(
        select(
            captures.c.id,
            captures.c.seq,
            captures.c.request_id,
            captures.c.live_name,
            captures.c.live_version,
            captures.c.prediction_dollars,
            cast(captures.c.inputs, Text).label("inputs"),
        )
        .where(
            captures.c.source_id == source_id,
            captures.c.seq > after_seq,
            captures.c.seq <= up_to_seq,
            captures.c.sample_key < share,
        )
        .order_by(captures.c.seq)
    )
    return [
        PendingCapture(capture_id, seq, request_id, f"{name}@{version}", dollars, inputs)
        for capture_id, seq, request_id, name, version, dollars, inputs in rows
    ]


def seq_before(connection: Connection, source_id: int, moment: datetime | None) -> int:
    """Return the number of the last capture before `moment` (None: the last of all) in a source."""
    if moment is not None:
        first = connection.execute(
            select(func.min(captures.c.seq)).where(
                captures.c.source_id == source_id, captures.c.captured_at >= moment
            )
        ).scalar()
        if first is not None:
            return int(first) - 1
    return int(connection.execute(select(sources.c.last_seq).where(sources.c.id == source_id)).scalar_one())


def prediction(connection: Connection, capture_id: UUID) -> Prediction | None:
    """Return a capture with all its observations and outcomes; None when the store does not have it."""
    row = connection.execute(select(captures).where(captures.c.id == capture_id)).first()
    if row is None:
        return None
    observed = connection.execute(
        select(observations, candidates.c.name, candidates.c.version)
        .join(candidates, candidates.c.id == observations.c.candidate_id)
        .where(observations.c.capture_id == capture_id)
        .order_by(observations.c.candidate_id)
    )
    reported = outcomes.history(connection, [capture_id]).get(capture_id, [])
    return Prediction(_capture(row), tuple(map(_observation, observed)), tuple(reversed(reported)))


def request_ids(connection: Connection, capture_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return the request id of those of these captures that are stored."""
    requests: dict[UUID, str] = {}
    for chunk in _chunks(capture_ids):
        query = select(captures.c.id, captures.c.request_id).where(captures.c.id.in_(chunk))
        requests |= {row.id: row.request_id for row in connection.execute(query)}
    return requests


def _capture(row: Row[tuple[object, ...]]) -> Capture:
    return Capture(
        id=row.id,
        captured_at=row.captured_at,
        request_id=row.request_id,
        row_index=row.row_index,
        live=ModelRef(row.live_name, row.live_version),
        prediction_dollars=row.prediction_dollars,
        inputs=row.inputs,
        entity_id=row.entity_id,
    )


def _observation(row: Row[tuple[object, ...]]) -> Observation:
    return Observation(
        capture_id=row.capture_id,
        candidate=ModelRef(row.name, row.version),
        state=ObservationState(row.state),
        prediction_dollars=row.prediction_dollars,
        reason=row.reason,
        latency_seconds=row.latency_seconds,
        observed_at=row.observed_at,
    )


def arrivals_by_minute(connection: Connection, now: datetime, minutes: int) -> list[tuple[datetime, int]]:
    """Count the captures of each of the last minutes, oldest first; the current minute is the last.

    Ids carry the time, so that only these captures are read, however many came before.
    """
    last = now.replace(second=0, microsecond=0)
    first = last - timedelta(minutes=minutes - 1)
    (lowest_id,) = new_capture_ids(1, int(first.timestamp() * 1000), 0)
    minute = dialects.day_of(captures.c.id, _MINUTE_SECONDS)
    query = select(minute, func.count()).where(captures.c.id >= lowest_id).group_by(minute)
    counts = {int(number): count for number, count in connection.execute(query)}
    moments = [first + timedelta(minutes=step) for step in range(minutes)]
    return [(moment, counts.get(int(moment.timestamp()) // _MINUTE_SECONDS, 0)) for moment in moments]
