"""Duties of a child process: stop on signals, end with its parent, run at low priority."""

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
    """Return an event that SIGTERM or SIGINT sets."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def end_with_parent(number: signal.Signals = signal.SIGTERM) -> None:
    """Have the kernel send a signal when the parent named in the environment dies."""
    parent = os.environ.pop(PARENT_VARIABLE, None)
    if parent is None:
        return
    start.set_parent_death_signal(number)
    if os.getppid() != int(parent):  # it died before the call above
        os.kill(os.getpid(), number)


def lower_priority(niceness: int) -> None:
    """Lower the CPU priority of this process, so that live answers come first.

    Linux may give every session an equal share whatever the niceness of its processes (autogroup, see
    sched(7)); then the niceness of the session has to be set as well. Only the process that leads the
    session sets it: other processes, perhaps the API, may share the session.
    """
    os.nice(niceness)
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(niceness), encoding="ascii")


def wait_until(condition: Callable[[], bool], seconds: float, stop: threading.Event) -> bool:
    """Check `condition` repeatedly until it holds; False when time is up or `stop` is set."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline or stop.wait(0.05):
            return False
    return True
