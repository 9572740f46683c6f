"""Orphans of `umbra up`: the processes that a killed child of it has left behind."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from shadow.processes import Child, descendants
from shadow.processes.handover import Handover

ORPHAN_SECONDS = 15.0
_PAUSE_SECONDS = 0.02


class Orphans:
    """Adopted processes, whose own parents were killed.

    The workers of a killed API answer until those of the next API do, and get SIGTERM then. All others are
    stopping by themselves, and get time for that.
    """

    def __init__(self, handover: Handover | None = None) -> None:
        self._handover = handover
        self._apis: set[int] = set()
        self._replaced: set[int] = set()
        self._first_seen: dict[int, float] = {}

    def reap(self, children: Sequence[Child], now: float) -> None:
        """Reap those that have ended, and kill those that are too slow to end; `now` is monotonic seconds."""
        present = self._present(children)
        self._terminate_replaced(children, present)
        stopping = [pid for pid in present if not self._answers(pid)]
        self._first_seen = {pid: self._first_seen.get(pid, now) for pid in stopping}
        late = {pid for pid, since in self._first_seen.items() if now - since > ORPHAN_SECONDS}
        descendants.reap(present, kill=late)

    def terminate(self, children: Sequence[Child]) -> None:
        """Send SIGTERM to those that answer: no other API will follow."""
        self._terminate([pid for pid in self._present(children) if self._answers(pid)])

    def stop(self, children: Sequence[Child], seconds: float) -> None:
        """Wait until all workers of APIs have ended; kill those that run after so many seconds."""
        deadline = time.monotonic() + seconds
        while workers := [pid for pid in self._present(children) if self._is_of_api(pid)]:
            self._terminate([pid for pid in workers if self._answers(pid)])
            descendants.reap(workers, kill=workers if time.monotonic() > deadline else ())
            time.sleep(_PAUSE_SECONDS)

    def _present(self, children: Sequence[Child]) -> list[int]:
        own = {child.pid for child in children}
        present = [pid for pid in descendants.children() if pid not in own]
        self._apis &= {_session(pid) for pid in present}  # the system may reuse a pid
        self._apis |= {child.pid for child in children if child.name == "api" and child.pid}
        self._replaced &= set(present)
        return present

    def _terminate_replaced(self, children: Sequence[Child], present: Sequence[int]) -> None:
        """Send SIGTERM to workers of killed APIs once those of the running API answer."""
        answering = self._handover.answering_api() if self._handover else 0
        if any(child.name == "api" and child.is_running and child.pid == answering for child in children):
            self._terminate([pid for pid in present if self._answers(pid) and _session(pid) != answering])

    def _terminate(self, pids: Sequence[int]) -> None:
        self._replaced.update(pids)
        descendants.terminate(pids)

    def _answers(self, pid: int) -> bool:
        return self._handover is not None and self._is_of_api(pid) and pid not in self._replaced

    def _is_of_api(self, pid: int) -> bool:
        """Tell whether an API started it: each API leads a session of its own (processes.Child)."""
        return _session(pid) in self._apis


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0
