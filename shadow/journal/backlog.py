"""What lies in a journal directory: which files wait, since when, and which cannot be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from shadow.journal import journal_file
from shadow.journal.entries import Entry
from shadow.processes.heartbeat import LiveProcess

_PEEK_BYTES = 1 << 16


def readers(directory: Path) -> Iterator[journal_file.JournalFileReader]:
    """A reader of each file that can be opened, oldest first."""
    for path in journal_file.paths(directory):
        try:
            yield journal_file.JournalFileReader(path)
        except OSError:  # gone since, or one of the unreadable
            continue


def oldest_waiting(directory: Path, positions: Mapping[str, int]) -> datetime | None:
    """When the oldest capture or outcome beyond these positions of the files came in."""
    moments = []
    for reader in readers(directory):
        with reader, suppress(OSError):
            chunk = reader.read(positions.get(reader.name, 0), _PEEK_BYTES)
            entries = (Entry.parse(payload) for payload in chunk.entries if payload is not None)
            first = next((entry.since for entry in entries if entry and entry.since), None)
            if first is not None:
                moments.append(first)
    return min(moments, default=None)


def held_up(directory: Path, processes: Iterable[LiveProcess]) -> dict[str, str]:
    """The files that cannot be moved now, with the reason: as seen here, and as ingest says.

    Both are asked: who looks may be allowed to read what ingest is not, and ingest may not run.
    """
    found = unreadable(directory)
    for process in processes:
        if process.role == "ingest":
            found |= process.facts.get("held_up", {})
    return found


def unreadable(directory: Path) -> dict[str, str]:
    """The files that cannot be read here, with the reason; the directory itself under its own name."""
    found = {}
    try:
        paths = list(journal_file.paths(directory))
    except OSError as fault:
        return {directory.name: str(fault.strerror)}
    for path in paths:
        try:
            with journal_file.JournalFileReader(path) as reader:
                reader.read(0, 1)
        except FileNotFoundError:
            continue
        except OSError as fault:
            found[journal_file.name_of(path)] = str(fault.strerror or fault)
    return found
