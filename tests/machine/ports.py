"""Free TCP ports of loopback, given to nobody else who runs tests on this machine.

They lie below those that the kernel gives to outgoing connections (Linux: 32768 and up): one of these could
take a port between its choice and its use.
"""

from __future__ import annotations

import functools
import socket
from collections import deque

FIRST, LAST, BLOCK = 20_000, 32_000, 200


class NoFreePort(RuntimeError):
    """All ports for tests are taken; the message says which these are."""


def free_port() -> int:
    """A port that nobody listens on now; the same one comes again only after all others of the block."""
    _, ports = _block()
    for _ in range(len(ports)):
        ports.rotate(-1)
        if taken := _bound(ports[-1]):
            taken.close()
            return ports[-1]
    raise NoFreePort(f"something listens on each port of {min(ports)} to {max(ports)}")


def free_ports(count: int) -> list[int]:
    """Different ports that nobody listens on now."""
    return [free_port() for _ in range(count)]


@functools.cache
def _block() -> tuple[socket.socket, deque[int]]:
    """Ports that are this process's alone while it lives, for it holds the one before them."""
    for first in range(FIRST, LAST, BLOCK):
        if held := _bound(first):
            return held, deque(range(first + 1, first + BLOCK))
    raise NoFreePort(f"tests run already on every block of {BLOCK} ports from {FIRST} to {LAST}")


def _bound(port: int) -> socket.socket | None:
    """A socket that has the port; None when somebody else has it."""
    probe = socket.socket()
    try:
        probe.bind(("127.0.0.1", port))
    except OSError:
        probe.close()
        return None
    return probe
