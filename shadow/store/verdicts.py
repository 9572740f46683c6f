"""Verdicts: one row for each change of a stream's state; rows are only ever added."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from shadow.records import VerdictState
from shadow.store.tables import streams, verdicts


@dataclass(frozen=True, slots=True)
class Recorded:
    """A verdict as it was when its state began; `id` is 0 until the store has given it one.

    `watermark_day` and `sold`: which days it knew, and how many sold houses of them. `report`: all of it.
    """

    stream_id: int
    state: VerdictState
    decided_at: datetime
    watermark_day: int | None
    sold: int
    policy_sha256: str
    report: Mapping[str, Any]
    id: int = 0


def last(connection: Connection, stream_id: int) -> Recorded | None:
    """The newest row of a stream: the state it is in."""
    return _first(connection, _newest_first(stream_id).limit(1))


def last_as_of(connection: Connection, stream_id: int, moment: datetime) -> Recorded | None:
    """The state the stream was in at a moment."""
    return _first(connection, _newest_first(stream_id).where(verdicts.c.decided_at <= moment).limit(1))


def by_id(connection: Connection, verdict_id: int) -> Recorded | None:
    """One row: what a promotion was decided on."""
    return _first(connection, select(verdicts).where(verdicts.c.id == verdict_id))


def history(connection: Connection, stream_id: int, most: int = 100) -> list[Recorded]:
    """The changes of a stream's state, newest first."""
    return [_recorded(row) for row in connection.execute(_newest_first(stream_id).limit(most))]


def append_change(connection: Connection, verdict: Recorded) -> tuple[Recorded, Recorded | None]:
    """Add a row if the state is another than the stream's last; returns the row in force and the one before.

    The row in force is the last one when nothing has changed. Several hosts may judge one stream at once: the
    stream's row is locked meanwhile, so that each change is added once.
    """
    connection.execute(select(streams.c.id).where(streams.c.id == verdict.stream_id).with_for_update())
    before = last(connection, verdict.stream_id)
    if before is not None and before.state is verdict.state:
        return before, before
    added = connection.execute(
        verdicts.insert().values(_values(verdict)).returning(verdicts.c.id)
    ).scalar_one()
    return _of(_values(verdict) | {"id": added}), before


def _newest_first(stream_id: int) -> Select[Any]:
    return select(verdicts).where(verdicts.c.stream_id == stream_id).order_by(verdicts.c.id.desc())


def _first(connection: Connection, query: Select[Any]) -> Recorded | None:
    row = connection.execute(query).first()
    return None if row is None else _recorded(row)


def _values(verdict: Recorded) -> dict[str, Any]:
    return {
        "stream_id": verdict.stream_id,
        "state": verdict.state.value,
        "decided_at": verdict.decided_at,
        "watermark_day": verdict.watermark_day,
        "sold": verdict.sold,
        "policy_sha256": verdict.policy_sha256,
        "report": dict(verdict.report),
    }


def _recorded(row: Row[Any]) -> Recorded:
    return _of(dict(row._mapping))


def _of(values: Mapping[str, Any]) -> Recorded:
    return Recorded(**{**values, "state": VerdictState(values["state"])})
