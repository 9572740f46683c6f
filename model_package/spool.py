"""Spool: read a file more than once, also where it is a pipe.

A plain file is opened anew each time, and has to stay unchanged. A pipe, FIFO or terminal (`/dev/stdin`,
`<(zcat sales.csv.gz)`) gives its bytes only once: the spool first copies it to a nameless temporary file.
"""

from __future__ import annotations

import io
import os
import stat
import tempfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from model_package.tables import InvalidTable

MAX_COPIED_BYTES = 1 << 30
"""The most that is copied of a pipe: temporary folders are often memory."""
_CHUNK_BYTES = 1 << 20


class Spool:
    """One file; `waiting` gets a message when the file has to be waited for."""

    def __init__(
        self,
        path: Path,
        waiting: Callable[[str], None] = lambda _: None,
        most_bytes: int = MAX_COPIED_BYTES,
    ) -> None:
        """Inspect the file, and copy it if it can be read only once. Raises InvalidTable or OSError.

        Waits for the writer of a FIFO, as every Unix tool does; an interrupt ends the wait.
        """
        self._path = path
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise InvalidTable("a plain file or a pipe", "a directory")
        self._copy = None if stat.S_ISREG(status.st_mode) else self._copied(waiting, most_bytes)
        self._state = _state(status)
        self.size = status.st_size if self._copy is None else os.fstat(self._copy).st_size

    @contextmanager
    def reading(self) -> Iterator[BinaryIO]:
        """Open the file at its beginning; raises InvalidTable if a plain file changed meanwhile."""
        if self._copy is not None:
            yield io.BufferedReader(_Copy(self._copy))
            return
        self._require_unchanged()
        with self._path.open("rb") as file:
            yield file
        self._require_unchanged()

    def _require_unchanged(self) -> None:
        if _state(self._path.stat()) != self._state:
            expected = "a file that stays as it is while it is read (try again)"
            raise InvalidTable(expected, "one that has changed")

    def _copied(self, waiting: Callable[[str], None], most_bytes: int) -> int:
        waiting(f"waiting for {self._path}, which is no plain file: it is read to its end first")
        with self._path.open("rb", buffering=0) as pipe, tempfile.TemporaryFile() as file:
            while chunk := pipe.read(_CHUNK_BYTES):
                file.write(chunk)
                if file.tell() > most_bytes:
                    expected = f"at most {most_bytes:,} bytes through a pipe (name a file instead)"
                    raise InvalidTable(expected, "more")
            file.flush()
            descriptor = os.dup(file.fileno())
        weakref.finalize(self, os.close, descriptor)
        return descriptor


def _state(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


class _Copy(io.RawIOBase):
    """The copy, with a position of its own: several may read it at once."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._position = descriptor, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_CUR:
            offset += self._position
        elif whence == os.SEEK_END:
            offset += os.fstat(self._descriptor).st_size
        self._position = offset
        return offset

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        chunk = os.pread(self._descriptor, len(buffer), self._position)
        buffer[: len(chunk)] = chunk
        self._position += len(chunk)
        return len(chunk)
