"""Kept journal files: those that were read to their end stay for a while, in case the store forgets them.

They lie in `stored` inside the journal directory, outside of the journal's bound, and only in space that the
journal itself can never need: a kept file costs no capture.
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
    """How long files are kept after they were stored, and in how many bytes; `journal_bytes` come first."""

    seconds: float = 86_400.0
    bytes: int = 1 << 30
    journal_bytes: int = 1 << 30

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """As the settings have it."""
        return cls(settings.journal_keep_seconds, settings.journal_keep_bytes, settings.journal_max_bytes)


@dataclass(frozen=True, slots=True)
class _Kept:
    path: Path
    bytes: int
    stored_at: float


class KeptFiles:
    """The kept files of one journal directory; used by one ingest."""

    def __init__(self, directory: Path, retention: Retention) -> None:
        self._journal = directory
        self._retention = retention

    def add(self, path: Path) -> bool:
        """Move a journal file here that was read to its end, or remove it; says whether it is kept.

        Raises OSError when neither can be done.
        """
        if self._retention.seconds <= 0 or self._retention.bytes <= 0 or self._lacking() > 0:
            path.unlink(missing_ok=True)
            return False
        self._directory.mkdir(exist_ok=True)
        with suppress(PermissionError):  # of somebody else's file the time of its last entry will do
            os.utime(path)
        path.rename(self._directory / path.name)
        return True

    def remove_old(self, needed: Collection[str]) -> list[str]:
        """Remove what is past its time or its room, the oldest first; returns the names of the files.

        Files `needed` by a store that went back stay, unless the disk is short of space.
        """
        files = sorted(self._files(), key=lambda file: file.stored_at)
        total, lacking, oldest = sum(file.bytes for file in files), self._lacking(), self._oldest()
        removed = []
        for file in files:
            name = journal_file.name_of(file.path)
            past = (file.stored_at < oldest or total > self._retention.bytes) and name not in needed
            if not past and lacking <= 0:
                continue
            try:
                file.path.unlink(missing_ok=True)
            except OSError:  # of somebody else, or the disk refuses: the next look tries it again
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
        """Bytes that the disk lacks for the journal to grow to its bound."""
        free = shutil.disk_usage(self._journal).free
        return self._retention.journal_bytes - journal_file.size_bytes(self._journal) - free

    def _files(self) -> Iterator[_Kept]:
        for path in paths(self._journal):
            with suppress(OSError):  # gone since, or it cannot be looked at
                found = path.lstat()
                yield _Kept(path, found.st_size, found.st_mtime)


def paths(directory: Path) -> list[Path]:
    """The kept files of a journal directory, oldest first; none where they cannot be listed."""
    try:
        return list(journal_file.paths(directory / DIRECTORY))
    except OSError:  # whoever puts a file there says so
        return []


def size_bytes(directory: Path) -> int:
    """Bytes that the kept files of a journal directory take."""
    return journal_file.size_bytes(directory / DIRECTORY)
