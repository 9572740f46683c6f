"""Stored journal files: files that ingest has read to their end, kept in case the store goes back in time.

They lie in `stored` inside the journal directory, outside of the journal's bound, and only in space that the
journal itself can never need: a stored file costs no capture.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from shadow.journal import journal_file
from shadow.settings import Settings

DIRECTORY = "stored"


@dataclass(frozen=True, slots=True)
class Retention:
    """How long stored files stay, and in how many bytes; the journal's own `journal_bytes` come first."""

    seconds: float = 86_400.0
    bytes: int = 1 << 30
    journal_bytes: int = 1 << 30

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Read the retention from the settings."""
        return cls(settings.journal_keep_seconds, settings.journal_keep_bytes, settings.journal_max_bytes)


@dataclass(frozen=True, slots=True)
class _StoredFile:
    path: Path
    bytes: int
    stored_at: float


class StoredFiles:
    """The stored files of one journal directory; used by one ingest."""

    def __init__(self, directory: Path, retention: Retention) -> None:
        self._journal = directory
        self._retention = retention

    def add(self, path: Path) -> bool:
        """Move a journal file here that was read to its end, or remove it; return whether it stays.

        Raises OSError when neither is possible.
        """
        if self._retention.seconds <= 0 or self._retention.bytes <= 0 or self._lacking() > 0:
            path.unlink(missing_ok=True)
            return False
        self._directory.mkdir(exist_ok=True)
        with suppress(PermissionError):  # the file of another user keeps the time of its last entry
            os.utime(path)
        path.rename(self._directory / path.name)
        return True

    def remove_old(self, needed: Collection[str]) -> list[str]:
        """Remove files beyond the retention, the oldest first; return their names.

        Files `needed` by a store that went back stay, unless the disk is short of space.
        """
        files = sorted(self._files(), key=lambda file: file.stored_at)
        total, lacking, oldest = sum(file.bytes for file in files), self._lacking(), self._oldest()
        removed = []
        for file in files:
            name = journal_file.name_of(file.path)
            is_expired = (file.stored_at < oldest or total > self._retention.bytes) and name not in needed
            if not is_expired and lacking <= 0:
                continue
            try:
                file.path.unlink(missing_ok=True)
            except OSError:  # another user owns it, or the disk refuses: the next call tries it again
                continue
            total, lacking = total - file.bytes, lacking - file.bytes
            removed.append(name)
        return removed

    @property
    def _directory(self) -> Path:
        return self._journal / DIRECTORY

    def _oldest(self) -> float:
        return time.time() - self._retention.seconds

    def _lacking(self) -> int:
        """Count the bytes that the disk lacks for the journal to grow to its bound."""
        free = shutil.disk_usage(self._journal).free
        return self._retention.journal_bytes - journal_file.size_bytes(self._journal) - free

    def _files(self) -> Iterator[_StoredFile]:
        for path in paths(self._journal):
            with suppress(OSError):  # removed since, or its status cannot be read
                status = path.lstat()
                yield _StoredFile(path, status.st_size, status.st_mtime)


def paths(directory: Path) -> list[Path]:
    """List the stored files of a journal directory, oldest first; none where they cannot be listed."""
    try:
        return list(journal_file.paths(directory / DIRECTORY))
    except OSError:  # moving a file there reports the error
        return []


def size_bytes(directory: Path) -> int:
    """Add up the bytes that the stored files of a journal directory take."""
    return journal_file.size_bytes(directory / DIRECTORY)
