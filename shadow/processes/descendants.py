"""Descendants: find and end the processes that a process has started, directly or not.

A descendant may leave its group and its session, and outlive its parent; then it becomes a child of its
nearest ancestor that adopts orphans (`start.adopt_orphans`), which finds it among its children.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from monitoring import logs

_KILL_SECONDS = 5.0
_PAUSE_SECONDS = 0.005
_log = logging.getLogger("umbra.processes")


def kill_tree(pid: int) -> None:
    """Kill a child of this process, its process group (which it leads) and all descendants; reaps nothing."""
    _send(pid, signal.SIGSTOP)  # so that it starts no more of them meanwhile
    for descendant in _below(pid):
        _send(descendant, signal.SIGKILL)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    _send(pid, signal.SIGKILL)


def kill_orphans(known: Collection[int] = ()) -> None:
    """Kill and reap every child of this process except the `known` ones, until there are no more."""
    deadline = time.monotonic() + _KILL_SECONDS
    while orphans := [pid for pid in children() if pid not in known]:
        for pid in orphans:
            _send(pid, signal.SIGKILL)
            _reap(pid)
        if time.monotonic() > deadline:
            logs.event(_log, "orphans_left", level=logging.ERROR, pids=orphans)
            return
        time.sleep(_PAUSE_SECONDS)


def terminate(pids: Collection[int]) -> None:
    """Send SIGTERM to these children of this process."""
    for pid in pids:
        _send(pid, signal.SIGTERM)


def reap(orphans: Collection[int], kill: Collection[int]) -> None:
    """Reap those of these adopted processes that have ended, after killing those in `kill`."""
    for pid in orphans:
        if pid in kill:
            _send(pid, signal.SIGKILL)
        _reap(pid)


def reap_orphans(known: int) -> None:
    """Reap adopted processes that have ended; stop at `known`, which another function waits for."""
    with suppress(ChildProcessError):
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if ended.si_pid == known:
                return
            _reap(ended.si_pid)


def children() -> list[int]:
    """List the children of this process, also those that have ended and wait to be reaped."""
    files = list(Path("/proc/self/task").glob("*/children"))
    if files:
        with suppress(OSError):
            return [int(pid) for file in files for pid in file.read_text(encoding="ascii").split()]
    return [pid for pid, parent in _parents() if parent == os.getpid()]


def parent(pid: int) -> int | None:
    """Find the parent of a process; None if the process is gone, or /proc does not show it."""
    with suppress(OSError, IndexError, ValueError):
        return _parent(Path(f"/proc/{pid}/stat"))
    return None


def _below(root: int) -> list[int]:
    by_parent: dict[int, list[int]] = {}
    for pid, parent in _parents():
        by_parent.setdefault(parent, []).append(pid)
    below: list[int] = []
    pending = [root]
    while pending:
        its_children = by_parent.get(pending.pop(), [])
        below += its_children
        pending += its_children
    return below


def _parents() -> Iterator[tuple[int, int]]:
    """List every process of this machine with its parent, as far as /proc shows them."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, IndexError, ValueError):
            yield int(path.parent.name), _parent(path)


def _parent(stat: Path) -> int:
    return int(stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _reap(pid: int) -> None:
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
