"""The sink of log lines: a bounded queue, and one thread per process that writes many lines in one call."""

from __future__ import annotations

import os
import select
import stat
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from monitoring.logs.file import LogFile

QUEUE_LINES = 10_000
PAUSE_SECONDS = 0.05
PIPE_BYTES = 4096
"""The largest write that a pipe keeps whole: beyond it, the lines of two processes mix."""
FILE_BYTES = 1 << 20


class Sink:
    """Takes lines from any thread; counts those that do not fit because the far end is slow, hung or full.

    The first line starts the thread, and so does the first line after a fork: a fork inherits no thread, and
    its parent writes the queued lines.
    """

    def __init__(self, service: str, directory: Path | None, descriptor: int = 1) -> None:
        self.on_dropped: Callable[[], None] | None = None
        self._file: LogFile | None = None
        self._service = service
        self._directory = directory
        self._descriptor = descriptor
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self.dropped = 0
        self._lines: deque[bytes] = deque()
        self._written = 0
        self._accepted = 0
        self._wake = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._torn = False
        if self._file:  # after a fork: the parent's
            self._file.close()
        self._file = LogFile(self._directory, self._service) if self._directory else None

    def put(self, line: bytes) -> None:
        """Queue one line, or drop and count it. Never blocks."""
        if self._pid != os.getpid():
            self._begin()
        if len(self._lines) >= QUEUE_LINES or self._closed:
            self.drop(1)
            return
        self._lines.append(line)
        if self._thread is None:
            self._start()

    def flush(self, seconds: float) -> bool:
        """Wait until the queue is empty and written, at most `seconds`; returns whether it is."""
        deadline = time.monotonic() + seconds
        while self._lines or self._accepted != self._written:
            if self._thread is None or time.monotonic() > deadline:
                return False
            self._wake.set()
            time.sleep(0.001)
        return True

    def move_descriptor(self) -> None:
        """Write to a duplicate of the descriptor from now on: its number may be reused."""
        if self._directory is None:
            self.flush(1.0)
            self._descriptor = os.dup(self._descriptor)

    def close(self, seconds: float = 2.0) -> None:
        """Write the queued lines, for at most `seconds`, and accept no more."""
        self._closed = True
        thread = self._thread
        if thread is not None:
            self._wake.set()
            thread.join(seconds)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="umbra-log", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            closing = self._closed
            for piece, count in _pieces(self._take(), self._piece_bytes()):
                self._write(piece, count)
            if closing and not self._lines:
                if self._file:
                    self._file.close()
                return
            # Polls: waking the thread for every line would cost the caller more than writing the line.
            self._wake.wait(0 if self._closed else PAUSE_SECONDS)
            self._wake.clear()

    def _take(self) -> Iterator[bytes]:
        for _ in range(len(self._lines)):
            self._accepted += 1
            yield self._lines.popleft()

    def _write(self, piece: bytes, count: int) -> None:
        if self._torn and not self._file:  # a file ends its last line itself when it is opened again
            piece = b"\n" + piece
        written = self._write_what_fits(piece)
        if written and self._file and self._file.is_deleted:  # in the very moment of the write
            self._file.close()
            written = self._write_what_fits(piece)
        if written:
            self._torn = piece[written - 1 : written] != b"\n"
        if written < len(piece):
            self.drop(min(count, piece.count(b"\n", written)))
            if self._file:
                self._file.close()
        self._written += count

    def _write_what_fits(self, piece: bytes) -> int:
        """Write until done or failed; returns the number of bytes written."""
        written = 0
        with suppress(OSError):
            descriptor = self._file.descriptor(len(piece)) if self._file else self._descriptor
            while written < len(piece):
                try:
                    written += os.write(descriptor, memoryview(piece)[written:])
                except BlockingIOError:
                    select.select([], [descriptor], [], 1.0)
        return written

    def _piece_bytes(self) -> int:
        if self._file:
            return FILE_BYTES
        try:
            regular = stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        except OSError:
            return PIPE_BYTES
        return FILE_BYTES if regular else PIPE_BYTES

    def drop(self, count: int) -> None:
        """Count lines that will not be written."""
        self.dropped += count
        if self.on_dropped is not None:
            for _ in range(count):
                self.on_dropped()


def _pieces(lines: Iterable[bytes], limit: int) -> Iterator[tuple[bytes, int]]:
    """Join whole lines up to `limit` bytes; yields each piece with its number of lines."""
    waiting: list[bytes] = []
    size = 0
    for line in lines:
        if waiting and size + len(line) > limit:
            yield b"".join(waiting), len(waiting)
            waiting, size = [], 0
        waiting.append(line)
        size += len(line)
    if waiting:
        yield b"".join(waiting), len(waiting)
