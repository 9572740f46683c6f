"""Ports: check that they are free before anything is started."""

from __future__ import annotations

import socket
import time

from shadow.processes import addresses
from shadow.processes.failure import CannotRun


def check_port(host: str, port: int, seconds: float = 0.0) -> None:
    """Raise CannotRun if the port is taken, even after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return bound_socket(host, port).close()
        except CannotRun:
            if time.monotonic() >= deadline:
                raise
        time.sleep(0.02)


def bound_socket(host: str, port: int) -> socket.socket:
    """Bind a socket, ready to listen; raises CannotRun if the port is taken."""
    bound = socket.socket(addresses.family(host), socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as fault:
        bound.close()
        raise CannotRun(
            f"{addresses.authority(host, port)}: {fault.strerror}; stop what listens there, "
            "or set another port"
        ) from fault
    return bound
