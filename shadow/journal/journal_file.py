"""The journal file: the format of the durable files that captures go to first, and where they are.

A journal file is append-only and has one writer. It begins with a header of 512 bytes that is rewritten
in place (so that drops can be counted even when the disk has no room left), followed by one line per entry:

    ROWS LENGTH checksum-of-these-two checksum-of-payload payload-as-one-line-of-json NEWLINE

The first four are eight hexadecimal digits each. A line is the unit of loss: whatever damages one line,
reading goes on behind it. Its two checksums start from the name of the file and the line's offset in it, so
that a whole line which a disk brings back at another offset is damage too, and no row is read twice. Entries
carry the number of rows before them in their file; so a reader counts exactly how many rows a damaged stretch
held. At the end of a file, where no entry follows, the header of a closed file has the number of all its
rows; for a writer that was killed, its tally has it (`shadow.journal.tally`), and else each line its own.

The checksum of a header depends on its bytes alone, in every version from 4 on: a reader recognises a version
that it cannot read, and ingest sets the file aside.

The writer holds an exclusive lock on its file for life, so a file whose lock can be taken is sealed:
nobody will ever append to it again.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import orjson

FORMAT = "umbra-journal"
VERSION = 4
READABLE = (1, 2, 3, VERSION)
"""2: outcomes may stand between captures; 3: checksums start from the offset; 4: lines have their length."""
HEADER_BYTES = 512
SUFFIX = ".journal"
_CHECKSUM_BYTES = 9  # eight hexadecimal digits and a space
_EXTENT_BYTES = 18  # rows and length of a line
PREFIX_BYTES = _EXTENT_BYTES + 2 * _CHECKSUM_BYTES


def checksum_start(name: str, offset: int) -> int:
    """Return what the checksums of the line at this offset of the journal file `name` start from."""
    return zlib.crc32(b"%s %d" % (name.encode(), offset))


def frame(payload: bytes, start: int = 0) -> bytes:
    """Make a header, or a line of a version before 4, of a payload that holds no newline."""
    return b"%08x %s\n" % (zlib.crc32(payload, start), payload)


def unframe(line: bytes, *starts: int) -> bytes | None:
    """Return the payload of such a line (without its newline), or None when it is damaged.

    Its checksum may start from any of `starts`; without one, from 0.
    """
    payload = line[_CHECKSUM_BYTES:]
    checksums = (b"%08x " % zlib.crc32(payload, start) for start in starts or (0,))
    return payload if line[:_CHECKSUM_BYTES] in checksums else None


def encode_line(payload: bytes, rows: int, start: int) -> bytes:
    """Make the line of an entry that has `rows` captures; `start` is its `checksum_start`."""
    extent = b"%08x %08x " % (rows, PREFIX_BYTES + len(payload) + 1)
    return b"%s%08x %08x %s\n" % (extent, zlib.crc32(extent, start), zlib.crc32(payload, start), payload)


def read_extent(prefix: bytes, start: int) -> tuple[int, int] | None:
    """Read rows and length from the beginning of a line; None when that is damaged."""
    extent = prefix[:_EXTENT_BYTES]
    if prefix[_EXTENT_BYTES : _EXTENT_BYTES + _CHECKSUM_BYTES] != b"%08x " % zlib.crc32(extent, start):
        return None
    return int(extent[:8], 16), int(extent[9:17], 16)


def encode_header(name: str, writer: str, dropped: Mapping[str, int], rows: int | None) -> bytes:
    """Make the header of a journal file; `rows` is None while its writer may append."""
    facts = {"format": FORMAT, "version": VERSION, "name": name, "writer": writer, "dropped": dropped}
    payload = orjson.dumps(facts | {"rows": rows})
    return frame(payload.ljust(HEADER_BYTES - _CHECKSUM_BYTES - 1))


def read_payload(line: bytes, *starts: int) -> bytes | None:
    """Read the payload of a line without its newline, of any version; None when it is damaged."""
    if not line:
        return b""
    payload = unframe(line[PREFIX_BYTES - _CHECKSUM_BYTES :], starts[0])
    return unframe(line, *starts) if payload is None else payload


def name_of(path: Path) -> str:
    """Return the name of a journal file, unique in its data directory for ever."""
    return path.name.removesuffix(SUFFIX)


def path_of(directory: Path, name: str) -> Path:
    """Return where the journal file of that name is."""
    return directory / (name + SUFFIX)


def paths(directory: Path) -> Iterator[Path]:
    """Yield the files of a journal directory, oldest first."""
    if directory.is_dir():
        yield from sorted(path for path in directory.iterdir() if path.name.endswith(SUFFIX))


def size_bytes(directory: Path) -> int:
    """Add up the bytes that the whole journal takes on disk."""
    total = 0
    for path in paths(directory):
        try:
            total += path.lstat().st_size
        except OSError:  # ingest removed it since the listing, or its size cannot be read
            continue
    return total
