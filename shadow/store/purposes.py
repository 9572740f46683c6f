"""Purposes: the store's mark of what it holds, a demo or real rows; set when first used, for good."""

from __future__ import annotations

import tomllib
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, inspect, select
from sqlalchemy.engine import make_url

from shadow.records import Purpose
from shadow.store.connection import Store
from shadow.store.database.dialects import insert_if_absent
from shadow.store.database.tables import candidates, deployments, purposes

_ROW = 1
_DEMO_POLICY = "demo"


def find_mark(connection: Connection) -> Purpose | None:
    """Return the mark of a store that has the newest tables; None when it is not marked yet."""
    purpose = connection.execute(select(purposes.c.purpose).where(purposes.c.id == _ROW)).scalar()
    return None if purpose is None else Purpose(purpose)


def find(connection: Connection) -> Purpose | None:
    """Return what a store of any revision holds; None when it holds nothing yet.

    A store without a mark, as of 0.1.0, holds what the policy of its first candidate is for.
    """
    tables = inspect(connection).get_table_names()
    if purposes.name in tables and (purpose := find_mark(connection)) is not None:
        return purpose
    if candidates.name not in tables:
        return None
    columns = {column["name"] for column in inspect(connection).get_columns(candidates.name)}
    if candidates.c.policy.name in columns:
        first = connection.execute(select(candidates.c.policy).order_by(candidates.c.id).limit(1)).first()
        if first is not None:
            return Purpose.DEMO if _is_demo(first.policy) else Purpose.REAL
    was_used = connection.execute(select(deployments.c.id).limit(1)).first() is not None
    return Purpose.REAL if was_used else None


def find_in_store(store: Store) -> Purpose | None:
    """Return what a store holds that need not exist yet; raises StoreUnavailable."""
    address = make_url(store.url)
    if address.get_backend_name() == "sqlite" and not Path(address.database or "").is_file():
        return None
    with store.inspecting() as connection:
        return find(connection)


def mark(connection: Connection, purpose: Purpose, now: datetime) -> Purpose:
    """Mark the store, unless it is marked; returns its mark."""
    insert_if_absent(connection, purposes, {"id": _ROW, "purpose": purpose.value, "since": now})
    return find_mark(connection) or purpose


def location_of(url: str) -> str:
    """Return the database and host of a store's address, without user, password and options."""
    address = make_url(url)
    host = f" on {address.host}" if address.host else ""
    return f"{address.database}{host}"


def _is_demo(policy: str | None) -> bool:
    try:
        return policy is not None and tomllib.loads(policy).get("name") == _DEMO_POLICY
    except tomllib.TOMLDecodeError:
        return False
