"""Replays: samples of captures to score again with the packaged artifact, and the comparisons of them."""

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
    """A comparison of stored predictions with the artifact's: `beyond` of `houses` differ beyond tolerance.

    `worst_log_ratio` is the largest |ln(again / stored)|; infinity when a row could not be scored again.
    """

    model: ModelRef
    day_seconds: int
    day: int
    houses: int
    worst_log_ratio: float
    beyond: int
    checked_at: datetime


def newest(connection: Connection, model: ModelRef, day_seconds: int) -> Replay | None:
    """Return the last comparison of a model; None when there is none."""
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
    """Store a comparison, in place of an earlier one of the same model and day."""
    key = {
        "model_name": replay.model.name,
        "model_version": replay.model.version,
        "day_seconds": replay.day_seconds,
        "day": replay.day,
    }
    values = {
        "houses": replay.houses,
        "worst_log_ratio": replay.worst_log_ratio,
        "beyond": replay.beyond,
        "checked_at": replay.checked_at,
    }
    # Workers of two hosts may come at once: neither may fail because of the other.
    insert_if_absent(connection, replays, key | values)
    same_day = and_(*(replays.c[name] == value for name, value in key.items()))
    connection.execute(update(replays).where(same_day).values(values))


def sample_of_live(
    connection: Connection, model: ModelRef, ids: tuple[UUID, UUID], share: float, limit: int
) -> list[tuple[PendingCapture, float]]:
    """Return a sample of the captures that `model` answered as the live model, with its predictions.

    `ids`: of [first, end). `share` of the captures are sampled, at most `limit`.
    """
    query = (
        select(*_CAPTURE, captures.c.prediction_dollars.label("prediction"))
        .where(
            *_sampled(ids, share),
            captures.c.live_name == model.name,
            captures.c.live_version == model.version,
        )
        .order_by(captures.c.sample_key)
        .limit(limit)
    )
    return [(_pending_capture(row), row.prediction) for row in connection.execute(query)]


def sample_of_candidate(
    connection: Connection, model: ModelRef, ids: tuple[UUID, UUID], share: float, limit: int
) -> list[tuple[PendingCapture, float]]:
    """Return a sample of the captures that `model` scored as a candidate, with its predictions; see above."""
    query = (
        select(*_CAPTURE, observations.c.prediction_dollars.label("prediction"))
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
    return [(_pending_capture(row), row.prediction) for row in connection.execute(query)]


_CAPTURE = (
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
