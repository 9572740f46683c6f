"""The journal: the durable files that captures go to first.

A segment is one append-only file with one writer. It begins with a header of fixed size that is
rewritten in place (so that drops can be told even when the disk has no room left), followed by one
line per entry:

    crc32-of-place-and-payload-in-hex SPACE payload-as-one-line-of-json NEWLINE

A line is the unit of loss: whatever damages one, reading goes on at the next newline. The checksum
starts from the line's place (its segment and its offset there), so that a whole line which a disk
brings back in another place is damage too, and no house is read twice. Every entry carries how many
houses its segment had been offered, and had dropped, before it; a reader can therefore say exactly
how many houses a damaged stretch held.

The writer holds an exclusive lock on its segment for life, so a segment whose lock can be taken is
sealed: nobody will ever append to it again.
"""

from __future__ import annotations

import errno
import fcntl
import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import orjson

FORMAT = "umbra-journal"
VERSION = 3
READABLE = (1, 2, VERSION)  # 2: there may be outcomes between the captures; 3: lines know their place
HEADER_BYTES = 512
SUFFIX = ".journal"
_CHECKSUM_BYTES = 9  # eight hexadecimal digits and a space


class UnreadableSegment(ValueError):
    """A file in the journal directory that this version cannot read."""


def place(name: str, offset: int) -> int:
    """What the checksum of the line at this offset of the segment `name` starts from."""
    return zlib.crc32(b"%s %d" % (name.encode(), offset))


def frame(payload: bytes, start: int = 0) -> bytes:
    """Make one line of a payload that holds no newline; `start` is its `place`."""
    return b"%08x %s\n" % (zlib.crc32(payload, start), payload)


def unframe(line: bytes, *starts: int) -> bytes | None:
    """Return the payload of one line (without its newline), or None when it is damaged.

    Its checksum may start from any of `starts`; without one, from 0.
    """
    payload = line[_CHECKSUM_BYTES:]
    good = (b"%08x " % zlib.crc32(payload, start) for start in starts or (0,))
    return payload if line[:_CHECKSUM_BYTES] in good else None


def _header(name: str, dropped: Mapping[str, int]) -> bytes:
    payload = orjson.dumps({"format": FORMAT, "version": VERSION, "dropped": dropped})
    return frame(payload.ljust(HEADER_BYTES - _CHECKSUM_BYTES - 1), place(name, 0))


class SegmentWriter:
    """Appends entries to one new segment; used by one thread of one process."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor = descriptor
        self._name = name_of(path)
        self._end = HEADER_BYTES
        self._torn = False

    @classmethod
    def create(cls, directory: Path, name: str, dropped: Mapping[str, int]) -> Self:
        """Create the segment `name`, locked before anyone can see it; raises OSError."""
        hidden = directory / f".{name}.new"
        descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        path = path_of(directory, name)
        try:
            _give_to_owner(descriptor, directory)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write_all(descriptor, _header(name, dropped), 0)
            hidden.rename(path)
        except OSError:
            os.close(descriptor)
            hidden.unlink(missing_ok=True)
            raise
        return cls(descriptor, path)

    @property
    def size(self) -> int:
        """Bytes of the segment that are good."""
        return self._end

    @property
    def removed(self) -> bool:
        """Whether somebody deleted the file under the writer, so that nobody will ever read it."""
        return os.fstat(self._descriptor).st_nlink == 0

    def append(self, payload: bytes) -> None:
        """Hand one entry to the kernel in one write; raises OSError and leaves the segment as it was."""
        gap = b"\n" if self._torn else b""
        line = gap + frame(payload, place(self._name, self._end + len(gap)))
        try:
            _write_all(self._descriptor, line, self._end)
        except OSError:
            self._take_back()
            raise
        self._torn = False
        self._end += len(line)

    def note_dropped(self, dropped: Mapping[str, int]) -> None:
        """Rewrite the header in place, in blocks the file already owns; raises OSError."""
        _write_all(self._descriptor, _header(self._name, dropped), 0)

    def close(self) -> None:
        """Seal the segment."""
        os.close(self._descriptor)

    def _take_back(self) -> None:
        try:
            os.ftruncate(self._descriptor, self._end)
        except OSError:
            # The half line stays; a newline before the next entry confines the damage to it.
            self._end = os.fstat(self._descriptor).st_size
            self._torn = True


def _give_to_owner(descriptor: int, directory: Path) -> None:
    """Let the owner of the journal, as whom ingest runs, read what root writes."""
    if os.geteuid() == 0:
        owner = directory.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    if os.pwrite(descriptor, data, offset) != len(data):
        raise OSError(errno.ENOSPC, "the disk took only a part of the entry")


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one reading of a segment gave.

    `entries` are payloads in order, None standing for a damaged line; `end` is the position to go
    on from; `reached_end` says that no whole line lay beyond it, `torn` that a part of one did.
    """

    entries: tuple[bytes | None, ...]
    end: int
    reached_end: bool
    torn: bool = False


class SegmentReader:
    """Reads one segment, perhaps while its writer appends; a context manager."""

    def __init__(self, path: Path, name: str | None = None) -> None:
        """Open a file; `name` is the one that its lines know, where the file has another ending."""
        self.path = path
        self.name = name_of(path) if name is None else name
        # A pipe of that name would have its reader wait for a writer.
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    @property
    def size(self) -> int:
        """Bytes in the file now."""
        return os.fstat(self._descriptor).st_size

    def seal(self) -> bool:
        """Say whether the writer is gone for good."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def dropped(self) -> dict[str, int] | None:
        """Houses this segment's writer could not take, by reason; None when the header is damaged.

        Raises UnreadableSegment when another version of the format wrote it.
        """
        facts = self._header()
        if facts is None:
            return None
        if facts.get("version") not in READABLE:
            raise UnreadableSegment(
                f"{self.path.name}: journal version {facts.get('version')!r}, this Umbra reads {READABLE}; "
                "let the version that wrote it empty the journal first"
            )
        return _counts(facts.get("dropped"))

    def _header(self) -> dict[str, Any] | None:
        line = os.pread(self._descriptor, HEADER_BYTES, 0)[:-1]
        facts = _json_object(unframe(line, place(self.name, 0), 0))
        return facts if facts is not None and facts.get("format") == FORMAT else None

    def read(self, start: int, most_bytes: int) -> Chunk:
        """Read whole lines from `start` (0: the first entry), about `most_bytes` of them."""
        start = max(start, HEADER_BYTES)
        data = os.pread(self._descriptor, most_bytes, start)
        while data and b"\n" not in data and start + len(data) < self.size:
            data = os.pread(self._descriptor, 2 * len(data), start)
        whole = data[: data.rfind(b"\n") + 1]
        reached_end = start + len(data) >= self.size
        torn = reached_end and len(whole) < len(data)
        return Chunk(tuple(self._entries(whole, start)), start + len(whole), reached_end, torn)

    def _entries(self, lines: bytes, start: int) -> Iterator[bytes | None]:
        # Lines of versions before 3 have no place; under a damaged header nobody knows the version.
        header = self._header()
        others = () if header is not None and header.get("version") == VERSION else (0,)
        for line in lines.split(b"\n"):
            if line:
                yield unframe(line, place(self.name, start), *others)
            start += len(line) + 1

    def read_tail(self, start: int, most_bytes: int) -> tuple[bytes | None, ...]:
        """Read the last whole lines, none before `start`; the first may be cut, and then reads as damaged."""
        return self.read(max(start, self.size - most_bytes), most_bytes).entries

    def sync(self) -> None:
        """Force what has been written to the disk; called off the request path, for many entries at once."""
        os.fdatasync(self._descriptor)


def _counts(value: object) -> dict[str, int] | None:
    """Houses by reason, or None when these are none."""
    if isinstance(value, dict) and all(type(houses) is int for houses in value.values()):
        return value
    return None


def _json_object(payload: bytes | None) -> dict[str, Any] | None:
    try:
        value = orjson.loads(payload or b"null")
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def name_of(path: Path) -> str:
    """The segment's name, unique in its data directory for ever."""
    return path.name.removesuffix(SUFFIX)


def path_of(directory: Path, name: str) -> Path:
    """Where the segment of that name is."""
    return directory / (name + SUFFIX)


def segments(directory: Path) -> Iterator[Path]:
    """The segments of a journal directory, oldest first."""
    if directory.is_dir():
        yield from sorted(path for path in directory.iterdir() if path.name.endswith(SUFFIX))


def size_bytes(directory: Path) -> int:
    """Bytes that the whole journal takes on disk."""
    total = 0
    for path in segments(directory):
        try:
            total += path.stat().st_size
        except FileNotFoundError:  # ingest removed it between the listing and the look
            continue
    return total
