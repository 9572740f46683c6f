"""The state of the journal, read from its disk and compared with what the store knows of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from shadow.journal import backlog, refused, stored_files
from shadow.journal import journal_file as journal
from shadow.journal.entries import Entry
from shadow.journal.file_reader import JournalFileReader
from shadow.processes.heartbeat import LiveProcess
from shadow.settings import Settings
from shadow.source import acknowledged
from shadow.source.acknowledged import Acknowledged
from shadow.source.identity import known_directory_id
from shadow.status.state import JournalState
from shadow.store import Store, sources
from shadow.store.sources import UNREAD, JournalFileProgress, Source

_TAIL_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class SourceState:
    """The source that this data directory is to the store (None: unknown), with its journal files."""

    source: Source | None = None
    progress: Mapping[str, JournalFileProgress] = field(default_factory=dict)


def read_source(store: Store, settings: Settings) -> SourceState:
    """Find the source of this data directory in the store, if the directory has an identity yet."""
    name = known_directory_id(settings.data_dir)
    if name is None:
        return SourceState()
    with store.reading() as connection:
        source = sources.find(connection, name)
        return SourceState(source, {} if source is None else sources.progress(connection, source))


def read_journal(
    settings: Settings, processes: Sequence[LiveProcess], source: SourceState | None
) -> JournalState:
    """Read the journal of this data directory; without a source, waiting captures are not counted."""
    directory = settings.journal_dir
    held_up = backlog.held_up(directory, processes)
    try:
        paths, size = list(journal.paths(directory)), journal.size_bytes(directory)
    except OSError:  # the directory itself is held up
        paths, size = [], 0
    state = JournalState(
        size, len(paths), len(refused.paths(directory)), None, stored_files.size_bytes(directory), held_up
    )
    if source is None:
        return state
    waiting = sum(_waiting(path, source.progress) for path in [*paths, *stored_files.paths(directory)])
    missing, missing_outcomes = _missing(settings, source.source)
    positions = {name: at.position for name, at in source.progress.items()}
    return replace(
        state,
        waiting=waiting,
        oldest_waiting_at=backlog.oldest_waiting(directory, positions) if paths else None,
        missing=max(0, missing - waiting),
        missing_outcomes=0 if waiting else missing_outcomes,
    )


def _missing(settings: Settings, source: Source | None) -> tuple[int, int]:
    """Count captures and outcomes that the store acknowledged and does not have now."""
    name = known_directory_id(settings.data_dir)
    acknowledgement = Acknowledged.read(acknowledged.path_of(settings.journal_dir), name or "")
    if source is None:
        return acknowledgement.captures, acknowledgement.outcomes
    missing, missing_outcomes = acknowledgement.beyond(source)
    return source.lost + missing, source.lost_outcomes + missing_outcomes


def _waiting(path: Path, progress: Mapping[str, JournalFileProgress]) -> int:
    """Count the captures of a journal file beyond the store's position, by the numbers of its last entry."""
    try:
        with JournalFileReader(path) as reader:
            at = progress.get(reader.name, UNREAD)
            last = _last_entry(reader, at.position)
    except OSError:  # gone since, or held up
        return 0
    if last is None:
        return 0
    offered = last.first + len(last.captures) - at.expected_first
    return max(0, offered - (last.dropped - at.dropped_seen))


def _last_entry(reader: JournalFileReader, start: int) -> Entry | None:
    """Find the last readable entry beyond `start`, from the end in ever larger steps."""
    window = _TAIL_BYTES
    while True:
        for payload in reversed(reader.read_tail(start, window)):
            entry = None if payload is None else Entry.parse(payload)
            if entry is not None:
                return entry
        if window >= reader.size - start:
            return None
        window *= 8
