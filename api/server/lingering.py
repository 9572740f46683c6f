"""Lingering: answered connections, kept until their clients close them, without holding the process up.

A connection that is closed while its client still sends is reset, and with it goes an answer that the client
has not read yet (RFC 9112, 9.6). So it is closed for sending first, and for reading only when the client has
closed it, or after LINGER_SECONDS. Meanwhile the process answers others: what the client still sends is
thrown away between two requests.
"""

from __future__ import annotations

import logging
import selectors
import socket
import time
from collections.abc import Callable
from itertools import islice

from monitoring import logs

LINGER_SECONDS = 2.0
CONNECTIONS_MOST = 128
_CHECK_SECONDS = 0.05
_READS_AT_ONCE = 8
_READ_BYTES = 65_536
_log = logging.getLogger("umbra.server")


class Lingering:
    """The answered connections of one process; past CONNECTIONS_MOST the oldest is closed.

    Most clients close as soon as they have their answer. So a connection is looked at once the next request
    was answered, and is watched, which costs more, only if it is open then or if there is none for a while.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._selector = selectors.DefaultSelector()
        self._deadlines: dict[socket.socket, float] = {}
        self._answered: list[socket.socket] = []
        self._answered_before: list[socket.socket] = []
        self._discarded = bytearray(_READ_BYTES)

    def __len__(self) -> int:
        return len(self._deadlines)

    def fileno(self) -> int:
        """Return a descriptor that is readable once a watched client has sent something or closed."""
        return self._selector.fileno()

    def add(self, client: socket.socket) -> None:
        """Take over a connection that was closed for sending."""
        client.setblocking(False)
        self._answered.append(client)
        self._deadlines[client] = self._clock() + LINGER_SECONDS
        if len(self._deadlines) > CONNECTIONS_MOST:
            self._close(next(iter(self._deadlines)))

    def close_finished(self) -> None:
        """Close what clients have closed and what is overdue, with a few reads that never wait."""
        if not self._deadlines:
            return
        before, self._answered_before, self._answered = self._answered_before, self._answered, []
        for client in before:
            if self._is_open(client):
                self._selector.register(client, selectors.EVENT_READ)
        if self._selector.get_map():
            self._read_watched()
        now = self._clock()
        while self._deadlines:
            oldest, deadline = next(iter(self._deadlines.items()))
            if deadline > now:
                return
            self._close(oldest)

    def seconds_to_check(self) -> float | None:
        """Seconds until an idle process has to check the connections again; None: there are none."""
        if self._answered or self._answered_before:
            return _CHECK_SECONDS
        if not self._deadlines:
            return None
        return max(0.0, next(iter(self._deadlines.values())) - self._clock())

    def watch(self) -> None:
        """Watch all connections while the process is idle."""
        for client in (*self._answered_before, *self._answered):
            if client in self._deadlines and self._is_open(client):
                self._selector.register(client, selectors.EVENT_READ)
        self._answered_before, self._answered = [], []

    def finish(self) -> None:
        """Wait until every connection is closed, LINGER_SECONDS at most: the process ends."""
        self.watch()
        while (seconds := self.seconds_to_check()) is not None:
            self._selector.select(seconds)
            self.close_finished()

    def _read_watched(self) -> None:
        for key, _ in islice(self._selector.select(0), _READS_AT_ONCE):
            self._is_open(key.fileobj)  # type: ignore[arg-type]

    def _is_open(self, client: socket.socket) -> bool:
        """Discard what the client has sent; False: the client has closed, and so has this process."""
        try:
            if client.recv_into(self._discarded):
                return True
        except BlockingIOError:
            return True
        except OSError as fault:
            logs.event(_log, "answer_not_sent", level=logging.DEBUG, error=fault)
        self._close(client)
        return False

    def _close(self, client: socket.socket) -> None:
        if self._deadlines.pop(client, None) is None:
            return
        if client in self._selector.get_map():
            self._selector.unregister(client)
        socket.socket.close(client)  # not what a connection of the server makes of it
