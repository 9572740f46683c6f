"""One process's log file: rotated by rename, so that a shipper which follows the inode loses no line."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

MAX_BYTES = 64 * 1024 * 1024
KEPT = 5


class LogFile:
    """`DIRECTORY/SERVICE-PID.jsonl`, opened when first written to; older: `.1.jsonl` to `.5.jsonl`."""

    def __init__(self, directory: Path, service: str, max_bytes: int = MAX_BYTES) -> None:
        self._directory = directory
        self._service = service
        self._max_bytes = max_bytes
        self._descriptor = -1
        self._size = 0
        self.path = directory / f"{service}-{os.getpid()}.jsonl"

    def descriptor(self, coming: int) -> int:
        """An open descriptor with room for `coming` bytes; raises OSError."""
        if self._descriptor >= 0 and self._size and self._size + coming > self._max_bytes:
            self._rotate()
        if self._descriptor < 0:
            self._open()
        self._size += coming
        return self._descriptor

    def close(self) -> None:
        """Close; the next write opens again."""
        if self._descriptor >= 0:
            with suppress(OSError):
                os.close(self._descriptor)
        self._descriptor = -1

    def _open(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        self._sweep()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(self.path, flags, 0o640)
        self._size = os.fstat(self._descriptor).st_size

    def _rotate(self) -> None:
        self.close()
        for number in range(KEPT, 0, -1):
            older = self._rotated(number)
            newer = self._rotated(number - 1) if number > 1 else self.path
            with suppress(FileNotFoundError):
                newer.rename(older)

    def _rotated(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.stem}.{number}.jsonl")

    def _sweep(self) -> None:
        """Of the files of processes that are gone, keep the newest few: every start makes new ones."""
        gone = [file for file in self._directory.glob(f"{self._service}-*.jsonl") if not _alive(file)]
        for file in sorted(gone, key=_changed, reverse=True)[2 * KEPT :]:
            file.unlink(missing_ok=True)


def _changed(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _alive(file: Path) -> bool:
    pid = file.name.rpartition("-")[2].partition(".")[0]
    if not pid.isdigit():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
