"""Partitions: on Postgres captures and observations lie in tables of seven days each (UTC, from 1970 on).

A capture's id carries its time, so ids alone say where a row belongs, and a stretch of time can be dropped
whole. SQLite has no partitions: there nothing of this happens.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

DAYS = 7
TABLES = ("captures", "observations")
_MILLISECONDS = DAYS * 86_400_000
_LOCK = 7_031_943
_CHILDREN = """
SELECT child.relname, pg_get_expr(child.relpartbound, child.oid)
FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
WHERE inhparent = to_regclass('{table}')
"""
_END = re.compile(r" TO \('([0-9a-f-]{36})'\)")


@dataclass(frozen=True, slots=True)
class Partition:
    """One table of a partitioned table; it holds ids below `end`, and from the end of the one before on."""

    table: str
    name: str
    end: UUID


def first_id(unix_milliseconds: int) -> UUID:
    """The smallest id a capture of that moment can have: ids of earlier moments are smaller."""
    return UUID(int=max(0, unix_milliseconds) << 80)


def ensure(connection: Connection, ids: Iterable[UUID]) -> None:
    """Make the partitions that rows with these ids go into, where they are missing."""
    if connection.dialect.name != "postgresql":
        return
    for number in sorted({_number(one) for one in ids}):
        if connection.exec_driver_sql(f"SELECT to_regclass('{_name(TABLES[-1], number)}')").scalar() is None:
            _make(connection, number)


def existing(connection: Connection) -> list[Partition]:
    """Every partition there is, the oldest first; none on SQLite."""
    if connection.dialect.name != "postgresql":
        return []
    found = [
        Partition(table, name, UUID(end[1]))
        for table in TABLES
        for name, bound in connection.exec_driver_sql(_CHILDREN.format(table=table))
        if (end := _END.search(bound))
    ]
    return sorted(found, key=lambda one: (one.end.int, one.table))


def week_start(number: int) -> UUID:
    """The first id of the `number`-th stretch of seven days."""
    return first_id(number * _MILLISECONDS)


def _number(capture_id: UUID) -> int:
    return (capture_id.int >> 80) // _MILLISECONDS


def _name(table: str, number: int) -> str:
    return f"{table}_week_{number}"


def _make(connection: Connection, number: int) -> None:
    """Attach new tables for one stretch; others go on reading and writing meanwhile."""
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    present = existing(connection)
    start, end = week_start(number), week_start(number + 1)
    for table in TABLES:
        name = _name(table, number)
        # What was stored before there were partitions lies in one of its own, and may cover this stretch.
        if any(one.table == table and (one.name == name or _covers(one, start)) for one in present):
            continue
        connection.exec_driver_sql(f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL)")
        connection.exec_driver_sql(
            f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{start}') TO ('{end}')"
        )


def _covers(partition: Partition, start: UUID) -> bool:
    return partition.name.endswith("_before") and start < partition.end
