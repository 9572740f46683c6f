"""Capture: every answered house into this process's journal before the answer leaves.

The write happens on a thread of its own, because a hung disk can only be outwaited, never
interrupted: a request waits for it at most `write_seconds`, and while a write hangs further
captures are dropped at once and counted (`shadow.journal.tally`). docs/decisions/0002-journal.md tells the
trade.

Outcomes go the same way. Whoever sends them is told when they were not taken and can send them again; so they
leave the last tenth of the journal to captures, which nobody can send again.
"""

from __future__ import annotations

import logging
import os
import select
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from uuid import UUID, uuid4

from model_package.reference import ModelRef
from monitoring import logs
from shadow.journal import entries, journal_file
from shadow.journal.quota import JournalFull, Room
from shadow.journal.tally import CLOSED, DISK, DROP_REASONS, FULL, STALLED, Tally
from shadow.records import Inputs, Outcome
from shadow.settings import Settings

__all__ = ["CLOSED", "DISK", "DROP_REASONS", "FULL", "LATE", "STALLED", "Recorder", "open_recorder"]

LATE = "late"
LOOK_SECONDS = 1.0
_LINE_BYTES = 64  # at most, around an entry
_HANDED_OVER_MOST = 64
_DIGITS = 14  # of the milliseconds in a file's name, the first of them 0 until the year 5138
_log = logging.getLogger("umbra.capture")


class _Scribe:
    """Writes one process's journal files, one after the other, and keeps the tally."""

    def __init__(
        self,
        directory: Path,
        room: Room,
        segment_bytes: int,
        name: Callable[[], str],
        tally: Tally | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tally = Tally() if tally is None else tally
        self._directory = directory
        self._room = room
        self._segment_bytes = segment_bytes
        self._name = name
        self._monotonic = monotonic
        self._segment: journal_file.JournalFileWriter | None = None
        self._missing: list[journal_file.JournalFileWriter] = []  # files that no reader finds, still open
        self._handed_over: list[
            journal_file.JournalFileWriter
        ] = []  # files that ingest may not have read yet, open
        self._look_at = 0.0
        self._told: Mapping[str, int] = {}  # drops that the newest header counts
        self._unclosed = False  # whether a file lacks the number of its rows
        self._trouble: str | None = None

    def write(self, entry: bytes, rows: int) -> str | None:
        """Append one entry, without rows when it holds outcomes; returns the reason when it was dropped.

        Never raises.
        """
        if self._monotonic() >= self._look_at:
            self.look()
        reason = self._attempt(entry, rows)
        if reason is not None:
            if rows:
                self.tally.count_refused(reason, rows)
                self.note_dropped()
            self._make_way(0 if rows else self._room.worth_sealing)
            return reason
        self.tally.count_written(rows)
        self._recovered()
        if self._told != self.tally.dropped:
            self.note_dropped()
        return None

    def count_dropped(self, reason: str, rows: int) -> None:
        """Count rows that were never handed over."""
        self.tally.count_dropped(reason, rows)
        self.note_dropped()

    def note_dropped(self) -> None:
        """Let the disk know what was dropped; what it does not take now it is given with the next drop."""
        dropped = self.tally.dropped
        if dropped == self._told:
            return
        self.tally.save()
        try:
            self._begun().note_dropped(dropped)
            self._told = dropped
        except OSError as fault:
            self._refused(DISK, fault)

    def look(self) -> None:
        """Put back the files that a reader of the directory does not find. Never raises."""
        self._look_at = self._monotonic() + LOOK_SECONDS
        file = self._segment
        if file is not None and file.is_missing(self._directory) and not self._put_back(file):
            self._missing.append(file)
            self._forget_segment()
        self._look_at_handed_over()
        for file in list(self._missing):
            if self._put_back(file):
                self._missing.remove(file)
                self._hand_over(file)

    def _look_at_handed_over(self) -> None:
        """Miss those that went with their directory; a file that is gone from it alone was read by ingest."""
        for file in list(self._handed_over):
            if not file.is_missing(self._directory):
                continue
            self._handed_over.remove(file)
            if file.is_left_behind(self._directory):
                self._missing.append(file)
            else:
                file.close()

    def _put_back(self, file: journal_file.JournalFileWriter) -> bool:
        try:
            file.put_back(self._directory)
        except OSError as fault:
            self._refused(DISK, fault)
            return False
        logs.event(_log, "journal_file_put_back", level=logging.WARNING, rows=file.rows)
        return True

    def seal(self) -> None:
        """Close the journal file; the next begins with all drops so far."""
        if self._segment is not None and self._segment.is_missing(self._directory):
            self.look()
        if self._segment is not None and self._hand_over(self._segment):
            self._forget_segment()
        elif self._segment is not None:  # the tally goes on telling how many rows are in it
            self._segment, self._unclosed = None, True

    def _hand_over(self, file: journal_file.JournalFileWriter) -> bool:
        """Close a file for good, open for us until ingest has read it; says whether it tells its rows."""
        if not file.finish():
            return False
        self._handed_over.append(file)
        if len(self._handed_over) > _HANDED_OVER_MOST:
            self._handed_over.pop(0).close()
        return True

    def close(self) -> None:
        """End: count what cannot be put back, and leave the tally to be recorded if that is needed."""
        self.note_dropped()
        self.seal()
        self.look()
        for file in self._missing:
            self.tally.count_dropped(DISK, file.rows)
        for file in [*self._missing, *self._handed_over]:
            file.close()
        dropped = self.tally.dropped
        if not self.tally.close(needed=bool(dropped) or self._unclosed) and self._told != dropped:
            for reason, rows in dropped.items():
                logs.event(_log, "dropped_count_not_saved", level=logging.ERROR, reason=reason, rows=rows)

    def _forget_segment(self) -> None:
        self._segment = None
        self.tally.begin_file("")

    def _attempt(self, entry: bytes, rows: int) -> str | None:
        needed = len(entry) + _LINE_BYTES + (journal_file.HEADER_BYTES if self._segment is None else 0)
        try:
            if rows:
                self._room.take(needed)
            else:
                self._room.take_for_outcomes(needed)
            self._append(entry, rows)
        except JournalFull as fault:
            return self._refused(FULL, fault) if rows else FULL  # the answer tells of outcomes
        except OSError as fault:
            return self._refused(DISK, fault)
        return None

    def _append(self, entry: bytes, rows: int) -> None:
        if self._segment is not None and self._segment.size >= self._segment_bytes:
            self.seal()
        segment = self._begun()
        try:
            segment.append(entries.numbered(entry, segment.rows), rows)
        finally:
            if segment.torn:  # half a line stands there: nothing may follow it
                self.seal()
        if segment.removed:
            self.look()

    def _begun(self) -> journal_file.JournalFileWriter:
        if self._segment is None:
            self._directory.mkdir(parents=True, exist_ok=True)
            dropped, name = self.tally.dropped, self._name()
            self._segment = journal_file.JournalFileWriter.create(
                self._directory, name, dropped, self.tally.writer
            )
            self._told = dropped
            self.tally.begin_file(name)
        return self._segment

    def _make_way(self, least_bytes: int) -> None:
        """Seal a file that holds entries: only then can ingest remove it, and there be room again."""
        if self._segment is not None and self._segment.size > max(journal_file.HEADER_BYTES, least_bytes):
            self.seal()

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
        self._tally = scribe.tally
        self._write_seconds = write_seconds
        self._turn = threading.Lock()  # one request at a time talks to the writing thread
        self._given, self._taken = _Signal(), _Signal()
        self._entry: tuple[bytes, int] | None = None
        self._reason: str | None = None
        self._in_flight = False
        self._closed = False
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
            return self._dropped(STALLED, houses)
        try:
            return self._hand_over(entry, houses, deadline)
        finally:
            self._turn.release()

    def _hand_over(self, entry: bytes, houses: int, deadline: float) -> str | None:
        if self._closed:
            return self._dropped(CLOSED, houses)
        if self._in_flight and not self._taken.wait_within(0.0):
            return self._dropped(STALLED, houses)
        self._in_flight = True
        self._entry = (entry, houses)
        self._tally.begin_write(houses)
        self._given.send()
        if not self._taken.wait_within(max(0.0, deadline - time.monotonic())):
            self._tally.mark_late()
            return LATE
        self._in_flight = False
        return self._reason

    def _dropped(self, reason: str, houses: int) -> str:
        if houses:
            self._tally.count_dropped(reason, houses)
        return reason

    def _run(self) -> None:
        self._tally.open()
        while True:
            while not self._given.wait_within(LOOK_SECONDS):
                self._scribe.look()
            entry, self._entry = self._entry, None
            if entry is None:  # only `close` gives nothing, and only after what was given before it
                break
            self._reason = self._scribe.write(*entry)
            self._taken.send()
        self._scribe.close()


def open_recorder(settings: Settings, *, has_tally: bool = True) -> Recorder:
    """Make this process's recorder; touches no file but its tally until the first capture.

    Whoever records outcomes alone needs no tally: what is dropped of these is not counted but sent again.
    """
    writer = uuid4().hex[:12]
    names = FileNames(settings.journal_dir, writer, time.time_ns)
    # Besides the API's processes there may be one that imports outcomes.
    room = Room(settings.journal_dir, settings.journal_max_bytes, time.monotonic, settings.api_workers + 1)
    tally = Tally(writer, settings.tally_dirs if has_tally else ())
    scribe = _Scribe(settings.journal_dir, room, settings.journal_segment_bytes, names, tally)
    return Recorder(scribe, settings.journal_write_seconds)


class FileNames:
    """Names for the journal files of one writer, which sort in the order of their making.

    A name begins with the time in milliseconds, or with what follows the newest name in the directory when
    the clock was set back. Raises OSError when the directory cannot be read.
    """

    def __init__(self, directory: Path, writer: str, clock_ns: Callable[[], int]) -> None:
        self._directory = directory
        self._writer = writer
        self._clock_ns = clock_ns
        self._newest = 0

    def __call__(self) -> str:
        """Give the next name."""
        present = (_begun_at(path.name) for path in journal_file.paths(self._directory))
        self._newest = max(self._clock_ns() // 1_000_000, 1 + max(present, default=0), 1 + self._newest)
        return f"{self._newest:014d}-{self._writer}"


def _begun_at(name: str) -> int:
    """The milliseconds that a name begins with; 0 when it is not one of ours."""
    digits = name.partition("-")[0]
    return int(digits) if digits.isdecimal() and len(digits) == _DIGITS and digits[0] == "0" else 0
