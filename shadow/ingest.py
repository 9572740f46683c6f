"""Ingest: moves the journal of one data directory into the store.

Captures, drops and the place reached are written in one transaction, so however often a stretch of
the journal is read again, it is stored once (promise P2). Run as `python -m shadow.ingest`; the
worker keeps it running.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

from monitoring import logs, metrics
from shadow import journal, processes
from shadow.accounting import Move, plan
from shadow.backoff import Backoff
from shadow.entries import Entry
from shadow.presence import Announcement
from shadow.settings import Settings
from shadow.store import Store, StoreUnavailable, captures, open_store, sources
from shadow.store.sources import UNREAD, SegmentProgress

_DRAIN_SECONDS = 10.0
_PEEK_BYTES = 1 << 16
_TELL_SECONDS = 1.0
_log = logging.getLogger("umbra.ingest")


class DirectoryTaken(processes.CannotRun):
    """Another ingest already serves this data directory."""


class Ingest:
    """Moves one data directory's journal; `step` is one transaction over all its segments."""

    def __init__(
        self,
        store: Store,
        directory: Path,
        directory_id: str,
        batch_bytes: int,
        measures: metrics.ShadowMetrics,
        clock: Callable[[], datetime],
    ) -> None:
        self._measures = measures
        self._store = store
        self._directory = directory
        self._directory_id = directory_id
        self._batch_bytes = batch_bytes
        self._clock = clock
        self._progress: dict[str, SegmentProgress] = {}
        self._certain = False  # whether the store is known to agree with _progress

    def step(self) -> int:
        """Move one batch; returns the captures moved. On StoreUnavailable nothing has changed."""
        with ExitStack() as stack:
            readers = [stack.enter_context(reader) for reader in _readers(self._directory)]
            if not self._certain:
                self._progress = self._load({reader.name for reader in readers})
                self._certain = True
            moves, finished = self._read(readers)
            if moves:
                self._commit(moves)
            # Unlinked only now, and forgotten by the store only when the file is gone: a crash in between
            # leaves a segment that is known to be read to its end.
            for reader in finished:
                reader.path.unlink(missing_ok=True)
        return sum(len(move.captures) for move in moves.values())

    def oldest_waiting(self) -> datetime | None:
        """When the oldest capture that is not in the store yet was answered."""
        moments = []
        for reader in _readers(self._directory):
            with reader:
                chunk = reader.read(self._at(reader).position, _PEEK_BYTES)
                entries = (Entry.parse(payload) for payload in chunk.entries if payload is not None)
                first = next((entry.captures[0] for entry in entries if entry and entry.captures), None)
                if first is not None:
                    moments.append(first.captured_at)
        return min(moments, default=None)

    def sync(self) -> None:
        """Force what waits to the disk, while it has to wait for the store."""
        for reader in _readers(self._directory):
            with reader:
                reader.sync()

    def _load(self, present: set[str]) -> dict[str, SegmentProgress]:
        with self._store.writing() as connection:
            source = sources.lock(connection, self._directory_id, self._clock())
            known = sources.progress(connection, source)
            sources.forget(connection, source, known.keys() - present)
        return known

    def _read(
        self, readers: list[journal.SegmentReader]
    ) -> tuple[dict[str, Move], list[journal.SegmentReader]]:
        moves, finished = {}, []
        for reader in readers:
            try:
                move, last = self._read_one(reader)
            except journal.UnreadableSegment as fault:
                logs.event(_log, "segment_set_aside", level=logging.ERROR, error=fault)
                reader.path.rename(reader.path.with_suffix(".refused"))
                continue
            if move.progress != self._at(reader):
                moves[reader.name] = move
            if last:
                finished.append(reader)
        return moves, finished

    def _read_one(self, reader: journal.SegmentReader) -> tuple[Move, bool]:
        sealed = reader.seal()  # before reading: what is read after it is all there will ever be
        at = self._at(reader)
        dropped = reader.dropped()
        chunk = reader.read(at.position, self._batch_bytes)
        last = sealed and chunk.reached_end
        return plan(at, chunk, dropped, last=last), last

    def _at(self, reader: journal.SegmentReader) -> SegmentProgress:
        return self._progress.get(reader.name, UNREAD)

    def _commit(self, moves: Mapping[str, Move]) -> None:
        known, self._certain = self._progress, False  # until the commit is known to have happened
        now, started = self._clock(), time.perf_counter()
        with self._store.writing() as connection:
            source = sources.lock(connection, self._directory_id, now)
            rows = [capture for move in moves.values() for capture in move.captures]
            sources.advance(connection, source, captures.insert(connection, source, rows))
            for name, move in moves.items():
                sources.set_progress(connection, source, name, move.progress, known=name in known)
                sources.record_drops(connection, source, name, move.lost, now)
        self._progress = known | {name: move.progress for name, move in moves.items()}
        self._certain = True
        self._tell(moves.values(), now, time.perf_counter() - started)

    def _tell(self, moves: Collection[Move], now: datetime, seconds: float) -> None:
        rows = [capture for move in moves for capture in move.captures]
        lost = sum((move.lost for move in moves), Counter[str]())
        self._measures.captures_stored.inc(len(rows))
        self._measures.journal_damaged.inc(sum(move.damaged_lines for move in moves))
        self._measures.ingest_batches.inc()
        self._measures.ingest_seconds.observe(seconds)
        if rows:
            age = (now - min(row.captured_at for row in rows)).total_seconds()
            logs.event(
                _log, "captures_stored", rows=len(rows), oldest_age_seconds=age, duration_seconds=seconds
            )
        if lost:
            logs.event(_log, "captures_lost", level=logging.ERROR, houses=dict(lost))


def _readers(directory: Path) -> Iterator[journal.SegmentReader]:
    for path in journal.segments(directory):
        try:
            yield journal.SegmentReader(path)
        except FileNotFoundError:
            continue


def directory_id(data_dir: Path) -> str:
    """The name by which the store knows this data directory; made when first asked for."""
    path = data_dir / "source-id"
    if not path.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.write_text(f"{uuid4()}\n")
        # link() refuses to replace: of two processes that come here at once, one name wins for both.
        with suppress(FileExistsError):
            path.hardlink_to(fresh)
        fresh.unlink()
    return str(UUID(path.read_text().strip()))


@contextmanager
def sole_ingest(data_dir: Path) -> Iterator[None]:
    """Be the only ingest of this data directory; raises DirectoryTaken."""
    with (data_dir / "ingest.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DirectoryTaken(
                f"another worker already serves {data_dir}; stop it, or give this one its own UMBRA_DATA_DIR"
            ) from None
        yield


def run(settings: Settings, stop: threading.Event, announcement: Announcement) -> None:
    """Move the journal until told to stop, then once more until it is empty."""
    store = open_store(settings.store)
    ingest = Ingest(
        store,
        settings.journal_dir,
        directory_id(settings.data_dir),
        settings.ingest_batch_bytes,
        metrics.shadowing(settings.metrics_files("worker")),
        _utc_now,
    )
    pause = Backoff(settings.poll_seconds, longest=5.0)
    with sole_ingest(settings.data_dir):
        told = 0.0
        while not stop.is_set():
            stop.wait(_step(ingest, pause, settings.poll_seconds))
            if time.monotonic() - told >= _TELL_SECONDS:
                oldest = ingest.oldest_waiting()
                announcement.tell(oldest_waiting_at=None if oldest is None else oldest.timestamp())
                told = time.monotonic()
        deadline = time.monotonic() + _DRAIN_SECONDS
        while time.monotonic() < deadline and _step(ingest, pause, 1.0) == 0:
            continue
    store.close()


def _step(ingest: Ingest, pause: Backoff, idle_seconds: float) -> float:
    """Move one batch; returns how long to wait before the next."""
    try:
        moved = ingest.step()
    except StoreUnavailable as fault:
        if pause.failures == 0:
            logs.event(_log, "store_away", level=logging.ERROR, error=fault)
        ingest.sync()
        return pause.next()
    if pause.failures:
        logs.event(_log, "store_back")
        pause.reset()
    return 0.0 if moved else idle_seconds


def _utc_now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    sys.exit(processes.main("ingest", run))
