"""The writer of the journal: one process's journal files, one after the other."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from monitoring import logs
from shadow.journal import entries, journal_file
from shadow.journal.capture_result import KEPT, CaptureResult
from shadow.journal.file_writer import JournalFileWriter
from shadow.journal.quota import JournalFull, JournalQuota
from shadow.journal.tally import Tally

CHECK_SECONDS = 1.0
_LINE_BYTES = 64  # at most, around an entry
_MAX_FINISHED = 64
_log = logging.getLogger("umbra.capture")


class JournalWriter:
    """Writes one process's journal files, one after the other, and keeps the tally."""

    def __init__(
        self,
        directory: Path,
        quota: JournalQuota,
        file_bytes: int,
        name: Callable[[], str],
        tally: Tally | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tally = Tally() if tally is None else tally
        self._directory = directory
        self._quota = quota
        self._file_bytes = file_bytes
        self._name = name
        self._monotonic = monotonic
        self._file: JournalFileWriter | None = None
        self._missing: list[JournalFileWriter] = []  # files that no reader finds, still open
        self._finished: list[JournalFileWriter] = []  # files that ingest may not have read yet, still open
        self._check_at = 0.0
        self._saved_drops: Mapping[str, int] = {}  # drops that the newest header counts
        self._is_unfinished = False  # whether a file lacks the number of its rows
        self._failure: CaptureResult | None = None

    def write(self, entry: bytes, rows: int) -> CaptureResult:
        """Append one entry, without rows when it holds outcomes. Never raises."""
        if self._monotonic() >= self._check_at:
            self.check_files()
        result = self._try_append(entry, rows)
        if result is not KEPT:
            if rows:
                self.tally.count_refused(result, rows)
                self.save_drops()
            self._seal_larger_than(0 if rows else self._quota.bytes_worth_sealing)
            return result
        self.tally.count_written(rows)
        self._log_recovery()
        if self._saved_drops != self.tally.dropped:
            self.save_drops()
        return result

    def count_dropped(self, reason: CaptureResult, rows: int) -> None:
        """Count rows that never reached this writer."""
        self.tally.count_dropped(reason, rows)
        self.save_drops()

    def save_drops(self) -> None:
        """Save the drops on disk; what the disk refuses now, the next drop saves."""
        dropped = self.tally.dropped
        if dropped == self._saved_drops:
            return
        self.tally.save()
        try:
            self._open_file().write_dropped(dropped)
            self._saved_drops = dropped
        except OSError as fault:
            self._log_failure(CaptureResult.DISK, fault)

    def check_files(self) -> None:
        """Put back the files that a reader of the directory does not find. Never raises."""
        self._check_at = self._monotonic() + CHECK_SECONDS
        file = self._file
        if file is not None and file.is_missing(self._directory) and not self._put_back(file):
            self._missing.append(file)
            self._forget_file()
        self._check_finished()
        for file in list(self._missing):
            if self._put_back(file):
                self._missing.remove(file)
                self._finish(file)

    def _check_finished(self) -> None:
        """Note files that went with their directory; a file gone from it alone was read by ingest."""
        for file in list(self._finished):
            if not file.is_missing(self._directory):
                continue
            self._finished.remove(file)
            if file.is_left_behind(self._directory):
                self._missing.append(file)
            else:
                file.close()

    def _put_back(self, file: JournalFileWriter) -> bool:
        try:
            file.put_back(self._directory)
        except OSError as fault:
            self._log_failure(CaptureResult.DISK, fault)
            return False
        logs.event(_log, "journal_file_put_back", level=logging.WARNING, rows=file.rows)
        return True

    def seal(self) -> None:
        """Close the journal file; the next begins with all drops so far."""
        if self._file is not None and self._file.is_missing(self._directory):
            self.check_files()
        if self._file is not None and self._finish(self._file):
            self._forget_file()
        elif self._file is not None:  # the tally still has the number of its rows
            self._file, self._is_unfinished = None, True

    def _finish(self, file: JournalFileWriter) -> bool:
        """Finish a file, open until ingest has read it; return whether its header has its rows."""
        if not file.finish():
            return False
        self._finished.append(file)
        if len(self._finished) > _MAX_FINISHED:
            self._finished.pop(0).close()
        return True

    def close(self) -> None:
        """Count what cannot be put back, and leave the tally to ingest if that has to record it."""
        self.save_drops()
        self.seal()
        self.check_files()
        for file in self._missing:
            self.tally.count_dropped(CaptureResult.DISK, file.rows)
        for file in [*self._missing, *self._finished]:
            file.close()
        dropped = self.tally.dropped
        is_saved = self.tally.close(needed=bool(dropped) or self._is_unfinished)
        if not is_saved and self._saved_drops != dropped:
            for reason, rows in dropped.items():
                logs.event(_log, "dropped_count_not_saved", level=logging.ERROR, reason=reason, rows=rows)

    def _forget_file(self) -> None:
        self._file = None
        self.tally.begin_file("")

    def _try_append(self, entry: bytes, rows: int) -> CaptureResult:
        needed = len(entry) + _LINE_BYTES + (journal_file.HEADER_BYTES if self._file is None else 0)
        try:
            if rows:
                self._quota.reserve(needed)
            else:
                self._quota.reserve_for_outcomes(needed)
            self._append(entry, rows)
        except JournalFull as fault:
            if rows:  # of outcomes the answer says so
                self._log_failure(CaptureResult.FULL, fault)
            return CaptureResult.FULL
        except OSError as fault:
            self._log_failure(CaptureResult.DISK, fault)
            return CaptureResult.DISK
        return KEPT

    def _append(self, entry: bytes, rows: int) -> None:
        if self._file is not None and self._file.size >= self._file_bytes:
            self.seal()
        file = self._open_file()
        try:
            file.append(entries.numbered(entry, file.rows), rows)
        finally:
            if file.torn:  # half a line stands there: nothing may follow it
                self.seal()
        if file.removed:
            self.check_files()

    def _open_file(self) -> JournalFileWriter:
        if self._file is None:
            self._directory.mkdir(parents=True, exist_ok=True)
            dropped, name = self.tally.dropped, self._name()
            self._file = JournalFileWriter.create(self._directory, name, dropped, self.tally.writer)
            self._saved_drops = dropped
            self.tally.begin_file(name)
        return self._file

    def _seal_larger_than(self, least_bytes: int) -> None:
        """Seal a file that holds entries: only then can ingest remove it, and there be room again."""
        if self._file is not None and self._file.size > max(journal_file.HEADER_BYTES, least_bytes):
            self.seal()

    def _log_failure(self, reason: CaptureResult, fault: OSError) -> None:
        if self._failure is not reason:
            logs.event(_log, "journal_refuses", level=logging.ERROR, reason=reason.value, error=fault)
        self._failure = reason

    def _log_recovery(self) -> None:
        if self._failure is not None:
            logs.event(_log, "journal_recovered", reason=self._failure.value)
        self._failure = None
