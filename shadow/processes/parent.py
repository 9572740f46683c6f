"""What a process does as the child of another: it ends with its parent, and lets live answers go first."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from shadow import start

PARENT_VARIABLE = start.PARENT_VARIABLE


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM or SIGINT sets."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def leave_with_parent(how: signal.Signals = signal.SIGTERM) -> None:
    """Have the kernel send a signal when the parent that named itself in the environment dies."""
    parent = os.environ.pop(PARENT_VARIABLE, None)
    if parent is None:
        return
    start.end_with_parent(how)
    if os.getppid() != int(parent):  # it died before we asked
        os.kill(os.getpid(), how)


def stand_back(niceness: int) -> None:
    """Let live answers have the CPU first.

    Linux may give every session an equal share whatever the niceness of its processes (autogroup, see
    sched(7)); then the session's own niceness has to be set as well. Only by the process that leads it:
    a session shared with others, the API among them perhaps, is not ours to slow down.
    """
    os.nice(niceness)
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(niceness), encoding="ascii")


def wait_until(condition: Callable[[], bool], seconds: float, stop: threading.Event) -> bool:
    """Ask again and again until `condition` holds; False when time is up or a stop was asked for."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline or stop.wait(0.05):
            return False
    return True
