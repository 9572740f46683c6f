"""The log file of one process: rotated by rename, so that a shipper which follows the inode loses no line.

The writer of a file holds a lock on it (flock), so that processes of several containers, whose ids repeat,
can share a directory: no process reuses or removes a file that another one still writes.

Retention: of each process its file of at most 64 MiB and the 5 before it; of the files of a service without
a writer the newest 512 MiB, for 3 days. The next start of a process empties older ones, read or not, and
removes those that have been empty for 3 days.
"""

from __future__ import annotations

import fcntl
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

MAX_BYTES = 64 * 1024 * 1024
ROTATED_FILES = 5
UNUSED_BYTES = 512 * 1024 * 1024
UNUSED_SECONDS = 3 * 24 * 3600.0
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
_FILE_MODE, _DIRECTORY_MODE = 0o640, 0o750  # whatever the umask: a shipper of the same group may read


class LogFile:
    """`DIRECTORY/SERVICE-HOST-PID.jsonl`, opened at the first write; older: `.1.jsonl` to `.5.jsonl`.

    If another process of that name writes there: the first free one of `-PID_1`, `-PID_2`, ...
    """

    def __init__(self, directory: Path, service: str, max_bytes: int = MAX_BYTES) -> None:
        self._directory = directory
        self._service = service
        self._max_bytes = max_bytes
        self._descriptor = -1
        self._size = 0
        host = re.sub(r"[^A-Za-z0-9.-]", "_", socket.gethostname())
        self._stem = f"{service}-{host}-{os.getpid()}"
        self.path = directory / f"{self._stem}.jsonl"

    def descriptor(self, size: int) -> int:
        """Return an open descriptor with room for `size` more bytes; raises OSError.

        Starts a new file if a reader of the directory would not find the open one: deleted or moved.
        """
        if self._descriptor >= 0 and self._is_missing():
            self.close()
        if self._descriptor >= 0 and self._size and self._size + size > self._max_bytes:
            self._rotate()
        if self._descriptor < 0:
            self._open()
        self._size += size
        return self._descriptor

    @property
    def is_deleted(self) -> bool:
        """Whether the open file has no name any more, so that no reader can find it."""
        return self._descriptor >= 0 and os.fstat(self._descriptor).st_nlink == 0

    def _is_missing(self) -> bool:
        try:
            opened, named = os.fstat(self._descriptor), self.path.stat()
        except OSError:
            return True
        return (named.st_dev, named.st_ino) != (opened.st_dev, opened.st_ino)

    def close(self) -> None:
        """Close; the next write opens again."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with suppress(OSError):
                os.close(descriptor)

    def _open(self) -> None:
        if not self._directory.is_dir():
            self._directory.mkdir(parents=True, exist_ok=True)
            self._directory.chmod(_DIRECTORY_MODE)
        self.path, self._descriptor = self._claim()
        self._size = os.fstat(self._descriptor).st_size
        # A process that had this name before may have been killed in the middle of a line.
        if self._size and os.pread(self._descriptor, 1, self._size - 1) != b"\n":
            self._size += os.write(self._descriptor, b"\n")
        self._sweep()

    def _claim(self) -> tuple[Path, int]:
        for number in count():
            path = self._directory / f"{self._stem}{f'_{number}' if number else ''}.jsonl"
            try:
                descriptor = os.open(path, _FLAGS | os.O_CREAT, _FILE_MODE)
            except PermissionError:
                if path.exists():  # another user's
                    continue
                raise
            with suppress(OSError):  # one without modes
                os.fchmod(descriptor, _FILE_MODE)
            with suppress(OSError):  # a file system without locks: then names alone keep writers apart
                if not _lock(descriptor) or not os.fstat(descriptor).st_nlink:  # 0: swept a moment ago
                    os.close(descriptor)
                    continue
            break
        return path, descriptor

    def _rotate(self) -> None:
        """Rename while the lock is held, so that no file is renamed under a new writer."""
        for number in range(ROTATED_FILES, 0, -1):
            older = self._rotated(number)
            newer = self._rotated(number - 1) if number > 1 else self.path
            with suppress(FileNotFoundError):
                newer.rename(older)
        self.close()

    def _rotated(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.stem}.{number}.jsonl")

    def _sweep(self) -> None:
        """Keep the newest of the files without a writer: every start makes new ones.

        Empties an old one first and removes it days later. A shipper knows a file by its inode: had it not
        seen it empty, it would take the next file with this inode for one that it has read.
        """
        unused_bytes = 0
        for file, changed, size in _newest_first(self._directory.glob(f"{self._service}-*.jsonl")):
            with _unused(_current(file)) as unused, suppress(OSError):  # another user's, or gone meanwhile
                unused_bytes += size if unused else 0
                is_old = time.time() - changed > UNUSED_SECONDS
                if unused and size and (is_old or unused_bytes > UNUSED_BYTES):
                    os.truncate(file, 0)
                elif unused and not size and is_old:
                    file.unlink()


def _newest_first(files: Iterator[Path]) -> list[tuple[Path, float, int]]:
    """Return files with the time of their last change and their size."""
    dated = []
    for file in files:
        with suppress(OSError):
            status = file.stat()
            dated.append((file, status.st_mtime, status.st_size))
    return sorted(dated, key=lambda file: file[1], reverse=True)


def _current(file: Path) -> Path:
    """Return the current file of the process that rotated this one; itself when there is none."""
    current = file.with_name(re.sub(r"\.\d+\.jsonl\Z", ".jsonl", file.name))
    return current if current.exists() else file


@contextmanager
def _unused(file: Path) -> Iterator[bool]:
    """Yield whether a file has no writer; the context keeps new writers out."""
    descriptor, unused = -1, False
    with suppress(OSError):
        descriptor = os.open(file, _FLAGS)
        unused = _lock(descriptor)
    try:
        yield unused
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Lock a file while it is open; False when another process has, in any container. Raises OSError."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
