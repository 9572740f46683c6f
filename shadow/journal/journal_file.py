"""The journal: the durable files that captures go to first.

A journal file is append-only and has one writer. It begins with a header of 512 bytes that is rewritten
in place (so that drops can be counted even when the disk has no room left), followed by one line per entry:

    ROWS LENGTH checksum-of-these-two checksum-of-payload payload-as-one-line-of-json NEWLINE

The first four are eight hexadecimal digits each. A line is the unit of loss: whatever damages one, reading
goes on behind it. Its two checksums start from the line's place (its file and its offset there), so that a
whole line which a disk brings back in another place is damage too, and no row is read twice. Entries
carry the number of rows before them in their file; so a reader can say exactly how many rows a damaged
stretch held. At the end of a file, where no entry follows, the header has the number of rows in all once the
file is closed; of a writer that was killed, its tally has it (`shadow.journal.tally`), and else each line its
own.

The checksum of a header depends on nothing but its bytes, in every version from 4 on: a reader recognises a
version that it cannot read, and sets the file aside.

The writer holds an exclusive lock on its file for life, so a file whose lock can be taken is sealed:
nobody will ever append to it again.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import orjson

FORMAT = "umbra-journal"
VERSION = 4
READABLE = (1, 2, 3, VERSION)
"""2: there may be outcomes between the captures; 3: lines know their place; 4: and how long they are."""
_PLACED = (3, VERSION)  # under a damaged header nobody knows the version
HEADER_BYTES = 512
SUFFIX = ".journal"
_CHECKSUM_BYTES = 9  # eight hexadecimal digits and a space
_EXTENT_BYTES = 18  # rows and length of a line
_PREFIX_BYTES = _EXTENT_BYTES + 2 * _CHECKSUM_BYTES
_COPY_BYTES = 1 << 22


class UnreadableJournalFile(ValueError):
    """A file in the journal directory that this version cannot read."""


def place(name: str, offset: int) -> int:
    """What the checksums of the line at this offset of the journal file `name` start from."""
    return zlib.crc32(b"%s %d" % (name.encode(), offset))


def frame(payload: bytes, start: int = 0) -> bytes:
    """Make a header, or a line of a version before 4, of a payload that holds no newline."""
    return b"%08x %s\n" % (zlib.crc32(payload, start), payload)


def unframe(line: bytes, *starts: int) -> bytes | None:
    """Return the payload of such a line (without its newline), or None when it is damaged.

    Its checksum may start from any of `starts`; without one, from 0.
    """
    payload = line[_CHECKSUM_BYTES:]
    good = (b"%08x " % zlib.crc32(payload, start) for start in starts or (0,))
    return payload if line[:_CHECKSUM_BYTES] in good else None


def line_of(payload: bytes, rows: int, start: int) -> bytes:
    """Make the line of an entry that has `rows` captures; `start` is its `place`."""
    extent = b"%08x %08x " % (rows, _PREFIX_BYTES + len(payload) + 1)
    return b"%s%08x %08x %s\n" % (extent, zlib.crc32(extent, start), zlib.crc32(payload, start), payload)


def _extent(prefix: bytes, start: int) -> tuple[int, int] | None:
    """Rows and length that the beginning of a line gives; None when that is damaged."""
    extent = prefix[:_EXTENT_BYTES]
    if prefix[_EXTENT_BYTES : _EXTENT_BYTES + _CHECKSUM_BYTES] != b"%08x " % zlib.crc32(extent, start):
        return None
    return int(extent[:8], 16), int(extent[9:17], 16)


def _header(name: str, writer: str, dropped: Mapping[str, int], rows: int | None) -> bytes:
    facts = {"format": FORMAT, "version": VERSION, "name": name, "writer": writer, "dropped": dropped}
    payload = orjson.dumps(facts | {"rows": rows})
    return frame(payload.ljust(HEADER_BYTES - _CHECKSUM_BYTES - 1))


class JournalFileWriter:
    """Appends entries to one new journal file; used by one thread of one process."""

    def __init__(self, descriptor: int, path: Path, writer: str, dropped: Mapping[str, int]) -> None:
        self._descriptor = descriptor
        self._name = name_of(path)
        self._directory = _identity_of(path.parent)
        self._writer = writer
        self._dropped = dict(dropped)
        self._end = HEADER_BYTES
        self.rows = 0
        self.torn = False

    @classmethod
    def create(cls, directory: Path, name: str, dropped: Mapping[str, int], writer: str = "") -> Self:
        """Create the journal file `name`, locked before anyone can see it; raises OSError.

        `dropped` counts, by reason, the rows that the writer of that name ever dropped.
        """
        path = path_of(directory, name)
        descriptor = _create(path, _header(name, writer, dropped, None))
        return cls(descriptor, path, writer, dropped)

    @property
    def size(self) -> int:
        """Bytes of the file that are good."""
        return self._end

    @property
    def removed(self) -> bool:
        """Whether somebody deleted the file under the writer, so that nobody will ever read it."""
        return os.fstat(self._descriptor).st_nlink == 0

    def is_missing(self, directory: Path) -> bool:
        """Whether a reader of that directory does not find this file: deleted, moved or mounted over."""
        try:
            mine, seen = os.fstat(self._descriptor), path_of(directory, self._name).stat()
        except OSError:
            return True
        return (seen.st_dev, seen.st_ino) != (mine.st_dev, mine.st_ino)

    def is_left_behind(self, directory: Path) -> bool:
        """Whether the directory is another one than this file was made in: deleted, moved or mounted over."""
        return _identity_of(directory) != self._directory

    def append(self, payload: bytes, rows: int = 0) -> None:
        """Hand one entry with so many captures to the kernel in one write.

        Raises OSError and leaves the file as it was, or else `torn`: then nothing must follow.
        """
        line = line_of(payload, rows, place(self._name, self._end))
        try:
            _write_all(self._descriptor, line, self._end)
        except OSError:
            self._take_back()
            raise
        self._end += len(line)
        self.rows += rows

    def note_dropped(self, dropped: Mapping[str, int]) -> None:
        """Rewrite the header in place, in blocks the file already owns; raises OSError."""
        _write_all(self._descriptor, _header(self._name, self._writer, dropped, None), 0)
        self._dropped = dict(dropped)

    def finish(self) -> bool:
        """Write no more, and let readers know; says whether its header could be given its rows in all.

        If so, the file stays open for `put_back` until `close`; if not, it is closed.
        """
        try:
            _write_all(self._descriptor, _header(self._name, self._writer, self._dropped, self.rows), 0)
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        except OSError:
            self.close()
            return False
        return True

    def close(self) -> None:
        """Let go of the file as it is, like a process that is killed."""
        os.close(self._descriptor)

    def put_back(self, directory: Path) -> None:
        """Copy the file, under its name, to the directory in which it is missing, and go on in the copy.

        Raises OSError; then nothing has changed.
        """
        directory.mkdir(parents=True, exist_ok=True)
        header = _header(self._name, self._writer, self._dropped, None)
        copy = _create(path_of(directory, self._name), header, self._descriptor, self._end)
        self.close()
        self._descriptor, self._directory = copy, _identity_of(directory)

    def _take_back(self) -> None:
        try:
            os.ftruncate(self._descriptor, self._end)
        except OSError:
            self.torn = True


def _identity_of(directory: Path) -> tuple[int, int] | None:
    """Device and number of a directory; None when there is none."""
    try:
        seen = directory.stat()
    except OSError:
        return None
    return seen.st_dev, seen.st_ino


def _create(path: Path, header: bytes, source: int = -1, end: int = HEADER_BYTES) -> int:
    """Make a locked file of a header and the bytes up to `end` of another; gives its descriptor.

    Raises OSError, leaving nothing behind.
    """
    hidden = path.with_name(f".{name_of(path)}.new")
    descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
    try:
        _give_to_owner(descriptor, path.parent)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _write_all(descriptor, header, 0)
        if end > HEADER_BYTES:
            os.posix_fallocate(descriptor, HEADER_BYTES, end - HEADER_BYTES)  # a full disk says so before
            for offset in range(HEADER_BYTES, end, _COPY_BYTES):
                _write_all(descriptor, os.pread(source, min(_COPY_BYTES, end - offset), offset), offset)
        hidden.rename(path)
    except OSError:
        os.close(descriptor)
        hidden.unlink(missing_ok=True)
        raise
    return descriptor


def _give_to_owner(descriptor: int, directory: Path) -> None:
    """Let the owner of the journal, as whom ingest runs, read what root writes."""
    if os.geteuid() == 0:
        owner = directory.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    if os.pwrite(descriptor, data, offset) != len(data):
        raise OSError(errno.ENOSPC, "the disk took only a part of the entry")


@dataclass(frozen=True, slots=True)
class Header:
    """What a journal file says of itself.

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
    """What one reading of a journal file gave.

    `entries` are payloads in order, None standing for a damaged line; `damaged_rows` has the captures that
    each of these held, 1 where it does not say. `end` is the position to go on from; `reached_end` says
    that no whole line lay beyond it, `torn` that a part of one did.
    """

    entries: tuple[bytes | None, ...]
    end: int
    reached_end: bool
    torn: bool = False
    damaged_rows: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Line:
    """One whole line: its payload, None when it is damaged, the rows it says it has, and where it ends."""

    payload: bytes | None
    rows: int
    end: int


class JournalFileReader:
    """Reads one segment, perhaps while its writer appends; a context manager."""

    def __init__(self, path: Path, name: str | None = None) -> None:
        """Open a file; `name` is the one that its lines know, where the file has another ending."""
        self.path = path
        self.name = name_of(path) if name is None else name
        # A pipe of that name would have its reader wait for a writer; a device, or a link to one, never end.
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
        """Say whether the writer is gone for good."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def header(self) -> Header | None:
        """What the file says of itself; None when its header is damaged.

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
            return Header(version, dropped)
        if facts.get("name") != self.name or not isinstance(writer, str):
            return None  # the header of another file
        return Header(version, dropped, writer, rows if type(rows) is int else None)

    def dropped(self) -> Mapping[str, int] | None:
        """Rows that the header counts as dropped, by reason; None when it is damaged.

        Raises UnreadableJournalFile when another version of the format wrote it.
        """
        header = self.header()
        return None if header is None else header.dropped

    def _facts(self) -> dict[str, Any] | None:
        line = os.pread(self._descriptor, HEADER_BYTES, 0)[:-1]
        facts = _json_object(unframe(line, place(self.name, 0), 0))  # version 3 starts from its place
        return facts if facts is not None and facts.get("format") == FORMAT else None

    def read(self, start: int, most_bytes: int) -> Chunk:
        """Read whole lines from `start` (0: the first entry), about `most_bytes` of them."""
        start = max(start, HEADER_BYTES)
        data = os.pread(self._descriptor, most_bytes, start)
        lines = list(self._lines(data, start))
        while data and not lines and start + len(data) < self.size:
            data = os.pread(self._descriptor, 2 * len(data), start)
            lines = list(self._lines(data, start))
        end = lines[-1].end if lines else 0
        reached_end = start + len(data) >= self.size
        read = [line for line in lines if line.payload != b""]
        return Chunk(
            tuple(line.payload for line in read),
            start + end,
            reached_end,
            reached_end and end < len(data),
            tuple(line.rows for line in read if line.payload is None),
        )

    def _lines(self, data: bytes, start: int) -> Iterator[_Line]:
        """Split data at `start` of the file into its whole lines; an empty one has an empty payload."""
        at, starts = 0, () if (self._facts() or {}).get("version") in _PLACED else (0,)
        while at < len(data):
            origin = place(self.name, start + at)
            extent = _extent(data[at : at + _PREFIX_BYTES], origin)
            rows, end = (1, data.find(b"\n", at) + 1) if extent is None else (extent[0], at + extent[1])
            if not at < end <= len(data):
                return
            yield _Line(_payload(data[at : end - 1], origin, *starts), rows, end)
            at = end

    def read_tail(self, start: int, most_bytes: int) -> tuple[bytes | None, ...]:
        """Read the last whole lines, none before `start`; the first may be cut, and then reads as damaged."""
        return self.read(max(start, self.size - most_bytes), most_bytes).entries

    def sync(self) -> None:
        """Force what has been written to the disk; called off the request path, for many entries at once."""
        os.fdatasync(self._descriptor)


def _payload(line: bytes, *starts: int) -> bytes | None:
    """The payload of a line without its newline, of whichever version; None when it is damaged."""
    if not line:
        return b""
    payload = unframe(line[_PREFIX_BYTES - _CHECKSUM_BYTES :], starts[0])
    return unframe(line, *starts) if payload is None else payload


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


def paths(directory: Path) -> Iterator[Path]:
    """The segments of a journal directory, oldest first."""
    if directory.is_dir():
        yield from sorted(path for path in directory.iterdir() if path.name.endswith(SUFFIX))


def size_bytes(directory: Path) -> int:
    """Bytes that the whole journal takes on disk."""
    total = 0
    for path in paths(directory):
        try:
            total += path.lstat().st_size
        except OSError:  # ingest removed it between the listing and the look, or it cannot be looked at
            continue
    return total
