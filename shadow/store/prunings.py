"""Prunings: what was removed because it was old, and since when nothing older can be computed again."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, select

from shadow.store.tables import prunings


def latest(connection: Connection) -> datetime | None:
    """The moment before which captures were removed (None: never); evidence from before stays as it is."""
    found: datetime | None = connection.execute(select(func.max(prunings.c.before))).scalar()
    return found
