"""Refusals: set aside the rows that the store refuses, and the files that this version cannot read."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from monitoring import logs
from shadow.ingest.accounting import ReconciledChunk
from shadow.ingest.batch_writer import BatchWriter
from shadow.ingest.held_up import HeldUpFiles
from shadow.ingest.store_position import StorePosition
from shadow.journal import journal_file, refused
from shadow.journal.entries import Entry
from shadow.journal.file_reader import JournalFileReader, UnreadableJournalFile
from shadow.records import Capture, Outcome
from shadow.store import StoreRefused
from shadow.store.sources import JournalFileProgress

_log = logging.getLogger("umbra.ingest")


class Refusals:
    """Stores chunks without the rows that the store refuses, and sets these aside."""

    def __init__(
        self, directory: Path, position: StorePosition, writer: BatchWriter, held_up: HeldUpFiles
    ) -> None:
        self._directory = directory
        self._position = position
        self._writer = writer
        self._held_up = held_up

    def store(self, chunks: Mapping[str, ReconciledChunk]) -> None:
        """Store chunks; leave out the rows that the store refuses, and no others."""
        try:
            self._writer.commit(chunks)
        except StoreRefused:
            for name, chunk in chunks.items():
                self._store_alone(name, chunk)

    def _store_alone(self, name: str, chunk: ReconciledChunk) -> None:
        try:
            self._writer.commit({name: chunk}, skip_known=True)
        except StoreRefused as fault:
            self._store_without_refused(name, chunk, fault)

    def _store_without_refused(self, name: str, chunk: ReconciledChunk, cause: StoreRefused) -> None:
        position = self._position
        try:
            self._writer.commit({name: _part(chunk, position.at(name), [])})
        except StoreRefused as fault:  # not the rows are at fault: the name, say, is too long
            path = position.forgotten.get(name) or journal_file.path_of(self._directory, name)
            self._held_up.hold_up(path, fault)
            return
        rows = self._store_in_parts(name, chunk, [*chunk.captures, *chunk.outcomes])
        self._set_rows_aside(name, chunk, rows, cause)

    def _store_in_parts(
        self, name: str, chunk: ReconciledChunk, rows: Sequence[Capture | Outcome]
    ) -> list[Capture | Outcome]:
        """Store rows without moving on in their file, halving them around what is refused; return that.

        A crash in between is harmless: the next reading passes over the rows that are stored already.
        """
        try:
            self._writer.commit({name: _part(chunk, self._position.at(name), rows)}, skip_known=True)
        except StoreRefused:
            if len(rows) == 1:
                return list(rows)
            half = len(rows) // 2
            first = self._store_in_parts(name, chunk, rows[:half])
            return first + self._store_in_parts(name, chunk, rows[half:])
        return []

    def _set_rows_aside(
        self,
        name: str,
        chunk: ReconciledChunk,
        rows: Sequence[Capture | Outcome],
        fault: StoreRefused,
    ) -> None:
        """Write the entries of refused rows into a file of their own, and go on behind them."""
        refused_name = refused.name_for(name, self._position.at(name).position)
        captures = sum(isinstance(row, Capture) for row in rows)
        if rows:
            refused.set_aside(self._directory, refused_name, _entries_with(chunk, rows))
        self._writer.commit(
            {name: replace(chunk, captures=[], outcomes=[])},
            refused_rows={refused_name: captures} if rows else {},
        )
        logs.event(
            _log,
            "rows_set_aside",
            level=logging.ERROR,
            error=StoreRefused(str(fault)),  # without its cause, whose text may repeat a row
            segment=f"{refused_name}{refused.SUFFIX}",
            rows=captures,
            outcomes=len(rows) - captures,
        )

    def set_file_aside(self, path: Path, fault: UnreadableJournalFile) -> None:
        """Set a file aside that this version cannot read, once its writer is gone; count its captures."""
        name = journal_file.name_of(path)
        try:
            with JournalFileReader(path) as reader:
                if not reader.seal():
                    self._held_up.hold_up(path, fault, seconds=0.0)
                    return
            rows = refused.count(path).captures
            self._writer.commit({}, refused_rows={name: rows})
            refused.set_aside_whole(path)
        except OSError as obstacle:
            self._held_up.hold_up(path, obstacle)
            return
        logs.event(_log, "segment_set_aside", level=logging.ERROR, error=fault, segment=path.name, rows=rows)


def _part(
    chunk: ReconciledChunk, at: JournalFileProgress, rows: Sequence[Capture | Outcome]
) -> ReconciledChunk:
    """Take some rows of a chunk, without moving on in its file."""
    return replace(
        chunk,
        captures=[row for row in rows if isinstance(row, Capture)],
        outcomes=[row for row in rows if isinstance(row, Outcome)],
        progress=at,
        lost=Counter(),
        damaged_lines=0,
    )


def _entries_with(chunk: ReconciledChunk, rows: Sequence[Capture | Outcome]) -> list[bytes]:
    """Return the journal entries of a chunk that hold any of these rows."""
    capture_ids = {row.id for row in rows if isinstance(row, Capture)}
    outcomes = [row for row in rows if isinstance(row, Outcome)]
    payloads = []
    for payload in chunk.payloads:
        entry = None if payload is None else Entry.parse(payload)
        if payload is None or entry is None:
            continue
        has_capture = any(capture.id in capture_ids for capture in entry.captures)
        if has_capture or any(outcome in outcomes for outcome in entry.outcomes):
            payloads.append(payload)
    return payloads
