"""Prunings: how far the store has been pruned, which the computation of evidence depends on."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, func, select

from shadow.store.database import partitions
from shadow.store.database.tables import prunings

_EVIDENCE_LOCK = 7_031_945


def latest(connection: Connection) -> datetime | None:
    """Return the moment before which captures were removed; None when none ever were.

    Evidence of earlier days cannot be computed anew and has to stay. Call this first in the transaction (READ
    COMMITTED, as Store.writing) that computes evidence: a prune that is not in the answer waits for the end
    of that transaction before it removes anything.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock_shared({_EVIDENCE_LOCK})")
    before: datetime | None = connection.execute(select(func.max(prunings.c.before))).scalar()
    return before


def latest_bound(connection: Connection) -> UUID | None:
    """Return the id below which captures were removed; None when none ever were. See `latest`."""
    before = latest(connection)
    return None if before is None else bound_of(before)


def wait_for_evidence(connection: Connection) -> None:
    """Wait for every transaction that computes evidence and may not know of this prune: see `latest`."""
    if connection.dialect.name == "postgresql":  # SQLite has one writer at a time
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_EVIDENCE_LOCK})")


def bound_of(moment: datetime) -> UUID:
    """Return the smallest id of captures at this moment (to the millisecond) or later."""
    return partitions.first_id(partitions.milliseconds(moment))
