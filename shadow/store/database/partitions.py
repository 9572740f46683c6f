"""Partitions: on Postgres captures and observations lie in tables of seven days each (UTC, from 1970 on).

A capture's id carries its time, so ids alone say where a row belongs, and a stretch of time can be dropped
whole. SQLite has no partitions: there nothing of this happens.

A partition that is taken off while others read it is first *leaving*: new queries do not see its rows any
more, and when the last old one is over it is a table by itself, to be dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

DAYS = 7
FIRST_ID = UUID(int=0)
TABLES = ("captures", "observations")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS = DAYS * 86_400_000
_MAKING, _LEAVING = 7_031_943, 7_031_944
_ATTACHED = """
SELECT child.relname, pg_get_expr(child.relpartbound, child.oid)
FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
WHERE inhparent = to_regclass('{table}') AND NOT inhdetachpending
"""
_TAKEN_OFF = """
SELECT child.relname, inhrelid IS NOT NULL
FROM pg_class AS parent
JOIN pg_class AS child USING (relnamespace)
LEFT JOIN pg_inherits ON inhrelid = child.oid
WHERE parent.oid = to_regclass('{table}') AND child.relname ~ '^{table}_(week_[0-9]+|before)$'
  AND child.relkind = 'r' AND (inhrelid IS NULL OR inhdetachpending)
ORDER BY child.relname
"""
_COMPLETE = """
SELECT count(*) = {tables} FROM pg_inherits WHERE inhrelid IN ({names}) AND NOT inhdetachpending
"""
_IS_PRUNED = "SELECT EXISTS (SELECT FROM prunings WHERE before >= to_timestamp({end}))"
_READERS = """
SELECT DISTINCT pid FROM pg_locks
WHERE relation = to_regclass('{table}') AND pid <> pg_backend_pid() ORDER BY pid
"""
_END = re.compile(r" TO \('([0-9a-f-]{36})'\)")


@dataclass(frozen=True, slots=True)
class Partition:
    """One table of a partitioned table; it holds ids below `end`, and from the end of the one before on."""

    table: str
    name: str
    end: UUID


@dataclass(frozen=True, slots=True)
class Leaving:
    """A table that was a partition of `table`; while it is `pending`, old queries may still read it."""

    table: str
    name: str
    pending: bool


def milliseconds(moment: datetime) -> int:
    """Whole milliseconds since 1970, as ids carry them."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def first_id(unix_milliseconds: int) -> UUID:
    """The smallest id a capture of that moment can have: ids of earlier moments are smaller."""
    return UUID(int=max(0, unix_milliseconds) << 80)


def ensure(connection: Connection, ids: Iterable[UUID]) -> None:
    """Make the partitions that rows with these ids go into, where they are missing.

    Raises OperationalError while a prune is taking weeks off, of which a missing one may be one.
    """
    if connection.dialect.name != "postgresql":
        return
    weeks = sorted({_number(one) for one in ids})
    missing = [
        number for number in weeks if not _is_complete(connection, number) and _lacks(connection, number)
    ]
    if not missing:
        return
    # A prune may wait for readers for long: nobody waits for it, and only weeks that it removes concern it.
    pruned = [number for number in missing if _is_pruned(connection, number)]
    if pruned:
        _refuse_while_leaving(connection)
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MAKING})")
    if pruned:
        _finish_all(connection)
    for number in missing:
        _make(connection, number)


def existing(connection: Connection) -> list[Partition]:
    """Every partition there is, the oldest first, without those that are leaving; none on SQLite."""
    if connection.dialect.name != "postgresql":
        return []
    found = [
        Partition(table, name, UUID(end[1]))
        for table in TABLES
        for name, bound in connection.exec_driver_sql(_ATTACHED.format(table=table))
        if (end := _END.search(bound))
    ]
    return sorted(found, key=lambda one: (one.end.int, one.table))


def leaving(connection: Connection) -> list[Leaving]:
    """Tables that were partitions and are not dropped yet, captures first; none on SQLite."""
    if connection.dialect.name != "postgresql":
        return []
    return [
        Leaving(table, name, pending)
        for table in TABLES
        for name, pending in connection.exec_driver_sql(_TAKEN_OFF.format(table=table))
    ]


def older(connection: Connection, bound: UUID) -> list[list[tuple[str, str]]]:
    """Table and name of what holds nothing from `bound` on, by stretch; first what a killed prune left."""
    left = [(one.table, one.name) for one in leaving(connection)]
    gone = [one for one in existing(connection) if one.end <= bound]
    stretches = [[(one.table, one.name) for one in some] for _, some in groupby(gone, lambda one: one.end)]
    return [left, *stretches] if left else stretches


def keep_away(connection: Connection) -> None:
    """From now on, until this session ends, nobody makes partitions of a time that was pruned."""
    connection.exec_driver_sql(f"SELECT pg_advisory_lock({_LEAVING})")


def take_off(connection: Connection, table: str, name: str) -> None:
    """Make a partition a table by itself, from wherever that was interrupted; needs autocommit.

    Raises OperationalError when its readers take longer than lock_timeout: new ones do not see it any more.
    """
    state = next((one for one in leaving(connection) if one.name == name), None)
    if state is None:
        connection.exec_driver_sql(f"ALTER TABLE {table} DETACH PARTITION {name} CONCURRENTLY")
    else:
        _finish(connection, state)


def readers(connection: Connection, table: str) -> list[int]:
    """The process ids of the server that have read or written `table` in a transaction still open."""
    return list(connection.exec_driver_sql(_READERS.format(table=table)).scalars())


def week_start(number: int) -> UUID:
    """The first id of the `number`-th stretch of seven days."""
    return first_id(number * _MILLISECONDS)


def _finish(connection: Connection, one: Leaving) -> None:
    if one.pending:
        connection.exec_driver_sql(f"ALTER TABLE {one.table} DETACH PARTITION {one.name} FINALIZE")


def _number(capture_id: UUID) -> int:
    return (capture_id.int >> 80) // _MILLISECONDS


def _name(table: str, number: int) -> str:
    return f"{table}_week_{number}"


def _is_complete(connection: Connection, number: int) -> bool:
    names = ", ".join(f"to_regclass('{_name(table, number)}')" for table in TABLES)
    return bool(connection.exec_driver_sql(_COMPLETE.format(tables=len(TABLES), names=names)).scalar())


def _lacks(connection: Connection, number: int) -> list[str]:
    """The tables in which no partition takes the ids of this stretch."""
    present = existing(connection)
    return [
        table
        for table in TABLES
        # What was stored before there were partitions lies in one of its own, and may cover this stretch.
        if not any(one.name == _name(table, number) or _covers(one, table, number) for one in present)
    ]


def _covers(partition: Partition, table: str, number: int) -> bool:
    return partition.name == f"{table}_before" and week_start(number) < partition.end


def _is_pruned(connection: Connection, number: int) -> bool:
    end = (number + 1) * DAYS * 86_400
    return bool(connection.exec_driver_sql(_IS_PRUNED.format(end=end)).scalar())


def _refuse_while_leaving(connection: Connection) -> None:
    """Keep prunes away until this transaction ends.

    To wait for one could be to wait in a circle: it waits for every statement that has begun before.
    """
    if not connection.exec_driver_sql(f"SELECT pg_try_advisory_xact_lock_shared({_LEAVING})").scalar():
        said = BlockingIOError("a prune is removing the weeks of these captures; they can be stored after it")
        raise OperationalError(None, None, said)


def _finish_all(connection: Connection) -> None:
    """End what a killed prune began: no two partitions hold one stretch, not even while one is leaving."""
    for one in leaving(connection):
        _finish(connection, one)


def _make(connection: Connection, number: int) -> None:
    """Attach tables for one stretch, new ones or what a killed prune left; others go on meanwhile."""
    start, end = week_start(number), week_start(number + 1)
    for table in _lacks(connection, number):
        name = _name(table, number)
        connection.exec_driver_sql(f"CREATE TABLE IF NOT EXISTS {name} (LIKE {table} INCLUDING ALL)")
        connection.exec_driver_sql(
            f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{start}') TO ('{end}')"
        )
