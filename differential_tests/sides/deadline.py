"""Deadlines: sockets on which a whole request ends in time, however slowly the other side sends.

A timeout for each read is none: a byte a second never exceeds it. So every read and write may take what is
remaining until the deadline of the request that the thread makes.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from weakref import WeakSet

import httpcore

PIECE_BYTES = 1 << 14  # a large body to a slow reader is many waits


class Deadlines(httpcore.NetworkBackend):
    """Connects over TCP; `within` sets the deadline of the calling thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._inner = httpcore.SyncBackend()
        self._clock = clock
        self._thread = threading.local()
        self._open: WeakSet[_Stream] = WeakSet()
        self._lock = threading.Lock()
        self._interrupted = False

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Limit what the thread does inside to so many seconds."""
        self._thread.ends = self._clock() + seconds
        yield

    def remaining(self, timeout: float | None) -> float:
        """Return the remaining seconds; raise httpcore.ReadTimeout, or ReadError once interrupted."""
        if self._interrupted:
            raise httpcore.ReadError("interrupted")
        remaining: float = self._thread.ends - self._clock()
        if remaining <= 0:
            raise httpcore.ReadTimeout("the time for the whole request is over")
        return remaining if timeout is None else min(remaining, timeout)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Open a connection whose reads and writes know the deadline."""
        stream = self._inner.connect_tcp(host, port, self.remaining(timeout), local_address, socket_options)
        return self._register(stream)

    def interrupt(self) -> None:
        """End every running read and write in any thread, and refuse new ones."""
        with self._lock:
            self._interrupted = True
            for stream in self._open:
                stream.interrupt()

    def _register(self, stream: httpcore.NetworkStream) -> _Stream:
        registered = _Stream(stream, self)
        with self._lock:
            self._open.add(registered)
        return registered


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, deadlines: Deadlines) -> None:
        self._inner, self._deadlines = inner, deadlines

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadlines.remaining(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for first in range(0, len(buffer), PIECE_BYTES):
            self._inner.write(buffer[first : first + PIECE_BYTES], self._deadlines.remaining(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        remaining = self._deadlines.remaining(timeout)
        return self._deadlines._register(self._inner.start_tls(ssl_context, server_hostname, remaining))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

    def interrupt(self) -> None:
        """Wake every thread that waits for this connection."""
        with suppress(OSError):
            self._inner.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
