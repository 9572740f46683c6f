"""Verdicts: one row for each change of a stream's state; rows are only ever added."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from shadow.records import VerdictState
from shadow.store.database.tables import verdicts

_LOCK = 7031


@dataclass(frozen=True, slots=True)
class RecordedVerdict:
    """A verdict at the moment its state began; `id` is 0 until it is stored.

    `watermark_day` is the last day and `sold` the number of known outcomes that it is based on; `report` is
    the whole document.
    """

    stream_id: int
    state: VerdictState
    decided_at: datetime
    watermark_day: int | None
    sold: int
    policy_sha256: str
    report: Mapping[str, Any]
    id: int = 0


def last(connection: Connection, stream_id: int) -> RecordedVerdict | None:
    """Return the newest verdict of a stream: the state it is in."""
    return _first(connection, _newest_first(stream_id).limit(1))


def state_as_of(
    connection: Connection, stream_id: int, moment: datetime
) -> tuple[VerdictState, datetime] | None:
    """Return the state of the stream at a moment, and since when; None before the first verdict."""
    since: tuple[VerdictState, datetime] | None = None
    rows = _newest_first(stream_id).where(verdicts.c.decided_at <= moment)
    for row in connection.execute(rows.with_only_columns(verdicts.c.state, verdicts.c.decided_at)):
        if since is not None and since[0] != row.state:
            break
        since = VerdictState(row.state), row.decided_at
    return since


def by_id(connection: Connection, verdict_id: int) -> RecordedVerdict | None:
    """Return a verdict by its id, as a deployment refers to it."""
    return _first(connection, select(verdicts).where(verdicts.c.id == verdict_id))


def history(connection: Connection, stream_id: int, limit: int = 100) -> list[RecordedVerdict]:
    """Return the changes of a stream's state, newest first."""
    return [_recorded(row) for row in connection.execute(_newest_first(stream_id).limit(limit))]


def append_change(
    connection: Connection, verdict: RecordedVerdict, *, always: bool = False
) -> tuple[RecordedVerdict, RecordedVerdict | None]:
    """Add a verdict if its state differs from the stream's last one, or `always`.

    Returns the verdict in force and the one before; both are the last one when nothing was added. Hosts that
    judge one stream at once wait for each other, so that each change is added once.
    """
    lock_writes(connection, verdict.stream_id)
    before = last(connection, verdict.stream_id)
    if before is not None and before.state is verdict.state and not always:
        return before, before
    added = connection.execute(
        verdicts.insert().values(_values(verdict)).returning(verdicts.c.id)
    ).scalar_one()
    return _of(_values(verdict) | {"id": added}), before


def lock_writes(connection: Connection, stream_id: int) -> None:
    """Lock writes about a stream until this transaction ends; SQLite has one writer at a time.

    Not by the stream's row: refreshing a day locks that for as long as the day takes.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK}, {int(stream_id)})")


def _newest_first(stream_id: int) -> Select[Any]:
    """Select the verdicts of a stream, newest first."""
    return select(verdicts).where(verdicts.c.stream_id == stream_id).order_by(verdicts.c.id.desc())


def _first(connection: Connection, query: Select[Any]) -> RecordedVerdict | None:
    row = connection.execute(query).first()
    return None if row is None else _recorded(row)


def _values(verdict: RecordedVerdict) -> dict[str, Any]:
    return {
        "stream_id": verdict.stream_id,
        "state": verdict.state.value,
        "decided_at": verdict.decided_at,
        "watermark_day": verdict.watermark_day,
        "sold": verdict.sold,
        "policy_sha256": verdict.policy_sha256,
        "report": dict(verdict.report),
    }


def _recorded(row: Row[Any]) -> RecordedVerdict:
    return _of(dict(row._mapping))


def _of(values: Mapping[str, Any]) -> RecordedVerdict:
    return RecordedVerdict(**{**values, "state": VerdictState(values["state"])})
