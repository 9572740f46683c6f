"""Observations: a candidate's answers, stored together with the place it has reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from shadow.records import Candidate, ObservationState
from shadow.store.candidates import Cursor, move_cursor
from shadow.store.database import bulk
from shadow.store.database.tables import observations


class CursorMoved(RuntimeError):
    """Another process has scored these captures; nothing of this batch may be stored."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a candidate said of one capture: dollars, or the reason there are none."""

    capture_id: UUID
    dollars: float | None = None
    reason: str | None = None
    detail: str | None = None
    latency_seconds: float | None = None


def store(
    connection: Connection,
    candidate: Candidate,
    cursor: Cursor,
    answers: Sequence[Answer],
    seq: int,
    now: datetime,
) -> None:
    """Store a batch and move the cursor to `seq`, in the caller's transaction; raises CursorMoved."""
    if not move_cursor(connection, candidate, cursor, seq):
        raise CursorMoved(f"{candidate.model} was moved on by another process in source {cursor.source_id}")
    bulk.insert(
        connection,
        observations,
        [
            {
                "candidate_id": candidate.id,
                "capture_id": answer.capture_id,
                "state": (
                    ObservationState.SCORED if answer.reason is None else ObservationState.FAILED
                ).value,
                "prediction_dollars": answer.dollars,
                "reason": answer.reason,
                "detail": answer.detail,
                "latency_seconds": answer.latency_seconds,
                "observed_at": now,
            }
            for answer in answers
        ],
    )
