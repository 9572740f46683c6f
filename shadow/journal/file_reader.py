"""The reader of one journal file, which finds every whole line whatever became of the others."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import orjson

from shadow.journal.journal_file import (
    FORMAT,
    HEADER_BYTES,
    PREFIX_BYTES,
    READABLE,
    VERSION,
    checksum_start,
    name_of,
    read_extent,
    read_payload,
    unframe,
)

_STARTING_FROM_OFFSET = (3, VERSION)  # under a damaged header nobody knows the version


class UnreadableJournalFile(ValueError):
    """A file in the journal directory that this version cannot read."""


@dataclass(frozen=True, slots=True)
class JournalFileHeader:
    """What the header of a journal file holds.

    `dropped` counts rows by reason: all that its `writer` dropped so far, or, before version 4, which names
    no writer, those of this file alone. `rows` is the number of captures in the file, None while it is
    written and when its writer was killed.
    """

    version: int
    dropped: Mapping[str, int]
    writer: str | None = None
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some lines of a journal file, as one read returns them.

    `entries` are payloads in order, None for a damaged line; `damaged_rows` has the number of captures of
    each damaged line, 1 where the line does not have it. `end` is the position to go on from; `reached_end`:
    no whole line lay beyond it; `torn`: a part of one did.
    """

    entries: tuple[bytes | None, ...]
    end: int
    reached_end: bool
    torn: bool = False
    damaged_rows: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Line:
    """One whole line: its payload (None: damaged), the number of rows in it, and where it ends."""

    payload: bytes | None
    rows: int
    end: int


class JournalFileReader:
    """Reads one journal file, perhaps while its writer appends; a context manager."""

    def __init__(self, path: Path, name: str | None = None) -> None:
        """Open a file; `name` is the one in its checksums, where the file has another ending."""
        self.path = path
        self.name = name_of(path) if name is None else name
        # Opening a pipe of that name would wait for a writer; a device, or a link to one, would never end.
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            os.close(self._descriptor)
            raise OSError(errno.EINVAL, "it is no plain file", str(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    @property
    def size(self) -> int:
        """Bytes in the file now."""
        return os.fstat(self._descriptor).st_size

    def seal(self) -> bool:
        """Seal the file if its writer is gone for good; return whether it is."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def header(self) -> JournalFileHeader | None:
        """Read the header; None when it is damaged.

        Raises UnreadableJournalFile when another version of the format wrote it.
        """
        facts = self._facts()
        if facts is None:
            return None
        version, rows, writer = facts.get("version"), facts.get("rows"), facts.get("writer")
        if version not in READABLE:
            raise UnreadableJournalFile(
                f"{self.path.name}: journal version {version!r}, this Umbra reads {READABLE}; "
                "let the version that wrote it empty the journal first"
            )
        dropped = _counts(facts.get("dropped"))
        if dropped is None:
            return None
        if version < VERSION:
            return JournalFileHeader(version, dropped)
        if facts.get("name") != self.name or not isinstance(writer, str):
            return None  # the header of another file
        return JournalFileHeader(version, dropped, writer, rows if type(rows) is int else None)

    def dropped(self) -> Mapping[str, int] | None:
        """Read how many rows the header counts as dropped, by reason; None when it is damaged.

        Raises UnreadableJournalFile when another version of the format wrote it.
        """
        header = self.header()
        return None if header is None else header.dropped

    def _facts(self) -> dict[str, Any] | None:
        line = os.pread(self._descriptor, HEADER_BYTES, 0)[:-1]
        facts = _json_object(
            unframe(line, checksum_start(self.name, 0), 0)
        )  # version 3 starts from the offset
        return facts if facts is not None and facts.get("format") == FORMAT else None

    def read(self, start: int, most_bytes: int) -> Chunk:
        """Read whole lines from `start` (0: the first entry), about `most_bytes` of them."""
        start = max(start, HEADER_BYTES)
        content = os.pread(self._descriptor, most_bytes, start)
        lines = list(self._lines(content, start))
        while content and not lines and start + len(content) < self.size:
            content = os.pread(self._descriptor, 2 * len(content), start)
            lines = list(self._lines(content, start))
        end = lines[-1].end if lines else 0
        reached_end = start + len(content) >= self.size
        entries = [line for line in lines if line.payload != b""]
        return Chunk(
            tuple(line.payload for line in entries),
            start + end,
            reached_end,
            reached_end and end < len(content),
            tuple(line.rows for line in entries if line.payload is None),
        )

    def _lines(self, content: bytes, start: int) -> Iterator[_Line]:
        """Split the content at `start` of the file into whole lines; an empty one has an empty payload."""
        at, starts = 0, () if (self._facts() or {}).get("version") in _STARTING_FROM_OFFSET else (0,)
        while at < len(content):
            origin = checksum_start(self.name, start + at)
            extent = read_extent(content[at : at + PREFIX_BYTES], origin)
            rows, end = (1, content.find(b"\n", at) + 1) if extent is None else (extent[0], at + extent[1])
            if not at < end <= len(content):
                return
            yield _Line(read_payload(content[at : end - 1], origin, *starts), rows, end)
            at = end

    def read_tail(self, start: int, most_bytes: int) -> tuple[bytes | None, ...]:
        """Read the last whole lines, none before `start`; the first may be cut, and then reads as damaged."""
        return self.read(max(start, self.size - most_bytes), most_bytes).entries

    def sync(self) -> None:
        """Force what has been written to the disk; called off the request path, for many entries at once."""
        os.fdatasync(self._descriptor)


def _counts(value: object) -> dict[str, int] | None:
    """Return counts by reason, or None when the value is something else."""
    if isinstance(value, dict) and all(type(rows) is int for rows in value.values()):
        return value
    return None


def _json_object(payload: bytes | None) -> dict[str, Any] | None:
    try:
        value = orjson.loads(payload or b"null")
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None
