"""The backlog of a journal directory: which files wait, since when, and which cannot be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from shadow.journal import journal_file
from shadow.journal.entries import Entry
from shadow.journal.file_reader import JournalFileReader
from shadow.processes.heartbeat import LiveProcess

_PEEK_BYTES = 1 << 16


def readers(directory: Path) -> Iterator[JournalFileReader]:
    """Yield a reader of each file that can be opened, oldest first."""
    for path in journal_file.paths(directory):
        try:
            yield JournalFileReader(path)
        except OSError:  # removed since, or unreadable
            continue


def oldest_waiting(directory: Path, positions: Mapping[str, int]) -> datetime | None:
    """Return when the oldest capture or outcome beyond these positions of the files came in."""
    moments = []
    for reader in readers(directory):
        with reader, suppress(OSError):
            chunk = reader.read(positions.get(reader.name, 0), _PEEK_BYTES)
            entries = (Entry.parse(payload) for payload in chunk.entries if payload is not None)
            oldest = next((entry.since for entry in entries if entry and entry.since), None)
            if oldest is not None:
                moments.append(oldest)
    return min(moments, default=None)


def held_up(directory: Path, processes: Iterable[LiveProcess]) -> dict[str, str]:
    """Return the files that cannot be moved now, with the reason: as read here, and as ingest reports.

    Both count: this process may read files that ingest may not, and ingest may not run.
    """
    reasons = unreadable(directory)
    for process in processes:
        if process.role == "ingest":
            reasons |= process.facts.get("held_up", {})
    return reasons


def unreadable(directory: Path) -> dict[str, str]:
    """Return the files that cannot be read here, with the reason; the directory itself under its own name."""
    reasons = {}
    try:
        paths = list(journal_file.paths(directory))
    except OSError as fault:
        return {directory.name: str(fault.strerror)}
    for path in paths:
        try:
            with JournalFileReader(path) as reader:
                reader.read(0, 1)
        except FileNotFoundError:
            continue
        except OSError as fault:
            reasons[journal_file.name_of(path)] = str(fault.strerror or fault)
    return reasons
