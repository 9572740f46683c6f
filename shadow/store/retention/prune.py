"""Prune: remove old captures, observations and outcomes; evidence and verdicts stay.

Of the evidence, the single rows that its documents quote are removed as well (excerpts.py).

The prune is recorded first, so that no evidence is computed anew from what is left. Then the rows are removed
in steps, each of which leaves a ledger that adds up: `sources.pruned` counts captures in the transaction that
removes them. A prune that was interrupted is simply run again.

On Postgres partitions that are wholly older are detached and dropped. Rows that share a partition with
younger ones, and all rows on SQLite, are deleted in small batches with a pause after each, so that other
writers get their turn.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from sqlalchemy import Column, Connection, delete, func, select, update
from sqlalchemy.exc import OperationalError

from shadow.records import capture_time
from shadow.store.connection import Store
from shadow.store.database import partitions
from shadow.store.database.dialects import allow_long_queries
from shadow.store.database.errors import StoreUnavailable
from shadow.store.database.tables import captures, observations, outcomes, prunings, sources, worst_gaps
from shadow.store.retention.blockers import PruneRefused, refuse_pending
from shadow.store.retention.prunings import bound_of, wait_for_evidence
from shadow.store.streams import documents

BATCH_ROWS = 2000
TRIES = 240
_LOCK_TIMEOUT = "2s"
_BETWEEN_TRIES_SECONDS = 0.5
_SHORTEST_PAUSE_SECONDS = 0.02
_LOCKED = ("55P03", "40P01")  # lock not available, deadlock detected

__all__ = ["PruneHeldUp", "PruneRefused", "PrunedRows", "count_before", "remove_before"]


@dataclass(frozen=True, slots=True)
class PrunedRows:
    """How many rows a prune would remove, or has; `excerpts` are single rows that documents quote."""

    captures: int = 0
    observations: int = 0
    outcomes: int = 0
    excerpts: int = 0

    def __add__(self, other: PrunedRows) -> PrunedRows:
        pairs = zip(astuple(self), astuple(other), strict=True)
        return PrunedRows(*(count + further for count, further in pairs))

    @property
    def rows(self) -> int:
        """The sum of all four."""
        return sum(astuple(self))


class PruneHeldUp(RuntimeError):
    """Other sessions hold locks on rows to remove for longer than a prune waits."""

    def __init__(self, what: str, tries: int, pids: list[int]) -> None:
        self.what, self.tries, self.pids = what, tries, pids
        holders = f", by {', '.join(map(str, pids))} in pg_stat_activity" if pids else ""
        super().__init__(
            f"{what} was locked by others in each of {tries} attempts{holders};"
            " nothing is lost or counted twice: run the same prune again when they are done"
        )


def count_before(connection: Connection, before: datetime) -> PrunedRows:
    """Count what a prune would remove; raises PruneRefused as it would."""
    bound = bound_of(before)
    allow_long_queries(connection)
    refuse_pending(connection, bound)
    counts = {
        key.table.name: connection.execute(select(func.count()).where(key < bound)).scalar_one()
        for key in (captures.c.id, observations.c.capture_id, outcomes.c.capture_id, worst_gaps.c.capture_id)
    }
    counts["excerpts"] = counts.pop(worst_gaps.name) + documents.count_rows_below(connection, bound)
    for partition in partitions.detached(connection):
        counts[partition.table] += _rows_of(connection, partition.name)
    return PrunedRows(**counts)


def remove_before(
    store: Store,
    before: datetime,
    now: datetime,
    report: Callable[[PrunedRows], None] = lambda _: None,
    pause: Callable[[float], None] = time.sleep,
    tries: int = TRIES,
) -> PrunedRows:
    """Remove what was captured before a moment (to the millisecond); calls `report` after each step.

    Raises PruneRefused, PruneHeldUp (after `tries` waits of two seconds) and StoreUnavailable; what was
    removed until then stays removed, and counted.
    """
    with store.reading() as connection:
        is_empty = count_before(connection, before).rows == 0
        if is_empty and not partitions.prunable(connection, bound_of(before)):
            return PrunedRows()
    return _Prune(store, before, report, pause, tries).run(now)


class _Prune:
    """One prune under way."""

    def __init__(
        self,
        store: Store,
        before: datetime,
        report: Callable[[PrunedRows], None],
        pause: Callable[[float], None],
        tries: int,
    ) -> None:
        self._store, self._bound = store, bound_of(before)
        self._report, self._pause, self._tries = report, pause, tries
        self._removed = PrunedRows()
        self._id = 0

    def run(self, now: datetime) -> PrunedRows:
        """Run every step, in an order that may be interrupted anywhere."""
        self._record(now)
        self._retry("the evidence", self._wait_for_evidence)
        self._remove_in_batches(self._remove_outcomes)
        self._drop_partitions()
        self._remove_in_batches(self._remove_captures)
        self._remove_in_batches(self._remove_excerpts)
        return self._removed

    def _record(self, now: datetime) -> None:
        """Insert the row that announces this prune and counts what it removes."""
        row = {"before": capture_time(self._bound), "pruned_at": now, **asdict(PrunedRows())}
        with self._store.writing() as connection:
            self._id = connection.execute(prunings.insert().values(row).returning(prunings.c.id)).scalar_one()

    def _wait_for_evidence(self) -> None:
        """Wait, at most as long as the lock timeout, for transactions that compute evidence."""
        with self._store.writing() as connection:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
            wait_for_evidence(connection)

    def _remove_in_batches(self, remove_batch: Callable[[Connection], PrunedRows]) -> None:
        """Call `remove_batch` in a transaction of its own until it removes nothing."""
        while True:
            started = time.perf_counter()
            with self._store.writing() as connection:
                removed = remove_batch(connection)
            if removed.rows == 0:
                return
            self._add(removed)
            self._pause(max(_SHORTEST_PAUSE_SECONDS, time.perf_counter() - started))

    def _remove_outcomes(self, connection: Connection) -> PrunedRows:
        """Delete one batch of outcomes; returns the deleted rows."""
        last = self._last_of_batch(connection, outcomes.c.capture_id)
        removed = connection.execute(delete(outcomes).where(outcomes.c.capture_id <= last)).rowcount
        return self._count(connection, PrunedRows(outcomes=removed), Counter())

    def _remove_captures(self, connection: Connection) -> PrunedRows:
        """Delete one batch of captures with their observations; returns the deleted rows."""
        if connection.dialect.name == "postgresql":  # SQLite has one writer at a time
            connection.exec_driver_sql("LOCK TABLE candidates IN SHARE MODE")
        refuse_pending(connection, self._bound)
        last = self._last_of_batch(connection, captures.c.id)
        removal = delete(captures).where(captures.c.id <= last).returning(captures.c.source_id)
        by_source = Counter(connection.execute(removal).scalars())
        observed = delete(observations).where(observations.c.capture_id <= last)
        removed = PrunedRows(by_source.total(), connection.execute(observed).rowcount)
        return self._count(connection, removed, by_source)

    def _remove_excerpts(self, connection: Connection) -> PrunedRows:
        """Delete the single rows that documents quote; returns how many."""
        gaps = connection.execute(delete(worst_gaps).where(worst_gaps.c.capture_id < self._bound)).rowcount
        quoted = documents.remove_rows_below(connection, self._bound)
        return self._count(connection, PrunedRows(excerpts=gaps + quoted), Counter())

    def _last_of_batch(self, connection: Connection, key: Column[UUID]) -> UUID:
        """Return the last id of the next batch below the bound."""
        query = select(key).where(key < self._bound).order_by(key).offset(BATCH_ROWS - 1).limit(1)
        return connection.execute(query).scalar() or UUID(int=self._bound.int - 1)

    def _drop_partitions(self) -> None:
        with self._store.reading() as connection:
            if not partitions.prunable(connection, self._bound):
                return
        with _autocommitting(self._store) as connection:
            self._retry("a partition", lambda: partitions.block_pruned_weeks(connection))
            for week in partitions.prunable(connection, self._bound):
                refuse_pending(connection, self._bound)
                for table, name in week:
                    self._retry(name, partial(partitions.detach, connection, table, name), connection)
                self._retry(week[0][1], self._drop_detached)

    def _drop_detached(self) -> None:
        """Count and drop detached partitions in one transaction: a crash leaves both undone, or neither."""
        by_source, observed = Counter[int](), 0
        with self._store.writing() as connection:
            allow_long_queries(connection)
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
            for partition in partitions.detached(connection):
                if partition.table == captures.name:
                    by_source += _by_source(connection, partition.name)
                else:
                    observed += _rows_of(connection, partition.name)
                connection.exec_driver_sql(f"DROP TABLE {partition.name}")
            removed = self._count(connection, PrunedRows(by_source.total(), observed), by_source)
        self._add(removed)

    def _count(self, connection: Connection, removed: PrunedRows, by_source: Counter[int]) -> PrunedRows:
        """Record what this transaction removes, as its last statements: every ingest locks the sources."""
        added = {name: prunings.c[name] + rows for name, rows in asdict(removed).items()}
        connection.execute(update(prunings).where(prunings.c.id == self._id).values(added))
        for source_id, rows in sorted(by_source.items()):
            pruned = sources.c.pruned + rows
            connection.execute(update(sources).where(sources.c.id == source_id).values(pruned=pruned))
        return removed

    def _add(self, removed: PrunedRows) -> None:
        self._removed += removed
        self._report(removed)

    def _retry(self, what: str, attempt: Callable[[], None], connection: Connection | None = None) -> None:
        """Repeat the attempt until nobody holds its locks; raises PruneHeldUp."""
        for _ in range(self._tries):
            try:
                return attempt()
            except (OperationalError, StoreUnavailable) as fault:
                if not _is_locked(fault):
                    raise
            self._pause(_BETWEEN_TRIES_SECONDS)
        raise PruneHeldUp(what, self._tries, partitions.readers(connection, what) if connection else [])


@contextmanager
def _autocommitting(store: Store) -> Iterator[Connection]:
    """Open a connection whose statements commit by themselves and wait for locks only briefly.

    It is never reused: its locks end with it.
    """
    with store.reading() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.detach()
        connection.exec_driver_sql(f"SET lock_timeout = '{_LOCK_TIMEOUT}'")
        yield connection


def _by_source(connection: Connection, name: str) -> Counter[int]:
    """Count the captures in a detached partition by source."""
    query = f"SELECT source_id, count(*) AS captures FROM {name} GROUP BY source_id"  # noqa: S608
    return Counter({row.source_id: row.captures for row in connection.exec_driver_sql(query)})


def _rows_of(connection: Connection, name: str) -> int:
    """Count the rows of a detached partition."""
    return int(connection.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar_one())  # noqa: S608


def _is_locked(fault: Exception) -> bool:
    error = fault if isinstance(fault, OperationalError) else fault.__cause__
    return getattr(getattr(error, "orig", None), "pgcode", None) in _LOCKED
