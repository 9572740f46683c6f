"""Captures: stored in batches, read in the order of their source, looked up one by one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
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
    """Place a capture in [0, 1) by its id alone, before the outcome of anything.

    A candidate with sample share s sees the captures below s, so smaller samples lie inside larger
    ones and candidates can be compared on the rows they share.
    """
    digest = blake2b(capture_id.bytes, digest_size=8).digest()
    return (int.from_bytes(digest) >> 11) * 2.0**-53


def insert(connection: Connection, source: Source, rows: Sequence[Capture]) -> int:
    """Store captures, numbered on from the source's last; returns the last number."""
    partitions.ensure(connection, (row.id for row in rows))
    bulk.insert(
        connection,
        captures,
        [
            {
                "id": row.id,
                "source_id": source.id,
                "seq": seq,
                "captured_at": row.captured_at,
                "request_id": row.request_id,
                "row_index": row.row_index,
                "live_name": row.live.name,
                "live_version": row.live.version,
                "prediction_dollars": row.prediction_dollars,
                "inputs": row.inputs,
                "sample_key": sample_key(row.id),
                "entity_id": row.entity_id,
            }
            for seq, row in enumerate(rows, source.last_seq + 1)
        ],
    )
    return source.last_seq + len(rows)


def sort_out(connection: Connection, rows: Sequence[Capture]) -> tuple[list[Capture], list[Capture]]:
    """The captures that the store does not have yet, and those whose id belongs to another answer.

    What is stored already, or comes twice in `rows`, is in neither. Inputs are not compared: they may have
    been erased since; nor is the request, which has another id when it was sent again.
    """
    known = _answers(connection, [row.id for row in rows])
    fresh, contradicting = list[Capture](), list[Capture]()
    for row in rows:
        answer = row.live.name, row.live.version, row.prediction_dollars, row.row_index
        stored = known.setdefault(row.id, answer)
        if stored is answer:
            fresh.append(row)
        elif stored != answer:
            contradicting.append(row)
    return fresh, contradicting


def _answers(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, tuple[str, str, float, int]]:
    found = dict[UUID, tuple[str, str, float, int]]()
    for start in range(0, len(ids), _AT_ONCE):
        rows = connection.execute(
            select(
                captures.c.id,
                captures.c.live_name,
                captures.c.live_version,
                captures.c.prediction_dollars,
                captures.c.row_index,
            ).where(captures.c.id.in_(ids[start : start + _AT_ONCE]))
        )
        found |= {row.id: tuple(row[1:]) for row in rows}
    return found


def pending(
    connection: Connection, source_id: int, after_seq: int, up_to_seq: int, share: float
) -> list[PendingCapture]:
    """The sampled captures of a source with after_seq < seq <= up_to_seq, in order."""
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
        PendingCapture(number, seq, request_id, f"{name}@{version}", dollars, inputs)
        for number, seq, request_id, name, version, dollars, inputs in rows
    ]


def seq_before(connection: Connection, source_id: int, moment: datetime | None) -> int:
    """The number of the last capture before `moment` (None: the last of all) in a source."""
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
    """One capture with all its observations and outcomes, or None."""
    found = connection.execute(select(captures).where(captures.c.id == capture_id)).first()
    if found is None:
        return None
    seen = connection.execute(
        select(observations, candidates.c.name, candidates.c.version)
        .join(candidates, candidates.c.id == observations.c.candidate_id)
        .where(observations.c.capture_id == capture_id)
        .order_by(observations.c.candidate_id)
    )
    reported = outcomes.history(connection, [capture_id]).get(capture_id, [])
    return Prediction(_capture(found), tuple(map(_observation, seen)), tuple(reversed(reported)))


def request_ids(connection: Connection, names: Sequence[UUID]) -> dict[UUID, str]:
    """The request in which each of these houses was asked about, of those that the store has."""
    found: dict[UUID, str] = {}
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        query = select(captures.c.id, captures.c.request_id).where(captures.c.id.in_(some))
        found |= {row.id: row.request_id for row in connection.execute(query)}
    return found


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
    """Houses answered in each of the last whole minutes and the one that goes on, the oldest first.

    Their ids carry the time, so that only they are read, however many came before.
    """
    last = now.replace(second=0, microsecond=0)
    first = last - timedelta(minutes=minutes - 1)
    (least,) = new_capture_ids(1, int(first.timestamp() * 1000), 0)
    minute = dialects.day_of(captures.c.id, _MINUTE_SECONDS)
    query = select(minute, func.count()).where(captures.c.id >= least).group_by(minute)
    counts = {int(number): houses for number, houses in connection.execute(query)}
    moments = [first + timedelta(minutes=step) for step in range(minutes)]
    return [(moment, counts.get(int(moment.timestamp()) // _MINUTE_SECONDS, 0)) for moment in moments]
