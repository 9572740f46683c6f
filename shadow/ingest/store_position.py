"""The store's position in the journal, and how ingest notices that the store went back in time.

A store goes back when a copy is restored or a replica that lagged takes over. Ingest compares the store's
position with what the store once acknowledged, and reads again what it has forgotten, from stored files.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from monitoring import logs
from shadow.ingest.accounting import DAMAGED, ReconciledChunk
from shadow.ingest.dropped_counts import Tallies
from shadow.journal import journal_file, stored_files
from shadow.journal.file_reader import JournalFileReader
from shadow.source import acknowledged
from shadow.source.acknowledged import Acknowledged, AcknowledgedFile
from shadow.source.ownership import SourceOwnership
from shadow.store import Connection, Store, sources
from shadow.store.sources import UNREAD, JournalFileProgress, ProgressDiffers, Source, SourceTotals

_PEEK_BYTES = 1 << 16
_log = logging.getLogger("umbra.ingest")


class StorePosition:
    """How far the store is with the journal of one data directory, and what it once acknowledged."""

    def __init__(
        self,
        store: Store,
        directory: Path,
        directory_id: str,
        clock: Callable[[], datetime],
        tallies: Tallies,
        ownership: SourceOwnership | None,
    ) -> None:
        self._store = store
        self._directory = directory
        self._directory_id = directory_id
        self._clock = clock
        self._tallies = tallies
        self._ownership = ownership
        self._acknowledged = AcknowledgedFile(acknowledged.path_of(directory), directory_id)
        self._source: Source | None = None  # None: the position has to be read from the store (again)
        self._progress: dict[str, JournalFileProgress] = {}
        self._damaged = Counter[str]()  # rows of damaged lines that the store counted, and forgot, by file
        self._compared: set[str] = set()  # stored files whose end was compared with the store's position
        self._is_loss_logged = False
        self.dropped: dict[str, dict[str, int]] = {}
        """Rows that the store counts as dropped, by name and reason."""
        self.forgotten: dict[str, Path] = {}
        """Stored files that the store has forgotten, in whole or in part, by name."""
        self.removed: set[str] = set()
        """Files that are gone for good, and that the store still knows."""

    @property
    def is_known(self) -> bool:
        """Whether the position has been read, and no transaction since has an unknown end."""
        return self._source is not None

    @property
    def progress(self) -> Mapping[str, JournalFileProgress]:
        """How far the store has each journal file, by name."""
        return self._progress

    def at(self, name: str) -> JournalFileProgress:
        """Return how far the store has a journal file."""
        return self._progress.get(name, UNREAD)

    def known(self) -> tuple[Source, dict[str, JournalFileProgress]]:
        """Return source and progress; raises ProgressDiffers when they have to be read first."""
        if self._source is None:
            raise ProgressDiffers("what the store knows has not been read")
        return self._source, self._progress

    def invalidate(self) -> None:
        """Have the position read again, unless `restore` or `advance` follows."""
        self._source = None

    def restore(self, source: Source) -> None:
        """Return to the position before `invalidate`: the transaction was rolled back for certain."""
        self._source = source

    def advance(
        self,
        source: Source,
        progress: Mapping[str, JournalFileProgress],
        dropped: dict[str, dict[str, int]],
        gone: Collection[str],
    ) -> None:
        """Take the position of a committed transaction, which deleted the progress of `gone` files."""
        moved = {**self._progress, **progress}
        self._progress = {name: at for name, at in moved.items() if name not in gone}
        self.removed -= set(gone)
        self._source, self.dropped = source, dropped
        self._acknowledge(source, progress)

    def load(self) -> None:
        """Read the position, and find what the store has forgotten since it acknowledged it."""
        with self._store.writing() as connection:
            source = sources.lock(connection, self._directory_id, self._clock())
            if self._ownership is not None:
                source = self._ownership.claim(connection, source)
            progress = sources.progress(connection, source)
            missing, missing_outcomes = self._acknowledged.content.beyond(source)
            if missing or missing_outcomes:
                source = sources.update_source(
                    connection,
                    source,
                    missing=source.missing + missing,
                    missing_outcomes=source.missing_outcomes + missing_outcomes,
                )
        self._source, self._progress = source, progress
        self._tallies.forget_recorded()
        self.forgotten, self._compared = {}, set()
        self.find_forgotten()
        self.restore_dropped()
        present = {journal_file.name_of(path) for path in journal_file.paths(self._directory)}
        self._acknowledge(source, {name: at for name, at in progress.items() if name in present})
        self._is_loss_logged = False
        if missing or missing_outcomes or self.forgotten:
            logs.event(
                _log,
                "store_went_back",
                level=logging.ERROR,
                rows=missing,
                outcomes=missing_outcomes,
                files=len(self.forgotten),
            )

    def restore_dropped(self) -> None:
        """Count drops again that the store has forgotten, unless reading a file again will find them.

        Drops under the name of a file that the store knows were written together with its position.
        """
        source, progress = self.known()
        positions = self._acknowledged.content.positions
        behind = {name for name, position in positions.items() if position > self.at(name).position}
        to_read = behind | self.forgotten.keys()
        with self._store.writing() as connection:
            self.check_lock(connection, source, self._clock())
            for name, rows in self._acknowledged.content.dropped.items():
                is_counted = name in progress or any(name.startswith(file) for file in to_read)
                if not is_counted:
                    sources.record_new_drops(connection, source, name, rows, self._clock())
            self.dropped = sources.dropped(connection, source)
        self._damaged = _damaged(self._acknowledged.content.dropped) - _damaged(self.dropped)
        self._acknowledge(source, {})

    def check_lock(self, connection: Connection, source: Source, now: datetime) -> None:
        """Lock the source for a transaction; raises ProgressDiffers when it is not as expected."""
        if sources.lock(connection, self._directory_id, now) != source:
            raise ProgressDiffers("the store is not where ingest left it")

    def check(self) -> None:
        """Raise ProgressDiffers when the store went back; for a time in which nothing moves."""
        source, progress = self.known()
        with self._store.reading() as connection:
            totals = sources.totals(connection, self._directory_id)
        length = sum(at.position for at in progress.values())
        dropped = sum(rows for counts in self.dropped.values() for rows in counts.values())
        if totals != SourceTotals(source, len(progress), length, dropped):
            raise ProgressDiffers("the store is not where ingest left it")
        if source.lost + source.lost_outcomes and not self.forgotten and not self._is_loss_logged:
            self._is_loss_logged = True
            logs.event(
                _log,
                "captures_missing",
                level=logging.ERROR,
                rows=source.missing,
                outcomes=source.missing_outcomes,
            )

    def find_forgotten(self) -> None:
        """Find the stored files that the store has not read to their end, also where they come back later."""
        for path in stored_files.paths(self._directory):
            name = journal_file.name_of(path)
            if name not in self._compared:
                self._compared.add(name)
                if self._lacks(path):
                    self.forgotten[name] = path

    def _lacks(self, path: Path) -> bool:
        """Whether the store has not read a stored file to its end."""
        try:
            with JournalFileReader(path) as reader:
                at = self._progress.get(reader.name)
                return at is None or bool(reader.read(at.position, _PEEK_BYTES).entries)
        except OSError:
            return False  # removed since, or unreadable: nothing can be brought back from it

    def mark_stored(self, name: str) -> None:
        """Note that a file was read to its end and is among the stored files now."""
        self._compared.add(name)

    def forget_acknowledged(self, name: str) -> None:
        """Remove the acknowledged position of a file that was read to its end."""
        before = self._acknowledged.content
        if name in before.positions:
            positions = {file: position for file, position in before.positions.items() if file != name}
            self._acknowledged.replace(replace(before, positions=positions))

    def acknowledged_up_to(self, name: str, path: Path) -> int:
        """Return up to which position the store once acknowledged a file: a stored one to its end."""
        if name in self.forgotten:
            with suppress(FileNotFoundError):
                return path.stat().st_size
        return self._acknowledged.content.positions.get(name, 0)

    def damaged_since(self, chunks: Mapping[str, ReconciledChunk]) -> int:
        """Count rows that were stored once, and whose lines have been damaged since."""
        lost = {name: chunk.lost[DAMAGED] for name, chunk in chunks.items() if chunk.was_acknowledged}
        return sum((Counter(lost) - self._damaged).values())

    def _acknowledge(self, source: Source, progress: Mapping[str, JournalFileProgress]) -> None:
        """Save what the store has acknowledged, outside of the store."""
        before = self._acknowledged.content
        reached = {
            name: max(at.position, before.positions.get(name, 0))
            for name, at in progress.items()
            if name not in self.forgotten
        }
        content = Acknowledged(
            self._directory_id,
            max(before.captures, source.acknowledged),
            max(before.outcomes, source.acknowledged_outcomes),
            {**before.positions, **reached},
            self.dropped,
        )
        if content != before:
            self._acknowledged.replace(content)


def _damaged(dropped: Mapping[str, Mapping[str, int]]) -> Counter[str]:
    return Counter({name: counts.get(DAMAGED, 0) for name, counts in dropped.items()})
