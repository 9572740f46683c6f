"""Prunings: captures, observations and outcomes that have become old are removed; evidence and verdicts stay.

Of the evidence, the single rows that its documents quote go as well (excerpts.py).

What is to go is written down first, so that nobody computes evidence anew from what is left. Then it goes in
steps, each of which leaves a ledger that adds up: `sources.pruned` counts captures in the transaction that
removes them. A prune that was interrupted is simply run again.

On Postgres partitions that are wholly older are taken off and dropped. What lies in one partition with
younger rows, and everything on SQLite, goes in small batches with a rest after each, so that whoever writes
has a turn.
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
from shadow.store.streams import documents

BATCH_ROWS = 2000
TRIES = 240
_LOCK_TIMEOUT = "2s"
_BETWEEN_TRIES_SECONDS = 0.5
_SHORTEST_REST_SECONDS = 0.02
_HELD = ("55P03", "40P01")  # lock not available, deadlock detected
_EVIDENCE = 7_031_945

__all__ = ["Extent", "PruneHeldUp", "PruneRefused", "bound", "expected", "latest", "prune"]


@dataclass(frozen=True, slots=True)
class Extent:
    """How many rows are to go, or have gone; `excerpts` are single rows that documents of evidence quote."""

    captures: int = 0
    observations: int = 0
    outcomes: int = 0
    excerpts: int = 0

    def __add__(self, other: Extent) -> Extent:
        return Extent(*(mine + its for mine, its in zip(astuple(self), astuple(other), strict=True)))

    @property
    def rows(self) -> int:
        """All of them."""
        return sum(astuple(self))


class PruneHeldUp(RuntimeError):
    """Somebody holds what is to go for longer than a prune waits."""

    def __init__(self, what: str, tries: int, pids: list[int]) -> None:
        self.what, self.tries, self.pids = what, tries, pids
        holders = f", by {', '.join(map(str, pids))} in pg_stat_activity" if pids else ""
        super().__init__(
            f"{what} was held by others each of the {tries} times it was asked for{holders};"
            " nothing is lost or counted twice: run the same prune again when they are done"
        )


def latest(connection: Connection) -> datetime | None:
    """The moment before which captures were removed (None: never): what was computed from them has to stay.

    Ask it first in the transaction (READ COMMITTED, as Store.writing) that computes evidence: no prune that
    is not told of here removes anything until that transaction ends.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock_shared({_EVIDENCE})")
    found: datetime | None = connection.execute(select(func.max(prunings.c.before))).scalar()
    return found


def bound(connection: Connection) -> UUID | None:
    """The same as `latest`, as the id below which captures were removed."""
    before = latest(connection)
    return None if before is None else _bound(before)


def expected(connection: Connection, before: datetime) -> Extent:
    """Count what a prune would remove; raises PruneRefused as it would."""
    oldest = _bound(before)
    allow_long_queries(connection)
    refuse_pending(connection, oldest)
    found = {
        key.table.name: connection.execute(select(func.count()).where(key < oldest)).scalar_one()
        for key in (captures.c.id, observations.c.capture_id, outcomes.c.capture_id, worst_gaps.c.capture_id)
    }
    found["excerpts"] = found.pop(worst_gaps.name) + documents.count_rows_below(connection, oldest)
    for one in partitions.leaving(connection):
        found[one.table] += _rows_of(connection, one.name)
    return Extent(**found)


def prune(
    store: Store,
    before: datetime,
    now: datetime,
    told: Callable[[Extent], None] = lambda _: None,
    pause: Callable[[float], None] = time.sleep,
    tries: int = TRIES,
) -> Extent:
    """Remove what was captured before a moment (to the millisecond); tells after each step what has gone.

    Raises PruneRefused, PruneHeldUp (after `tries` waits of two seconds) and StoreUnavailable; what has gone
    until then is gone, and counted.
    """
    with store.reading() as connection:
        nothing = expected(connection, before).rows == 0
        if nothing and not partitions.older(connection, _bound(before)):
            return Extent()
    return _Prune(store, before, told, pause, tries).run(now)


class _Prune:
    """One prune under way."""

    def __init__(
        self,
        store: Store,
        before: datetime,
        told: Callable[[Extent], None],
        pause: Callable[[float], None],
        tries: int,
    ) -> None:
        self._store, self._bound = store, _bound(before)
        self._told, self._pause, self._tries = told, pause, tries
        self._gone = Extent()
        self._id = 0

    def run(self, now: datetime) -> Extent:
        """Every step, in an order that may be interrupted anywhere."""
        self._write_down(now)
        self._patiently("the evidence", self._await_evidence)
        self._sweep(self._remove_outcomes)
        self._drop_partitions()
        self._sweep(self._remove_captures)
        self._sweep(self._remove_excerpts)
        return self._gone

    def _write_down(self, now: datetime) -> None:
        row = {"before": capture_time(self._bound), "pruned_at": now, **asdict(Extent())}
        with self._store.writing() as connection:
            self._id = connection.execute(prunings.insert().values(row).returning(prunings.c.id)).scalar_one()

    def _await_evidence(self) -> None:
        """Let those finish who compute evidence and cannot know of this prune: see `latest`."""
        with self._store.writing() as connection:
            if connection.dialect.name == "postgresql":  # on SQLite there is one writer at a time
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_EVIDENCE})")

    def _sweep(self, remove_batch: Callable[[Connection], Extent]) -> None:
        """Remove batch by batch, each in a transaction of its own, until there is nothing left."""
        while True:
            began = time.perf_counter()
            with self._store.writing() as connection:
                gone = remove_batch(connection)
            if gone.rows == 0:
                return
            self._tell(gone)
            self._pause(max(_SHORTEST_REST_SECONDS, time.perf_counter() - began))

    def _remove_outcomes(self, connection: Connection) -> Extent:
        last = self._last_of_batch(connection, outcomes.c.capture_id)
        gone = connection.execute(delete(outcomes).where(outcomes.c.capture_id <= last)).rowcount
        return self._count(connection, Extent(outcomes=gone), Counter())

    def _remove_captures(self, connection: Connection) -> Extent:
        if connection.dialect.name == "postgresql":  # on SQLite nobody else writes meanwhile anyway
            connection.exec_driver_sql("LOCK TABLE candidates IN SHARE MODE")
        refuse_pending(connection, self._bound)
        last = self._last_of_batch(connection, captures.c.id)
        removal = delete(captures).where(captures.c.id <= last).returning(captures.c.source_id)
        by_source = Counter(connection.execute(removal).scalars())
        gone = connection.execute(delete(observations).where(observations.c.capture_id <= last)).rowcount
        return self._count(connection, Extent(by_source.total(), gone), by_source)

    def _remove_excerpts(self, connection: Connection) -> Extent:
        gone = connection.execute(delete(worst_gaps).where(worst_gaps.c.capture_id < self._bound)).rowcount
        quoted = documents.remove_rows_below(connection, self._bound)
        return self._count(connection, Extent(excerpts=gone + quoted), Counter())

    def _last_of_batch(self, connection: Connection, key: Column[UUID]) -> UUID:
        query = select(key).where(key < self._bound).order_by(key).offset(BATCH_ROWS - 1).limit(1)
        return connection.execute(query).scalar() or UUID(int=self._bound.int - 1)

    def _drop_partitions(self) -> None:
        with self._store.reading() as connection:
            if not partitions.older(connection, self._bound):
                return
        with _alone(self._store) as connection:
            self._patiently("a partition", lambda: partitions.keep_away(connection))
            for week in partitions.older(connection, self._bound):
                refuse_pending(connection, self._bound)
                for table, name in week:
                    self._patiently(name, partial(partitions.take_off, connection, table, name), connection)
                self._patiently(week[0][1], self._drop_what_left)

    def _drop_what_left(self) -> None:
        """Count and drop in one transaction: a crash leaves both undone, or neither."""
        by_source, observed = Counter[int](), 0
        with self._store.writing() as connection:
            allow_long_queries(connection)
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
            for one in partitions.leaving(connection):
                if one.table == captures.name:
                    by_source += _by_source(connection, one.name)
                else:
                    observed += _rows_of(connection, one.name)
                connection.exec_driver_sql(f"DROP TABLE {one.name}")
            gone = self._count(connection, Extent(by_source.total(), observed), by_source)
        self._tell(gone)

    def _count(self, connection: Connection, gone: Extent, by_source: Counter[int]) -> Extent:
        """Write down what this transaction removes, as its last act: every ingest wants the sources."""
        added = {name: prunings.c[name] + rows for name, rows in asdict(gone).items()}
        connection.execute(update(prunings).where(prunings.c.id == self._id).values(added))
        for source_id, houses in sorted(by_source.items()):
            pruned = sources.c.pruned + houses
            connection.execute(update(sources).where(sources.c.id == source_id).values(pruned=pruned))
        return gone

    def _tell(self, gone: Extent) -> None:
        self._gone += gone
        self._told(gone)

    def _patiently(
        self, what: str, attempt: Callable[[], None], connection: Connection | None = None
    ) -> None:
        """Try until nobody holds what is wanted; raises PruneHeldUp."""
        for _ in range(self._tries):
            try:
                return attempt()
            except (OperationalError, StoreUnavailable) as fault:
                if not _is_held(fault):
                    raise
            self._pause(_BETWEEN_TRIES_SECONDS)
        raise PruneHeldUp(what, self._tries, partitions.readers(connection, what) if connection else [])


@contextmanager
def _alone(store: Store) -> Iterator[Connection]:
    """A connection whose statements commit by themselves and wait for locks only briefly.

    It is not used again: what it holds ends with it.
    """
    with store.reading() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.detach()
        connection.exec_driver_sql(f"SET lock_timeout = '{_LOCK_TIMEOUT}'")
        yield connection


def _by_source(connection: Connection, name: str) -> Counter[int]:
    found = connection.exec_driver_sql(f"SELECT source_id, count(*) AS houses FROM {name} GROUP BY source_id")  # noqa: S608
    return Counter({row.source_id: row.houses for row in found})


def _rows_of(connection: Connection, name: str) -> int:
    return int(connection.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar_one())  # noqa: S608


def _is_held(fault: Exception) -> bool:
    said = fault if isinstance(fault, OperationalError) else fault.__cause__
    return getattr(getattr(said, "orig", None), "pgcode", None) in _HELD


def _bound(moment: datetime) -> UUID:
    return partitions.first_id(partitions.milliseconds(moment))
