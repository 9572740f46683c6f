"""Leftovers: journal files with rows that no process needs to read any more; prune removes old ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from shadow.journal import refused, stored_files


def older(journal_dir: Path, before: datetime) -> list[Path]:
    """List the files whose last row was written before a moment, by the time of their last change."""
    bound = before.timestamp()
    files = []
    for path in _files(journal_dir):
        with suppress(FileNotFoundError):  # its owner removed it first
            if path.stat().st_mtime < bound:
                files.append(path)
    return files


def remove_older(journal_dir: Path, before: datetime) -> list[Path]:
    """Remove these files; return their paths. Raises OSError."""
    files = older(journal_dir, before)
    for path in files:
        path.unlink(missing_ok=True)
    return files


def _files(journal_dir: Path) -> Iterator[Path]:
    # All files in the folder of stored files: also one that a killed process began to write there.
    stored = sorted((journal_dir / stored_files.DIRECTORY).glob("*"))
    yield from (path for path in (*refused.paths(journal_dir), *stored) if path.is_file())
