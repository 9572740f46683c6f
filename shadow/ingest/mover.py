"""Ingest: move the journal of one data directory into the store."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from monitoring import logs, metrics
from shadow.ingest.batch_reader import BatchReader
from shadow.ingest.batch_writer import BatchWriter
from shadow.ingest.dropped_counts import Tallies
from shadow.ingest.finished_files import FinishedFiles
from shadow.ingest.held_up import HeldUpFile, HeldUpFiles
from shadow.ingest.refusals import Refusals
from shadow.ingest.store_position import StorePosition
from shadow.journal import backlog, journal_file
from shadow.journal.stored_files import Retention
from shadow.prediction_log import NO_PREDICTION_LOG, PredictionLog
from shadow.source.ownership import SourceOwnership
from shadow.store import Store
from shadow.store.sources import ProgressDiffers

_KEEP_A_DAY = Retention()
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
        prediction_log: PredictionLog = NO_PREDICTION_LOG,
        tally_dirs: Collection[Path] = (),
        retention: Retention = _KEEP_A_DAY,
        ownership: SourceOwnership | None = None,
    ) -> None:
        self._store = store
        self._directory = directory
        self._directory_id = directory_id
        self._clock = clock
        self._tallies = Tallies(tally_dirs, directory)
        self._held_up = HeldUpFiles()
        self._position = StorePosition(store, directory, directory_id, clock, self._tallies, ownership)
        self._writer = BatchWriter(store, self._position, measures, clock, prediction_log)
        self._refusals = Refusals(directory, self._position, self._writer, self._held_up)
        self._reader = BatchReader(
            self._position, self._tallies, self._held_up, batch_bytes, self._refusals.set_file_aside
        )
        self._finished_files = FinishedFiles(directory, retention, self._position, self._held_up)

    @property
    def moved_at(self) -> datetime:
        """When a step moved something last; when this ingest was made, before that."""
        return self._writer.moved_at

    @property
    def held_up(self) -> Mapping[str, HeldUpFile]:
        """Journal files that cannot be moved now, by name."""
        return self._held_up

    def step(self) -> int:
        """Move one batch; return the number of captures and outcomes. On StoreUnavailable nothing changed."""
        try:
            return self._step()
        except ProgressDiffers as fault:
            self._position.invalidate()
            logs.event(_log, "store_differs", level=logging.WARNING, error=fault)
        try:
            return self._step()
        except ProgressDiffers:  # two ingests take turns: the next step finds out
            self._position.invalidate()
            return 0

    def _step(self) -> int:
        position = self._position
        if not position.is_known:
            position.load()
        if self._tallies.take_over(self._store, self._directory_id, self._clock):
            position.restore_dropped()
        files = self._reader.read(self._paths())
        chunks = {
            name: file.chunk
            for name, file in files.items()
            if file.chunk.progress != position.at(name) or file.chunk.damaged_lines
        }
        if chunks:
            self._refusals.store(chunks)
        elif position.removed:
            self._writer.commit({})
        else:
            position.check()
        # Retired only now, and its progress deleted only when the file is gone: a crash in between leaves a
        # journal file that the store knows to be read to its end.
        for name, file in files.items():
            if file.last and file.chunk.progress == position.at(name):
                self._finished_files.retire(name, file.path)
        self._finished_files.remove_old()
        return sum(len(chunk.captures) + len(chunk.outcomes) for chunk in chunks.values())

    def _paths(self) -> list[Path]:
        """List the files to read: those of the journal, and stored ones that the store has forgotten."""
        paths = [*journal_file.paths(self._directory), *self._position.forgotten.values()]
        return sorted(paths, key=lambda path: path.name)

    def oldest_waiting(self) -> datetime | None:
        """Return when the oldest capture or outcome that is not in the store yet came in."""
        positions = {name: at.position for name, at in self._position.progress.items()}
        return backlog.oldest_waiting(self._directory, positions)

    def sync(self) -> None:
        """Force the waiting files to the disk, while they have to wait for the store."""
        for reader in backlog.readers(self._directory):
            with reader, suppress(OSError):  # a file that cannot be synced waits like the others
                reader.sync()
