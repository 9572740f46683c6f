"""Lingering: answered connections, kept until their clients close them, without holding the process up.

A connection that is closed while its client still sends is reset, and with it goes an answer that the client
has not read yet (RFC 9112, 9.6). So it is closed for sending first, and for reading only when the client has
closed it, or after LINGER_SECONDS. Meanwhile the process answers others: what the client still sends is
thrown away between two requests.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable
from itertools import islice

LINGER_SECONDS = 2.0
CONNECTIONS_MOST = 128
_READS_AT_ONCE = 8
_READ_BYTES = 65_536


class Lingering:
    """The answered connections of one process; past CONNECTIONS_MOST the oldest is closed."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._selector = selectors.DefaultSelector()
        self._deadlines: dict[socket.socket, float] = {}
        self._thrown_away = bytearray(_READ_BYTES)

    def __len__(self) -> int:
        return len(self._deadlines)

    def fileno(self) -> int:
        """A descriptor that is readable once a client has sent something or has closed its connection."""
        return self._selector.fileno()

    def add(self, client: socket.socket) -> None:
        """Take over a connection that was closed for sending."""
        client.setblocking(False)
        self._selector.register(client, selectors.EVENT_READ)
        self._deadlines[client] = self._clock() + LINGER_SECONDS
        if len(self._deadlines) > CONNECTIONS_MOST:
            self._close(next(iter(self._deadlines)))

    def tend(self) -> None:
        """Close what the clients have closed, or what is overdue: a few reads at most, and none waits."""
        if not self._deadlines:
            return
        for key, _ in islice(self._selector.select(0), _READS_AT_ONCE):
            self._read(key.fileobj)  # type: ignore[arg-type]
        now = self._clock()
        while self._deadlines:
            oldest, deadline = next(iter(self._deadlines.items()))
            if deadline > now:
                return
            self._close(oldest)

    def seconds_left(self) -> float | None:
        """Seconds until the oldest connection is overdue; None: there is none."""
        if not self._deadlines:
            return None
        return max(0.0, next(iter(self._deadlines.values())) - self._clock())

    def finish(self) -> None:
        """Wait until every connection is closed, LINGER_SECONDS at most: the process ends."""
        while (seconds := self.seconds_left()) is not None:
            self._selector.select(seconds)
            self.tend()

    def _read(self, client: socket.socket) -> None:
        try:
            if client.recv_into(self._thrown_away):
                return
        except BlockingIOError:
            return
        except OSError:  # the client has reset the connection
            self._close(client)
            return
        self._close(client)

    def _close(self, client: socket.socket) -> None:
        del self._deadlines[client]
        self._selector.unregister(client)
        client.close()
