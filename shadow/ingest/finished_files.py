"""Finished journal files: move those that were read to their end to the stored files, and remove old ones."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from shadow.ingest.held_up import HeldUpFiles
from shadow.ingest.store_position import StorePosition
from shadow.journal.stored_files import Retention, StoredFiles

_CLEAR_SECONDS = 1.0


class FinishedFiles:
    """Keeps or removes the journal files of one directory that were read to their end."""

    def __init__(
        self, directory: Path, retention: Retention, position: StorePosition, held_up: HeldUpFiles
    ) -> None:
        self._stored_files = StoredFiles(directory, retention)
        self._position = position
        self._held_up = held_up
        self._clear_at = 0.0

    def retire(self, name: str, path: Path) -> None:
        """Keep a journal file that was read to its end for a while, or remove it."""
        position = self._position
        if position.forgotten.pop(name, None) is not None:
            return
        try:
            if self._stored_files.add(path):
                position.mark_stored(name)
            else:
                position.removed.add(name)
        except OSError as fault:
            self._held_up.hold_up(path, fault)
            return
        position.forget_acknowledged(name)

    def remove_old(self) -> None:
        """Remove stored files beyond their retention, once a second at most."""
        if time.monotonic() < self._clear_at:
            return
        self._clear_at = time.monotonic() + _CLEAR_SECONDS
        position = self._position
        position.find_forgotten()
        with suppress(OSError):  # no journal yet, or one that is away: a step that needs it reports the error
            removed = self._stored_files.remove_old(position.forgotten.keys())
            position.removed |= position.progress.keys() & set(removed)
