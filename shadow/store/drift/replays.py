"""Replays: stored houses that are asked again of the packaged artifact, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, Text, and_, cast, select, update

from model_package.reference import ModelRef
from shadow.records import ObservationState, PendingCapture
from shadow.store.database.dialects import insert_if_absent
from shadow.store.database.tables import candidates, captures, observations, replays


@dataclass(frozen=True, slots=True)
class Replay:
    """One comparison of stored answers with the artifact's: `beyond` of `houses` differ more than allowed.

    `worst_log_ratio` is the largest |ln(again / stored)|; infinity when a house could not be answered again.
    """

    model: ModelRef
    day_seconds: int
    day: int
    houses: int
    worst_log_ratio: float
    beyond: int
    checked_at: datetime


def newest(connection: Connection, model: ModelRef, day_seconds: int) -> Replay | None:
    """The last comparison of a model."""
    row = connection.execute(
        select(replays)
        .where(_of(model), replays.c.day_seconds == day_seconds)
        .order_by(replays.c.day.desc())
        .limit(1)
    ).first()
    if row is None:
        return None
    return Replay(
        model, row.day_seconds, row.day, row.houses, row.worst_log_ratio, row.beyond, row.checked_at
    )


def record(connection: Connection, replay: Replay) -> None:
    """Keep a comparison, in place of one of the same model and day."""
    this = and_(_of(replay.model), replays.c.day_seconds == replay.day_seconds, replays.c.day == replay.day)
    key = {
        "model_name": replay.model.name,
        "model_version": replay.model.version,
        "day_seconds": replay.day_seconds,
        "day": replay.day,
    }
    found = {
        "houses": replay.houses,
        "worst_log_ratio": replay.worst_log_ratio,
        "beyond": replay.beyond,
        "checked_at": replay.checked_at,
    }
    # Workers of two hosts may come at once: neither may fail because of the other.
    insert_if_absent(connection, replays, key | found)
    connection.execute(update(replays).where(this).values(found))


def answered(
    connection: Connection, model: ModelRef, ids: tuple[UUID, UUID], share: float, limit: int
) -> list[tuple[PendingCapture, float]]:
    """A sample of what `model` answered as the live model, with its prices, for ids of [first, end)."""
    query = (
        select(*_HOUSE, captures.c.prediction_dollars.label("said"))
        .where(
            *_sampled(ids, share),
            captures.c.live_name == model.name,
            captures.c.live_version == model.version,
        )
        .order_by(captures.c.sample_key)
        .limit(limit)
    )
    return [(_pending_capture(row), row.said) for row in connection.execute(query)]


def observed(
    connection: Connection, model: ModelRef, ids: tuple[UUID, UUID], share: float, limit: int
) -> list[tuple[PendingCapture, float]]:
    """The same for what `model` said as a candidate."""
    query = (
        select(*_HOUSE, observations.c.prediction_dollars.label("said"))
        .join(observations, observations.c.capture_id == captures.c.id)
        .join(candidates, candidates.c.id == observations.c.candidate_id)
        .where(
            *_sampled(ids, share),
            observations.c.state == ObservationState.SCORED.value,
            candidates.c.name == model.name,
            candidates.c.version == model.version,
        )
        .order_by(captures.c.sample_key)
        .limit(limit)
    )
    return [(_pending_capture(row), row.said) for row in connection.execute(query)]


_HOUSE = (
    captures.c.id,
    captures.c.seq,
    captures.c.request_id,
    (captures.c.live_name + "@" + captures.c.live_version).label("live"),
    captures.c.prediction_dollars.label("live_dollars"),
    cast(captures.c.inputs, Text).label("inputs_json"),
)


def _sampled(ids: tuple[UUID, UUID], share: float) -> tuple[ColumnElement[bool], ...]:
    return captures.c.id >= ids[0], captures.c.id < ids[1], captures.c.sample_key < share


def _pending_capture(row: Row[Any]) -> PendingCapture:
    return PendingCapture(row.id, row.seq, row.request_id, row.live, row.live_dollars, row.inputs_json)


def _of(model: ModelRef) -> ColumnElement[bool]:
    return and_(replays.c.model_name == model.name, replays.c.model_version == model.version)
