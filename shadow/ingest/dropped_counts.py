"""Dropped counts: record what the writers of the journal dropped in the store, exactly once.

A writer counts over its whole life, in up to three files: the headers of its journal files, its tally in
memory and the one on disk. Whichever ingest reads, and however often, it records the difference to what the
store has under the writer's name, in the transaction that locks the source. So a crash at any moment repeats
or loses nothing.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from monitoring import logs
from shadow.ingest.accounting import ExpectedRows
from shadow.journal import journal_file, tally
from shadow.journal.tally import WriterCounts
from shadow.store import Store, sources

_log = logging.getLogger("umbra.ingest")


def log_lost(lost: Mapping[str, int]) -> None:
    """Log rows that can never be scored, a line per reason."""
    for reason, rows in lost.items():
        logs.event(_log, "captures_lost", level=logging.ERROR, reason=reason, rows=rows)


class Tallies:
    """The tallies of one data directory's writers."""

    def __init__(self, directories: Iterable[Path], journal_dir: Path) -> None:
        self._directories = tuple(directories)
        self._journal_dir = journal_dir
        self._recorded: dict[str, Mapping[str, int]] = {}  # by this process

    def take_over(self, store: Store, directory_id: str, clock: Callable[[], datetime]) -> bool:
        """Record new counts of the tallies, and remove tallies that no journal file needs any more.

        Return whether there were new counts. Raises StoreUnavailable; then nothing has changed.
        """
        abandoned = self._abandoned()  # before reading: their writers add nothing after it
        ended = {path.stem for path in abandoned}
        new_counts = {
            writer: counts.dropped
            for writer, counts in self._counts().items()
            if counts.dropped and (writer in ended or counts.dropped != self._recorded.get(writer))
        }
        if new_counts:
            self._record(store, directory_id, clock(), new_counts)
        for path in abandoned:
            with suppress(OSError):
                path.unlink(missing_ok=True)
        return bool(new_counts)

    def forget_recorded(self) -> None:
        """Compare every tally with the store again: it may have forgotten what was recorded."""
        self._recorded = {}

    def expected_rows(self, name: str) -> ExpectedRows | None:
        """Return the rows that the last journal file of a killed writer should hold, if a tally has them."""
        for counts in self._counts().values():
            if counts.file == name:
                return ExpectedRows(counts.written - counts.before, counts.late)
        return None

    def _record(
        self, store: Store, directory_id: str, now: datetime, new_counts: Mapping[str, Mapping[str, int]]
    ) -> None:
        lost = Counter[str]()
        with store.writing() as connection:
            source = sources.lock(connection, directory_id, now)
            for writer, dropped in new_counts.items():
                lost += sources.record_new_drops(connection, source, writer, dropped, now)
        self._recorded |= new_counts
        log_lost(lost)

    def _counts(self) -> dict[str, WriterCounts]:
        """Return the counts of each writer, from the newest of its tallies."""
        newest: dict[str, WriterCounts] = {}
        for path in tally.files(self._directories):
            with suppress(OSError):
                counts = tally.read(path)
                if counts is not None and (
                    counts.writer not in newest or counts.age > newest[counts.writer].age
                ):
                    newest[counts.writer] = counts
        return newest

    def _abandoned(self) -> Collection[Path]:
        """Return the tallies of dead writers of which no journal file is left."""
        dead = [path for path in tally.files(self._directories) if _is_dead(path)]
        names = [file.name for file in journal_file.paths(self._journal_dir)] if dead else []
        return [path for path in dead if not any(path.stem in name for name in names)]


def _is_dead(path: Path) -> bool:
    try:
        return not tally.has_writer(path)
    except OSError:
        return False
