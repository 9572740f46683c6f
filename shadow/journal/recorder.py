"""The recorder: every answered row goes into this process's journal before the answer leaves.

The write happens on a thread of its own, because a hung disk can only be outwaited, never interrupted: a
request waits for it at most `write_seconds`, and while a write hangs the recorder drops and counts further
captures at once (`shadow.journal.tally`). docs/decisions/0002-journal.md explains the trade.

Outcomes go the same way. A client learns when the journal did not take its outcomes and can send them again;
so they leave the last tenth of the journal to captures, which nobody can send again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from uuid import UUID, uuid4

from model_package.reference import ModelRef
from shadow.journal import entries
from shadow.journal.capture_result import KEPT, LATE, CaptureResult
from shadow.journal.file_names import FileNames
from shadow.journal.quota import JournalQuota
from shadow.journal.tally import Tally
from shadow.journal.thread_signal import ThreadSignal
from shadow.journal.writer import CHECK_SECONDS, JournalWriter
from shadow.records import Inputs, Outcome
from shadow.settings import Settings


class Recorder:
    """Records what one API process answers. Made after fork, one per process; safe for threads."""

    def __init__(self, writer: JournalWriter, write_seconds: float) -> None:
        self._writer = writer
        self._tally = writer.tally
        self._write_seconds = write_seconds
        self._turn = threading.Lock()  # one request at a time talks to the writing thread
        self._offered, self._done = ThreadSignal(), ThreadSignal()
        self._entry: tuple[bytes, int] | None = None
        self._result = KEPT
        self._is_writing = False
        self._is_closed = False
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
    ) -> CaptureResult:
        """Put one answered request into the journal. Never raises; waits `write_seconds` at most."""
        entry = entries.encode(request_id, live, capture_ids, rows, dollars, entities)
        return self._offer(entry, len(rows))

    def record_outcomes(self, request_id: str, outcomes: Sequence[Outcome]) -> CaptureResult:
        """Put outcomes into the journal, all of them or none, as `record` does with captures.

        Unless they are kept, send them again, also when they are late: an outcome that arrives twice counts
        once.
        """
        return self._offer(entries.encode_outcomes(request_id, outcomes), 0)

    def close(self) -> None:
        """Let the last write end, within its deadline, and seal the journal file."""
        with self._turn:
            if self._is_closed:
                return
            self._is_closed = True
            self._offered.send()
        self._thread.join(timeout=max(1.0, self._write_seconds))
        if not self._thread.is_alive():
            self._offered.close()
            self._done.close()

    def _offer(self, entry: bytes, rows: int) -> CaptureResult:
        deadline = time.monotonic() + self._write_seconds
        if not self._turn.acquire(timeout=self._write_seconds):
            return self._drop(CaptureResult.STALLED, rows)
        try:
            return self._await_write(entry, rows, deadline)
        finally:
            self._turn.release()

    def _await_write(self, entry: bytes, rows: int, deadline: float) -> CaptureResult:
        if self._is_closed:
            return self._drop(CaptureResult.CLOSED, rows)
        if self._is_writing and not self._done.wait_within(0.0):
            return self._drop(CaptureResult.STALLED, rows)
        self._is_writing = True
        self._entry = (entry, rows)
        self._tally.begin_write(rows)
        self._offered.send()
        if not self._done.wait_within(max(0.0, deadline - time.monotonic())):
            self._tally.mark_late()
            return LATE
        self._is_writing = False
        return self._result

    def _drop(self, reason: CaptureResult, rows: int) -> CaptureResult:
        if rows:
            self._tally.count_dropped(reason, rows)
        return reason

    def _run(self) -> None:
        self._tally.open()
        while True:
            while not self._offered.wait_within(CHECK_SECONDS):
                self._writer.check_files()
            entry, self._entry = self._entry, None
            if entry is None:  # only `close` offers nothing, and only after all entries offered before it
                break
            self._result = self._writer.write(*entry)
            self._done.send()
        self._writer.close()


def open_recorder(settings: Settings, *, has_tally: bool = True) -> Recorder:
    """Make this process's recorder; touches no file but its tally until the first capture.

    A recorder of outcomes alone needs no tally: a client sends dropped outcomes again, nobody counts them.
    """
    directory, writer = settings.journal_dir, uuid4().hex[:12]
    names = FileNames(directory, writer, time.time_ns)
    # Besides the API's processes there may be one that imports outcomes.
    quota = JournalQuota(directory, settings.journal_max_bytes, time.monotonic, settings.api_workers + 1)
    tally = Tally(writer, settings.tally_dirs if has_tally else ())
    journal = JournalWriter(directory, quota, settings.journal_segment_bytes, names, tally)
    return Recorder(journal, settings.journal_write_seconds)
