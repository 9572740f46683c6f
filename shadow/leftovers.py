"""Leftovers: journal files that hold rows and that nobody is to read any more; prune removes old ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

_REFUSED, _STORED = "*.refused", "stored"
"""Files that were set aside, and the folder of those that were stored already."""


def older(journal_dir: Path, before: datetime) -> list[Path]:
    """The files whose last row was written before a moment, by the time of their last change."""
    bound = before.timestamp()
    files = []
    for path in _files(journal_dir):
        with suppress(FileNotFoundError):  # whoever keeps it was first
            if path.stat().st_mtime < bound:
                files.append(path)
    return files


def remove_older(journal_dir: Path, before: datetime) -> list[Path]:
    """Remove these files; returns those that are gone. Raises OSError."""
    files = older(journal_dir, before)
    for path in files:
        path.unlink(missing_ok=True)
    return files


def _files(journal_dir: Path) -> Iterator[Path]:
    for folder, pattern in ((journal_dir, _REFUSED), (journal_dir / _STORED, "*")):
        yield from (path for path in sorted(folder.glob(pattern)) if path.is_file())
