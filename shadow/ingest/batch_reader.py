"""The batch reader: read the journal files in turn until there is enough for one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from shadow.ingest.accounting import ExpectedRows, ReconciledChunk, reconcile
from shadow.ingest.dropped_counts import Tallies
from shadow.ingest.held_up import HeldUpFiles
from shadow.ingest.store_position import StorePosition
from shadow.journal import journal_file
from shadow.journal.file_reader import Chunk, JournalFileHeader, JournalFileReader, UnreadableJournalFile
from shadow.store.sources import JournalFileProgress


@dataclass(frozen=True, slots=True)
class FileChunk:
    """One chunk of a journal file; `last`: it ends the file, and nothing will ever follow."""

    path: Path
    chunk: ReconciledChunk
    last: bool


class BatchReader:
    """Reads the journal files of one directory; `set_aside` gets a file of an unreadable version."""

    def __init__(
        self,
        position: StorePosition,
        tallies: Tallies,
        held_up: HeldUpFiles,
        batch_bytes: int,
        set_aside: Callable[[Path, UnreadableJournalFile], None],
    ) -> None:
        self._position = position
        self._tallies = tallies
        self._held_up = held_up
        self._batch_bytes = batch_bytes
        self._set_aside = set_aside
        self._last_read = ""  # name of the file that was read last

    def read(self, paths: Sequence[Path]) -> dict[str, FileChunk]:
        """Read journal files, by name, until there is enough for one transaction."""
        chunks: dict[str, FileChunk] = {}
        budget = self._batch_bytes
        self._held_up.keep_only({journal_file.name_of(path) for path in paths})
        for path in self._in_turn(paths):
            name = journal_file.name_of(path)
            if self._held_up.is_waiting(name, path):
                continue
            file_chunk = self._try_read(name, path)
            if file_chunk is None:
                continue
            self._held_up.pop(name, None)
            chunks[name] = file_chunk
            self._last_read = path.name
            budget -= file_chunk.chunk.progress.position - self._position.at(name).position
            if budget <= 0:
                break
        return chunks

    def _in_turn(self, paths: Sequence[Path]) -> list[Path]:
        """Begin behind the file that was read last, so that no busy file keeps others waiting."""
        last = self._last_read
        return [path for path in paths if path.name > last] + [path for path in paths if path.name <= last]

    def _try_read(self, name: str, path: Path) -> FileChunk | None:
        try:
            with JournalFileReader(path) as reader:
                return self._read_file(reader)
        except FileNotFoundError:
            self._position.forgotten.pop(name, None)
        except UnreadableJournalFile as fault:
            self._set_aside(path, fault)
        except OSError as fault:
            self._held_up.hold_up(path, fault)
        return None

    def _read_file(self, reader: JournalFileReader) -> FileChunk:
        sealed = reader.seal()  # before reading: nothing will ever follow what is read after it
        at = self._position.at(reader.name)
        header = reader.header()
        acknowledged = self._position.acknowledged_up_to(reader.name, reader.path) - at.position
        most = min(self._batch_bytes, acknowledged) if acknowledged > 0 else self._batch_bytes
        chunk = reader.read(at.position, most)
        last = sealed and chunk.reached_end
        reconciled = self._reconcile(reader.name, at, chunk, header, last)
        reconciled = replace(reconciled, payloads=chunk.entries, was_acknowledged=acknowledged > 0)
        return FileChunk(reader.path, reconciled, last)

    def _reconcile(
        self,
        name: str,
        at: JournalFileProgress,
        chunk: Chunk,
        header: JournalFileHeader | None,
        last: bool,
    ) -> ReconciledChunk:
        if header is None:
            return reconcile(at, chunk, None, last=last)
        expected = None
        if last and header.writer is not None:
            expected = self._tallies.expected_rows(name) if header.rows is None else ExpectedRows(header.rows)
        return reconcile(at, chunk, header.dropped, last=last, writer=header.writer, expected_rows=expected)
