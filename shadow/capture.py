"""Capture: every answered house into this process's journal before the answer leaves.

The write happens on a thread of its own, because a hung disk can only be outwaited, never
interrupted: a request waits for it at most `write_seconds`, and while a write hangs further
captures are dropped at once and counted. docs/decisions/0002-journal.md tells the trade.

Outcomes go the same way. Whoever sends them is told when they were not taken and can send them again; so they
leave the last tenth of the journal to captures, which nobody can send again.
"""

from __future__ import annotations

import errno
import logging
import os
import select
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID, uuid4

from monitoring import logs
from shadow import entries, journal
from shadow.records import Inputs, ModelRef, Outcome
from shadow.room import JournalFull, Room
from shadow.settings import Settings

FULL, DISK, STALLED, CLOSED = "full", "disk", "stalled", "closed"
DROP_REASONS = (FULL, DISK, STALLED, CLOSED)
LATE = "late"
_log = logging.getLogger("umbra.capture")


class _Scribe:
    """Writes one process's segments, one after the other, and keeps their count of houses."""

    def __init__(self, directory: Path, room: Room, segment_bytes: int, name: Callable[[], str]) -> None:
        self._directory = directory
        self._room = room
        self._segment_bytes = segment_bytes
        self._name = name
        self._segment: journal.SegmentWriter | None = None
        self._offered = 0
        self._dropped: Counter[str] = Counter()
        self._told: Counter[str] = Counter()  # of the drops, those the segment's header says
        self._trouble: str | None = None

    def write(self, entry: bytes, houses: int) -> str | None:
        """Append one entry, without houses when it holds outcomes; returns the reason when it was dropped.

        Never raises.
        """
        reason = self._attempt(entry, outcomes=houses == 0)
        if reason is not None:
            if houses:
                self.count_dropped(reason, houses)
            self._make_way(0 if houses else self._room.worth_sealing)
            return reason
        self._offered += houses
        self._recovered()
        if self._told != self._dropped:
            self._tell()
        return None

    def count_dropped(self, reason: str, houses: int) -> None:
        """Count houses that were never handed over."""
        self._offered += houses
        self._dropped[reason] += houses
        self._tell()

    def seal(self) -> None:
        """Close the segment; the next begins with the drops that this one could not tell."""
        if self._segment is not None:
            self._segment.close()
            self._segment = None
            self._dropped -= self._told
            self._told = Counter()
            self._offered = self._dropped.total()

    def _attempt(self, entry: bytes, *, outcomes: bool) -> str | None:
        try:
            if outcomes:
                self._room.take_for_outcomes(len(entry))
            else:
                self._room.take(len(entry))
            self._append(entry)
        except JournalFull as fault:
            return FULL if outcomes else self._refused(FULL, fault)  # the answer tells of outcomes
        except OSError as fault:
            return self._refused(DISK, fault)
        return None

    def _append(self, entry: bytes) -> None:
        if self._segment is not None and self._segment.size >= self._segment_bytes:
            self.seal()
        segment = self._begun()
        segment.append(entries.numbered(entry, self._offered, self._dropped.total()))
        if segment.removed:
            self.seal()
            raise FileNotFoundError(errno.ENOENT, "the journal was deleted while it was being written")

    def _begun(self) -> journal.SegmentWriter:
        if self._segment is None:
            self._directory.mkdir(parents=True, exist_ok=True)
            self._segment = journal.SegmentWriter.create(self._directory, self._name(), self._dropped)
            self._told = self._dropped.copy()
        return self._segment

    def _make_way(self, least_bytes: int) -> None:
        """Seal a segment that holds entries: only then can ingest remove it, and there be room again."""
        if self._segment is not None and self._segment.size > max(journal.HEADER_BYTES, least_bytes):
            self.seal()

    def _tell(self) -> None:
        """Let the segment's header say what was dropped; if it cannot now, it says it with the next drop."""
        try:
            self._begun().note_dropped(self._dropped)
            self._told = self._dropped.copy()
        except OSError as fault:
            self._refused(DISK, fault)

    def _refused(self, reason: str, fault: OSError) -> str:
        if self._trouble != reason:
            logs.event(_log, "journal_refuses", level=logging.ERROR, reason=reason, error=fault)
        self._trouble = reason
        return reason

    def _recovered(self) -> None:
        if self._trouble is not None:
            logs.event(_log, "journal_recovered", reason=self._trouble)
        self._trouble = None


class _Signal:
    """Wakes one thread from another. A pipe, because the kernel runs its reader at once on the writer's CPU.

    There and back costs half of what two locks do (12 us instead of 20 in a busy process: benchmarks.steps).
    """

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        self._poll = select.poll()
        self._poll.register(self._reader, select.POLLIN)

    def send(self) -> None:
        """Wake the thread that waits, or the next one that will."""
        os.write(self._writer, b".")

    def wait(self) -> None:
        """Wait for one `send`."""
        os.read(self._reader, 1)

    def wait_within(self, seconds: float) -> bool:
        """Wait for one `send`, at most `seconds`; says whether it came."""
        if not self._poll.poll(1000 * seconds):
            return False
        self.wait()
        return True

    def close(self) -> None:
        """Give the descriptors back."""
        os.close(self._reader)
        os.close(self._writer)


class Recorder:
    """Records what one API process answers. Made after fork, one per process; safe for threads."""

    def __init__(self, scribe: _Scribe, write_seconds: float) -> None:
        self._scribe = scribe
        self._write_seconds = write_seconds
        self._turn = threading.Lock()  # one request at a time talks to the writing thread
        self._given, self._taken = _Signal(), _Signal()
        self._tally = threading.Lock()
        self._entry: tuple[bytes, int] | None = None
        self._reason: str | None = None
        self._in_flight = False
        self._closed = False
        self._stalled_houses = 0
        self._thread = threading.Thread(target=self._run, name="umbra-journal", daemon=True)
        self._thread.start()

    def record(
        self,
        *,
        request_id: str,
        live: ModelRef,
        capture_ids: Sequence[UUID],
        rows: Sequence[Inputs],
        dollars: Sequence[float],
        entities: Sequence[str | None] = (),
    ) -> str | None:
        """Put one answered request into the journal. Never raises; waits `write_seconds` at most.

        Returns None when the kernel has it; otherwise why it was dropped (DROP_REASONS), or LATE when
        the disk is still at it: then it is in the journal, or counted there as dropped, later.
        """
        entry = entries.encode(request_id, live, capture_ids, rows, dollars, entities)
        return self._offer(entry, len(rows))

    def record_outcomes(self, request_id: str, outcomes: Sequence[Outcome]) -> str | None:
        """Put outcomes into the journal, all of them or none, as `record` does with what was answered.

        None: they are kept. Otherwise send them again, also when it was LATE: what is kept twice counts once.
        """
        return self._offer(entries.encode_outcomes(request_id, outcomes), 0)

    def close(self) -> None:
        """Let the last write end, within its deadline, and seal the segment."""
        with self._turn:
            if self._closed:
                return
            self._closed = True
            self._given.send()
        self._thread.join(timeout=max(1.0, self._write_seconds))
        if not self._thread.is_alive():
            self._given.close()
            self._taken.close()

    def _offer(self, entry: bytes, houses: int) -> str | None:
        deadline = time.monotonic() + self._write_seconds
        if not self._turn.acquire(timeout=self._write_seconds):
            return self._stalled(houses)
        try:
            return self._hand_over(entry, houses, deadline)
        finally:
            self._turn.release()

    def _hand_over(self, entry: bytes, houses: int, deadline: float) -> str | None:
        if self._closed:
            return CLOSED
        if self._in_flight and not self._taken.wait_within(0.0):
            return self._stalled(houses)
        self._in_flight = True
        self._entry = (entry, houses)
        self._given.send()
        if not self._taken.wait_within(max(0.0, deadline - time.monotonic())):
            return LATE
        self._in_flight = False
        return self._reason

    def _stalled(self, houses: int) -> str:
        with self._tally:
            self._stalled_houses += houses
        return STALLED

    def _run(self) -> None:
        while True:
            self._given.wait()
            entry, self._entry = self._entry, None
            if entry is None:  # only `close` gives nothing, and only after what was given before it
                break
            self._reason = self._scribe.write(*entry)
            self._count_stalled()
            self._taken.send()
        self._count_stalled()
        self._scribe.seal()

    def _count_stalled(self) -> None:
        with self._tally:
            houses, self._stalled_houses = self._stalled_houses, 0
        if houses:
            self._scribe.count_dropped(STALLED, houses)


def open_recorder(settings: Settings) -> Recorder:
    """Make this process's recorder; touches no file until the first capture."""
    room = Room(settings.journal_dir, settings.journal_max_bytes, time.monotonic)
    scribe = _Scribe(settings.journal_dir, room, settings.journal_segment_bytes, _segment_name)
    return Recorder(scribe, settings.journal_write_seconds)


def _segment_name() -> str:
    return f"{time.time_ns() // 1_000_000:014d}-{uuid4().hex[:12]}"
