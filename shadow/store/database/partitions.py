"""Partitions: on Postgres captures and observations lie in tables of seven days each (UTC, from 1970 on).

A capture's id carries its time, so ids alone determine the partition of a row, and a period can be dropped
whole. SQLite has no partitions: there `ensure` does nothing and the lists are empty.

A partition that is detached while others read it is first *pending*: new queries do not see its rows any
more, and when the last old query has ended it is an ordinary table, to be dropped.
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
_MAKE_LOCK, _DETACH_LOCK = 7_031_943, 7_031_944
_ATTACHED = """
SELECT child.relname, pg_get_expr(child.relpartbound, child.oid)
FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
WHERE inhparent = to_regclass('{table}') AND NOT inhdetachpending
"""
_DETACHED = """
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
    """One table of a partitioned table; it holds ids below `end`, from the end of the previous one on."""

    table: str
    name: str
    end: UUID


@dataclass(frozen=True, slots=True)
class DetachedPartition:
    """A table that was a partition of `table`; while it is `pending`, old queries may still read it."""

    table: str
    name: str
    pending: bool


def milliseconds(moment: datetime) -> int:
    """Return whole milliseconds since 1970, as ids carry them."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def first_id(unix_milliseconds: int) -> UUID:
    """Return the smallest id a capture of that moment can have: ids of earlier moments are smaller."""
    return UUID(int=max(0, unix_milliseconds) << 80)


def ensure(connection: Connection, ids: Iterable[UUID]) -> None:
    """Make the missing partitions for rows with these ids.

    Raises OperationalError while a prune is detaching weeks, of which a missing one may be one.
    """
    if connection.dialect.name != "postgresql":
        return
    weeks = sorted({_number(capture_id) for capture_id in ids})
    missing = [
        number for number in weeks if not _is_complete(connection, number) and _lacks(connection, number)
    ]
    if not missing:
        return
    # A prune may wait long for readers. Do not wait for it; only the weeks that it removes are affected.
    pruned = [number for number in missing if _is_pruned(connection, number)]
    if pruned:
        _refuse_during_prune(connection)
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MAKE_LOCK})")
    if pruned:
        _finalize_all(connection)
    for number in missing:
        _make(connection, number)


def existing(connection: Connection) -> list[Partition]:
    """List every attached partition, oldest first; none on SQLite."""
    if connection.dialect.name != "postgresql":
        return []
    attached = [
        Partition(table, name, UUID(end[1]))
        for table in TABLES
        for name, bound in connection.exec_driver_sql(_ATTACHED.format(table=table))
        if (end := _END.search(bound))
    ]
    return sorted(attached, key=lambda partition: (partition.end.int, partition.table))


def detached(connection: Connection) -> list[DetachedPartition]:
    """List the tables that were partitions and are not dropped yet, captures first; none on SQLite."""
    if connection.dialect.name != "postgresql":
        return []
    return [
        DetachedPartition(table, name, pending)
        for table in TABLES
        for name, pending in connection.exec_driver_sql(_DETACHED.format(table=table))
    ]


def prunable(connection: Connection, bound: UUID) -> list[list[tuple[str, str]]]:
    """List table and name of the partitions without ids from `bound` on, week by week.

    The detached partitions that a killed prune left behind come first.
    """
    left_behind = [(partition.table, partition.name) for partition in detached(connection)]
    old = [partition for partition in existing(connection) if partition.end <= bound]
    weeks = [
        [(partition.table, partition.name) for partition in week]
        for _, week in groupby(old, lambda partition: partition.end)
    ]
    return [left_behind, *weeks] if left_behind else weeks


def block_pruned_weeks(connection: Connection) -> None:
    """Until this session ends, keep others from making partitions of a time that was pruned."""
    connection.exec_driver_sql(f"SELECT pg_advisory_lock({_DETACH_LOCK})")


def detach(connection: Connection, table: str, name: str) -> None:
    """Make a partition an ordinary table, also after an interrupted attempt; needs autocommit.

    Raises OperationalError when its readers take longer than lock_timeout: new ones do not see it any more.
    """
    partition = next((partition for partition in detached(connection) if partition.name == name), None)
    if partition is None:
        connection.exec_driver_sql(f"ALTER TABLE {table} DETACH PARTITION {name} CONCURRENTLY")
    else:
        _finalize(connection, partition)


def readers(connection: Connection, table: str) -> list[int]:
    """List the server's process ids that have read or written `table` in a transaction still open."""
    return list(connection.exec_driver_sql(_READERS.format(table=table)).scalars())


def week_start(number: int) -> UUID:
    """Return the first id of the `number`-th week of partitions since 1970."""
    return first_id(number * _MILLISECONDS)


def _finalize(connection: Connection, partition: DetachedPartition) -> None:
    """Finish the detaching of a pending partition."""
    if partition.pending:
        detach = f"ALTER TABLE {partition.table} DETACH PARTITION {partition.name} FINALIZE"
        connection.exec_driver_sql(detach)


def _number(capture_id: UUID) -> int:
    return (capture_id.int >> 80) // _MILLISECONDS


def _name(table: str, number: int) -> str:
    return f"{table}_week_{number}"


def _is_complete(connection: Connection, number: int) -> bool:
    """Return whether both tables have an attached partition named after this week."""
    names = ", ".join(f"to_regclass('{_name(table, number)}')" for table in TABLES)
    return bool(connection.exec_driver_sql(_COMPLETE.format(tables=len(TABLES), names=names)).scalar())


def _lacks(connection: Connection, number: int) -> list[str]:
    """List the tables in which no partition takes the ids of this week."""
    attached = existing(connection)
    return [
        table
        for table in TABLES
        # Rows of a store from before partitions are in one partition, which may cover this week.
        if not any(
            partition.name == _name(table, number) or _covers(partition, table, number)
            for partition in attached
        )
    ]


def _covers(partition: Partition, table: str, number: int) -> bool:
    return partition.name == f"{table}_before" and week_start(number) < partition.end


def _is_pruned(connection: Connection, number: int) -> bool:
    """Return whether a prune has removed the whole week."""
    end = (number + 1) * DAYS * 86_400
    return bool(connection.exec_driver_sql(_IS_PRUNED.format(end=end)).scalar())


def _refuse_during_prune(connection: Connection) -> None:
    """Keep prunes away until this transaction ends; raises OperationalError while one is under way.

    To wait for one could be a deadlock: it waits for every statement that began before it.
    """
    if not connection.exec_driver_sql(f"SELECT pg_try_advisory_xact_lock_shared({_DETACH_LOCK})").scalar():
        message = "a prune is removing the weeks of these captures; they can be stored after it"
        raise OperationalError(None, None, BlockingIOError(message))


def _finalize_all(connection: Connection) -> None:
    """Finish what a killed prune began: no two partitions hold one week, not even while one is pending."""
    for partition in detached(connection):
        _finalize(connection, partition)


def _make(connection: Connection, number: int) -> None:
    """Attach the missing tables of one week, new or left behind by a killed prune; others continue."""
    start, end = week_start(number), week_start(number + 1)
    for table in _lacks(connection, number):
        name = _name(table, number)
        connection.exec_driver_sql(f"CREATE TABLE IF NOT EXISTS {name} (LIKE {table} INCLUDING ALL)")
        connection.exec_driver_sql(
            f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{start}') TO ('{end}')"
        )
