"""Purposes: the store's mark of what it holds, a demo or real houses; set at its first use, for good."""

from __future__ import annotations

import tomllib
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, inspect, select
from sqlalchemy.engine import make_url

from shadow.records import Purpose
from shadow.store.connection import Store
from shadow.store.database.dialects import insert_new
from shadow.store.database.tables import candidates, deployments, purposes

_ROW = 1
_DEMO_POLICY = "demo"


def marked(connection: Connection) -> Purpose | None:
    """The mark of a store that has the newest tables; None: not marked yet."""
    found = connection.execute(select(purposes.c.purpose).where(purposes.c.id == _ROW)).scalar()
    return None if found is None else Purpose(found)


def recorded(connection: Connection) -> Purpose | None:
    """What any store holds, of whatever version; None: nothing yet.

    One that bears no mark, as those of 0.1.0, is what its first candidate's policy says.
    """
    tables = inspect(connection).get_table_names()
    if purposes.name in tables and (found := marked(connection)) is not None:
        return found
    if candidates.name not in tables:
        return None
    columns = {column["name"] for column in inspect(connection).get_columns(candidates.name)}
    if candidates.c.policy.name in columns:
        first = connection.execute(select(candidates.c.policy).order_by(candidates.c.id).limit(1)).first()
        if first is not None:
            return Purpose.DEMO if _is_demo(first.policy) else Purpose.REAL
    used = connection.execute(select(deployments.c.id).limit(1)).first() is not None
    return Purpose.REAL if used else None


def of_store(store: Store) -> Purpose | None:
    """The same of a store that need not exist yet; raises StoreUnavailable."""
    address = make_url(store.url)
    if address.get_backend_name() == "sqlite" and not Path(address.database or "").is_file():
        return None
    with store.inspecting() as connection:
        return recorded(connection)


def mark(connection: Connection, purpose: Purpose, now: datetime) -> Purpose:
    """Mark the store, unless it is marked; returns the mark it bears."""
    insert_new(connection, purposes, {"id": _ROW, "purpose": purpose.value, "since": now})
    return marked(connection) or purpose


def place(url: str) -> str:
    """Where the store of `url` is, without who reaches it and how."""
    address = make_url(url)
    host = f" on {address.host}" if address.host else ""
    return f"{address.database}{host}"


def _is_demo(policy: str | None) -> bool:
    try:
        return policy is not None and tomllib.loads(policy).get("name") == _DEMO_POLICY
    except tomllib.TOMLDecodeError:
        return False
