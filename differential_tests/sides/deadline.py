"""Deadlines: sockets on which a whole request ends in time, however slowly the other side goes on talking.

A timeout for each read is none: a byte a second never exceeds it. So every read and write may take what is
left until the deadline of the request that the thread makes.
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
    """Connects over TCP; `within` sets the deadline of what the calling thread does."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._inner = httpcore.SyncBackend()
        self._clock = clock
        self._mine = threading.local()
        self._open: WeakSet[_Stream] = WeakSet()
        self._lock = threading.Lock()
        self._over = False

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Everything the thread does inside ends after so many seconds."""
        self._mine.ends = self._clock() + seconds
        yield

    def left(self, timeout: float | None) -> float:
        """Seconds that may still be waited; raises httpcore.ReadTimeout (or ReadError, once it is over)."""
        if self._over:
            raise httpcore.ReadError("interrupted")
        left: float = self._mine.ends - self._clock()
        if left <= 0:
            raise httpcore.ReadTimeout("the time for the whole request is over")
        return left if timeout is None else min(left, timeout)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """A connection whose reads and writes know the deadline."""
        stream = self._inner.connect_tcp(host, port, self.left(timeout), local_address, socket_options)
        return self._kept(stream)

    def interrupt(self) -> None:
        """End every read and write that is going on, in whatever thread, and let none begin."""
        with self._lock:
            self._over = True
            for stream in self._open:
                stream.interrupt()

    def _kept(self, stream: httpcore.NetworkStream) -> _Stream:
        kept = _Stream(stream, self)
        with self._lock:
            self._open.add(kept)
        return kept


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, deadlines: Deadlines) -> None:
        self._inner, self._deadlines = inner, deadlines

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadlines.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for first in range(0, len(buffer), PIECE_BYTES):
            self._inner.write(buffer[first : first + PIECE_BYTES], self._deadlines.left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._deadlines.left(timeout)
        return self._deadlines._kept(self._inner.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

    def interrupt(self) -> None:
        """Let whoever waits for this connection wait no more."""
        with suppress(OSError):
            self._inner.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
