"""The writer of one journal file, which holds an exclusive lock on it for life.

So a file whose lock can be taken is sealed: nobody will ever append to it again.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from shadow.journal.journal_file import (
    HEADER_BYTES,
    checksum_start,
    encode_header,
    encode_line,
    name_of,
    path_of,
)

_COPY_BYTES = 1 << 22


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
        descriptor = _create(path, encode_header(name, writer, dropped, None))
        return cls(descriptor, path, writer, dropped)

    @property
    def size(self) -> int:
        """Bytes of the file up to the end of its last whole line."""
        return self._end

    @property
    def removed(self) -> bool:
        """Whether somebody deleted the file under the writer, so that nobody will ever read it."""
        return os.fstat(self._descriptor).st_nlink == 0

    def is_missing(self, directory: Path) -> bool:
        """Whether a reader of that directory does not find this file: deleted, moved or mounted over."""
        try:
            own, listed = os.fstat(self._descriptor), path_of(directory, self._name).stat()
        except OSError:
            return True
        return (listed.st_dev, listed.st_ino) != (own.st_dev, own.st_ino)

    def is_left_behind(self, directory: Path) -> bool:
        """Whether the directory that the file was made in is gone: deleted, moved or mounted over."""
        return _identity_of(directory) != self._directory

    def append(self, payload: bytes, rows: int = 0) -> None:
        """Hand one entry with so many captures to the kernel in one write.

        Raises OSError and leaves the file as it was, or else `torn`: then nothing must follow.
        """
        line = encode_line(payload, rows, checksum_start(self._name, self._end))
        try:
            _write_all(self._descriptor, line, self._end)
        except OSError:
            self._cut_torn_line()
            raise
        self._end += len(line)
        self.rows += rows

    def write_dropped(self, dropped: Mapping[str, int]) -> None:
        """Rewrite the header in place, in blocks the file already owns; raises OSError."""
        _write_all(self._descriptor, encode_header(self._name, self._writer, dropped, None), 0)
        self._dropped = dict(dropped)

    def finish(self) -> bool:
        """Seal the file; return whether the disk took the header with the number of all its rows.

        If so, the file stays open for `put_back` until `close`; if not, it is closed.
        """
        try:
            _write_all(self._descriptor, encode_header(self._name, self._writer, self._dropped, self.rows), 0)
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        except OSError:
            self.close()
            return False
        return True

    def close(self) -> None:
        """Close the file as it is, as the kernel does for a killed process."""
        os.close(self._descriptor)

    def put_back(self, directory: Path) -> None:
        """Copy the file, under its name, to the directory in which it is missing, and go on in the copy.

        Raises OSError; then nothing has changed.
        """
        directory.mkdir(parents=True, exist_ok=True)
        header = encode_header(self._name, self._writer, self._dropped, None)
        copy = _create(path_of(directory, self._name), header, self._descriptor, self._end)
        self.close()
        self._descriptor, self._directory = copy, _identity_of(directory)

    def _cut_torn_line(self) -> None:
        try:
            os.ftruncate(self._descriptor, self._end)
        except OSError:
            self.torn = True


def _identity_of(directory: Path) -> tuple[int, int] | None:
    """Return device and number of a directory; None when there is none."""
    try:
        status = directory.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _create(path: Path, header: bytes, source: int = -1, end: int = HEADER_BYTES) -> int:
    """Make a locked file of a header and the bytes up to `end` of another; return its descriptor.

    Raises OSError, leaving nothing behind.
    """
    hidden = path.with_name(f".{name_of(path)}.new")
    descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
    try:
        _give_to_owner(descriptor, path.parent)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _write_all(descriptor, header, 0)
        if end > HEADER_BYTES:
            os.posix_fallocate(
                descriptor, HEADER_BYTES, end - HEADER_BYTES
            )  # a full disk refuses here, before the copy
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


def _write_all(descriptor: int, content: bytes, offset: int) -> None:
    if os.pwrite(descriptor, content, offset) != len(content):
        raise OSError(errno.ENOSPC, "the disk took only a part of the entry")
