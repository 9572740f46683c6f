"""Ingest: moves the journal of one data directory into the store.

Captures, outcomes, drops and the place reached are written in one transaction, so however often a
stretch of the journal is read again, it is stored once (promise P2). Run as `python -m shadow.ingest`; the
worker keeps it running.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

from monitoring import logs, metrics
from shadow import journal, processes
from shadow.accounting import Move, plan
from shadow.backoff import Backoff
from shadow.entries import Entry
from shadow.house_lines import NO_LINES, HouseLines
from shadow.presence import Announcement
from shadow.settings import Settings
from shadow.store import Store, StoreRefused, StoreUnavailable, captures, open_store, outcomes, sources
from shadow.store.sources import UNREAD, SegmentProgress
from shadow.version import umbra_version

_DRAIN_SECONDS = 10.0
_PEEK_BYTES = 1 << 16
_TELL_SECONDS = 1.0
_log = logging.getLogger("umbra.ingest")


class Ingest:
    """Moves one data directory's journal; `step` is one transaction."""

    def __init__(
        self,
        store: Store,
        directory: Path,
        directory_id: str,
        batch_bytes: int,
        measures: metrics.ShadowMetrics,
        clock: Callable[[], datetime],
        lines: HouseLines = NO_LINES,
    ) -> None:
        self._lines = lines
        self._measures = measures
        self._store = store
        self._directory = directory
        self._directory_id = directory_id
        self._batch_bytes = batch_bytes
        self._clock = clock
        self._progress: dict[str, SegmentProgress] = {}
        self._certain = False  # whether the store is known to agree with _progress
        self._served = ""  # the file that was read last

    def step(self) -> int:
        """Move one batch; returns how many captures and outcomes. On StoreUnavailable nothing has changed."""
        paths = list(journal.segments(self._directory))
        if not self._certain:
            self._progress = self._load({journal.name_of(path) for path in paths})
            self._certain = True
        readings = self._read(self._in_turn(paths))
        moves = {
            name: move
            for name, (move, _) in readings.items()
            if move.progress != self._at(name) or move.damaged_lines
        }
        try:
            if moves:
                self._commit(moves)
        except StoreRefused as fault:
            self._set_aside(moves, fault)
            return 0
        # Unlinked only now, and forgotten by the store only when the file is gone: a crash in between
        # leaves a segment that is known to be read to its end.
        for name, (_, last) in readings.items():
            if last:
                journal.path_of(self._directory, name).unlink(missing_ok=True)
        return sum(len(move.captures) + len(move.outcomes) for move in moves.values())

    def oldest_waiting(self) -> datetime | None:
        """When the oldest capture or outcome that is not in the store yet came in."""
        moments = []
        for reader in _readers(self._directory):
            with reader:
                chunk = reader.read(self._at(reader.name).position, _PEEK_BYTES)
                entries = (Entry.parse(payload) for payload in chunk.entries if payload is not None)
                first = next((entry.since for entry in entries if entry and entry.since), None)
                if first is not None:
                    moments.append(first)
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

    def _in_turn(self, paths: list[Path]) -> list[Path]:
        """The segments after the one served last come first, so that no busy one keeps others waiting."""
        return [p for p in paths if p.name > self._served] + [p for p in paths if p.name <= self._served]

    def _read(self, paths: Sequence[Path]) -> dict[str, tuple[Move, bool]]:
        """Read segments until there is enough for one transaction; says of each if it is read to its end."""
        readings: dict[str, tuple[Move, bool]] = {}
        room = self._batch_bytes
        for path in paths:
            try:
                with journal.SegmentReader(path) as reader:
                    move, last = self._read_one(reader)
            except FileNotFoundError:
                continue
            except journal.UnreadableSegment as fault:
                self._put_away(path, fault)
                continue
            readings[journal.name_of(path)] = move, last
            self._served = path.name
            room -= move.progress.position - self._at(journal.name_of(path)).position
            if room <= 0:
                break
        return readings

    def _read_one(self, reader: journal.SegmentReader) -> tuple[Move, bool]:
        sealed = reader.seal()  # before reading: what is read after it is all there will ever be
        at = self._at(reader.name)
        dropped = reader.dropped()
        chunk = reader.read(at.position, self._batch_bytes)
        last = sealed and chunk.reached_end
        return plan(at, chunk, dropped, last=last), last

    def _at(self, name: str) -> SegmentProgress:
        return self._progress.get(name, UNREAD)

    def _set_aside(self, moves: Mapping[str, Move], fault: StoreRefused) -> None:
        """Find which segments the store refuses (one restored from a copy, say) and go on without them."""
        for name, move in moves.items():
            try:
                self._commit({name: move})
            except StoreRefused:
                self._put_away(journal.path_of(self._directory, name), fault)

    def _put_away(self, path: Path, fault: Exception) -> None:
        """Set a segment aside, once its writer is gone; until then it is left alone."""
        with journal.SegmentReader(path) as reader:
            if not reader.seal():
                return
        path.rename(path.with_suffix(".refused"))
        logs.event(_log, "segment_set_aside", level=logging.ERROR, error=fault, segment=path.name)

    def _commit(self, moves: Mapping[str, Move]) -> None:
        known, self._certain = self._progress, False  # until the commit is known to have happened
        now, started = self._clock(), time.perf_counter()
        with self._store.writing() as connection:
            source = sources.lock(connection, self._directory_id, now)
            taken = [capture for move in moves.values() for capture in move.captures]
            reported = [outcome for move in moves.values() for outcome in move.outcomes]
            last_seq = captures.insert(connection, source, taken)
            last_outcome_seq = outcomes.insert(connection, source, reported, now)
            asked = captures.request_ids(connection, self._lines.with_lines(o.capture_id for o in reported))
            sources.advance(connection, source, last_seq, last_outcome_seq)
            for name, move in moves.items():
                sources.set_progress(connection, source, name, move.progress, known=name in known)
                sources.record_drops(connection, source, name, move.lost, now)
        self._progress = known | {name: move.progress for name, move in moves.items()}
        self._certain = True
        self._tell(moves.values(), now, time.perf_counter() - started)
        self._lines.reported(reported, asked)

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
        self._lines.captured(rows)
        for reason, houses in lost.items():
            logs.event(_log, "captures_lost", level=logging.ERROR, reason=reason, rows=houses)


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


def run(settings: Settings, stop: threading.Event, announcement: Announcement) -> None:
    """Move the journal until told to stop, then once more until it is empty."""
    store = open_store(settings.store)
    measures = metrics.shadowing(settings.metrics_files("worker"))
    measures.build[(umbra_version(),)].set(1)
    ingest = Ingest(
        store,
        settings.journal_dir,
        directory_id(settings.data_dir),
        settings.ingest_batch_bytes,
        measures,
        _utc_now,
        HouseLines.of(settings),
    )
    pause = Backoff(settings.poll_seconds, longest=5.0)
    with processes.sole(settings.data_dir, "ingest"):
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
    sys.exit(processes.main("ingest", run, when_orphaned=signal.SIGKILL))
