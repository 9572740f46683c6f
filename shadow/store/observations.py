"""Observations: what a candidate predicted, stored together with how far it has come in a source."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from shadow.records import Candidate, NewObservation, ObservationState
from shadow.store.candidates import Cursor, move_cursor
from shadow.store.database import bulk
from shadow.store.database.tables import observations


class CursorMoved(RuntimeError):
    """Another process has scored these captures; nothing of this batch may be stored."""


def store(
    connection: Connection,
    candidate: Candidate,
    cursor: Cursor,
    batch: Sequence[NewObservation],
    seq: int,
    now: datetime,
) -> None:
    """Store a batch and move the cursor to `seq`, in the caller's transaction; raises CursorMoved."""
    if not move_cursor(connection, candidate, cursor, seq):
        raise CursorMoved(f"{candidate.model} was moved on by another process in source {cursor.source_id}")
    bulk.insert(connection, observations, [_values(candidate, observation, now) for observation in batch])


def _values(candidate: Candidate, observation: NewObservation, now: datetime) -> dict[str, Any]:
    state = ObservationState.SCORED if observation.reason is None else ObservationState.FAILED
    return {
        "candidate_id": candidate.id,
        "capture_id": observation.capture_id,
        "state": state.value,
        "prediction_dollars": observation.prediction_dollars,
        "reason": observation.reason,
        "detail": observation.detail,
        "latency_seconds": observation.latency_seconds,
        "observed_at": now,
    }
