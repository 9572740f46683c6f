"""The tally of one writer of the journal: the rows it acknowledged, and those it dropped, by reason.

Counts of drops must survive what caused them. So a tally is a small file of full size, made before it is
needed, outside the journal: in the directory of the metrics (shared memory, which no disk can hang or fill)
and in the run directory (which survives a restart of the machine). The first is a memory map: a request
counts its own drop there with no system call. The thread that writes the journal writes the second.

All counts cover the writer's whole life and only grow. So reading a tally twice, in two files, or again after
a crash does no harm: ingest records the difference to what the store has (`shadow.ingest.dropped_counts`).

A file holds two slots of 512 bytes, written in turn so that one of them is always whole, and a word of
eight bytes that is stored at once: rows whose write the kernel has confirmed, and rows of the one write
that still hangs and whose answer has left.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from shadow.journal import journal_file
from shadow.journal.capture_result import CaptureResult

FORMAT = "umbra-tally"
VERSION = 1
SUFFIX = ".tally"
_FILE_BYTES = 4096
_SLOT_BYTES = 512
_SLOTS = (0, _SLOT_BYTES)
_WORD = slice(2 * _SLOT_BYTES, 2 * _SLOT_BYTES + 8)
_LATE_BITS = 20


@dataclass(frozen=True, slots=True)
class WriterCounts:
    """The counts of one writer.

    `dropped` counts rows by reason. `written` rows are in the writer's journal files, as the kernel
    confirmed, `before` of them in files older than the journal file `file`; `late` more were answered while
    their write hung.
    """

    writer: str
    sequence: int
    dropped: Mapping[str, int]
    file: str
    before: int
    written: int
    late: int

    @property
    def age(self) -> tuple[int, int]:
        """A pair that grows with every count: the newer of two tallies of one writer has the greater pair."""
        return self.sequence, self.written


class Tally:
    """Counts what one writer acknowledges and drops; safe for threads. In memory alone until `open`."""

    def __init__(self, writer: str = "", directories: Iterable[Path] = ()) -> None:
        """Count for a writer, in files in the directories: the first in memory, the last on a disk."""
        self.writer = writer
        self._directories = tuple(directories)
        self._lock = threading.Lock()
        self.dropped: Mapping[str, int] = {}
        """Rows dropped so far, by reason; replaced by every drop, never changed."""
        self._file, self._before, self._sequence = "", 0, 0
        self._written = self._late = self._under_way = 0
        self._page: mmap.mmap | bytearray = bytearray(_FILE_BYTES)
        self._copies: list[tuple[int, Path]] = []
        self._is_open = False

    def open(self) -> None:
        """Make the files, once, on the thread that may wait for a disk; skip those that cannot be made."""
        if self._is_open:
            return
        self._is_open = True
        for number, directory in enumerate(self._directories):
            with suppress(OSError):
                path = directory / f"{self.writer}{SUFFIX}"
                descriptor = _create(path)
                self._copies.append((descriptor, path))
                if number == 0:
                    self._map(descriptor)
        self.save()
        if self._directories:
            move_abandoned(self._directories[0], self._directories[-1])

    def _map(self, descriptor: int) -> None:
        page = mmap.mmap(descriptor, _FILE_BYTES)
        with self._lock:
            page[:] = bytes(self._page)
            self._page = page

    def begin_file(self, name: str) -> None:
        """Set the journal file that the next rows go to; empty: none, because the last one is sealed."""
        with self._lock:
            self._file, self._before = name, self._written
            self._write_slot()

    def begin_write(self, rows: int) -> None:
        """Note that a write of rows is under way."""
        self._under_way = rows

    def mark_late(self) -> None:
        """Count the rows of the write under way as answered: their answer leaves, whatever becomes of it."""
        with self._lock:
            self._late = self._under_way
            self._store_word()

    def count_written(self, rows: int) -> None:
        """Count rows that the kernel has."""
        with self._lock:
            self._written += rows
            self._end_write()

    def count_refused(self, reason: CaptureResult, rows: int) -> None:
        """Count the rows of the write under way, which failed."""
        with self._lock:
            self._add(reason, rows)
            self._end_write()

    def count_dropped(self, reason: CaptureResult, rows: int) -> None:
        """Count rows that never reached the writer."""
        with self._lock:
            self._add(reason, rows)

    def save(self) -> bool:
        """Update the copies on disks; return whether one has the counts. May wait for a disk."""
        with self._lock:
            content, is_mapped = bytes(self._page), isinstance(self._page, mmap.mmap)
        saved = False
        for descriptor, _ in self._copies[is_mapped:]:
            with suppress(OSError):
                saved = os.pwrite(descriptor, content, 0) == _FILE_BYTES or saved
        return saved

    def close(self, *, needed: bool) -> bool:
        """Leave the files for ingest to record if they are `needed`, else remove them.

        Return whether one of them is on a disk.
        """
        saved = self.save()
        for descriptor, path in self._copies:
            with suppress(OSError):
                if not needed:
                    path.unlink(missing_ok=True)
                os.close(descriptor)
        self._copies = []
        self._unmap()
        return saved

    def _unmap(self) -> None:
        with self._lock:
            page, self._page = self._page, bytearray(self._page)
        if isinstance(page, mmap.mmap):
            page.close()  # it has a descriptor of its own, and with it the lock

    def _add(self, reason: CaptureResult, rows: int) -> None:
        name = reason.value
        self.dropped = {**self.dropped, name: self.dropped.get(name, 0) + rows}
        self._write_slot()

    def _end_write(self) -> None:
        self._under_way = self._late = 0
        self._store_word()

    def _store_word(self) -> None:
        self._page[_WORD] = (self._written << _LATE_BITS | self._late).to_bytes(8, "little")

    def _write_slot(self) -> None:
        self._sequence += 1
        facts = {"format": FORMAT, "version": VERSION, "writer": self.writer, "sequence": self._sequence}
        facts |= {"dropped": self.dropped, "file": self._file, "before": self._before}
        start = _SLOTS[self._sequence % 2]
        self._page[start : start + _SLOT_BYTES] = journal_file.frame(
            orjson.dumps(facts).ljust(_SLOT_BYTES - 10)
        )


def _create(path: Path, content: bytes = bytes(_FILE_BYTES)) -> int:
    """Make a locked file of full size, hidden until it is whole; return its descriptor. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    hidden = path.with_name(f".{path.name}.new")
    descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.posix_fallocate(descriptor, 0, _FILE_BYTES)
        os.pwrite(descriptor, content, 0)
        hidden.rename(path)
    except OSError:
        os.close(descriptor)
        hidden.unlink(missing_ok=True)
        raise
    return descriptor


def files(directories: Iterable[Path]) -> Iterator[Path]:
    """Yield the tallies in some directories; a directory that cannot be listed has none."""
    for directory in directories:
        with suppress(OSError):
            yield from sorted(directory.glob(f"*{SUFFIX}"))


def read(path: Path) -> WriterCounts | None:
    """Read the counts of a tally; None when no slot of it is whole. Raises OSError."""
    with path.open("rb") as file:
        content = file.read(_FILE_BYTES)
    slots = (_slot(content[start : start + _SLOT_BYTES]) for start in _SLOTS)
    facts = max(filter(None, slots), key=lambda slot: slot["sequence"], default=None)
    if facts is None:
        return None
    word = int.from_bytes(content[_WORD], "little")
    return WriterCounts(
        facts["writer"],
        facts["sequence"],
        facts["dropped"],
        facts["file"],
        facts["before"],
        word >> _LATE_BITS,
        word & (1 << _LATE_BITS) - 1,
    )


def has_writer(path: Path) -> bool:
    """Whether the writer of a tally still lives. Raises OSError."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def move_abandoned(memory: Path, disk: Path) -> None:
    """Move the tallies of dead writers from memory to a disk: their reader may live in another container."""
    for path in files((memory,)):
        with suppress(OSError):
            if not has_writer(path):
                os.close(_create(disk / path.name, path.read_bytes()))
                path.unlink(missing_ok=True)


def _slot(line: bytes) -> dict[str, Any] | None:
    payload = journal_file.unframe(line[:-1])
    try:
        facts = orjson.loads(payload or b"null")
    except orjson.JSONDecodeError:
        return None
    wanted = {"format": FORMAT, "version": VERSION}
    return facts if isinstance(facts, dict) and wanted.items() <= facts.items() else None
