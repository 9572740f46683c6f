"""Heartbeats: files by which `umbra status` sees the live processes of a data directory.

Each process holds a lock on its small JSON file while it lives; the kernel releases the lock however it dies.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from monitoring import logs

HEARTBEAT_SECONDS = 1.0
SILENT_SECONDS = 10.0
"""A process without a beat for so long counts as stuck."""
STARTING_SECONDS = 30.0
_TRIES = 5
_log = logging.getLogger("umbra.presence")


@dataclass(frozen=True, slots=True)
class LiveProcess:
    """A live process, as its heartbeat file describes it: role, pid, start, and facts that it reports.

    `beat_at` is the monotonic clock of this host, in seconds, at the last beat; None: it reports none.
    """

    role: str
    pid: int
    since: datetime
    reported_at: datetime
    facts: Mapping[str, Any]
    beat_at: float | None = None

    @property
    def title(self) -> str:
        """The role, and the candidate that it works for, if any."""
        return f"{self.role} {self.facts['candidate']}" if "candidate" in self.facts else self.role


class Heartbeat:
    """The heartbeat file of this process, locked, also across exec, until the process ends.

    A thread writes the beats: they stop when the process is stopped, or the disk does not answer. Only what
    `umbra status` shows depends on them: a write that fails costs a log line.
    """

    def __init__(self, run_dir: Path, role: str, now: datetime) -> None:
        self._role = role
        self._since = now
        self._reported_at = now
        self._facts: dict[str, Any] = {}
        self._is_failing = False
        self._path = run_dir / f"{role}-{os.getpid()}.json"
        self._descriptor: int | None = None
        self._writing = threading.Lock()
        self._closed = threading.Event()
        try:
            self._descriptor = self._open()
        except OSError as fault:
            logs.event(_log, "presence_not_told", level=logging.WARNING, error=fault)
        self.report()
        threading.Thread(target=self._beat_until_closed, name="umbra-heartbeat", daemon=True).start()

    def report(self, **facts: Any) -> None:
        """Replace the facts about this process, and beat."""
        self._facts, self._reported_at = facts, datetime.now(UTC)
        self.beat()

    def release_in_fork(self) -> None:
        """Close the file in a fork, which may outlive the process that the file describes."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def close(self) -> None:
        """Remove this process's heartbeat file."""
        self._closed.set()
        with self._writing:
            descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
            os.close(descriptor)

    def _beat_until_closed(self) -> None:
        while not self._closed.wait(HEARTBEAT_SECONDS):
            self.beat()

    def beat(self) -> None:
        """Write the file anew; a write that fails is logged once, until one succeeds."""
        document = {
            "role": self._role,
            "pid": os.getpid(),
            "since": self._since.isoformat(),
            "told_at": self._reported_at.isoformat(),
            "heartbeat": time.monotonic(),
            "facts": self._facts,
        }
        text = json.dumps(document).encode()
        with self._writing:
            if self._descriptor is None:
                return
            try:
                os.pwrite(self._descriptor, text, 0)
                os.ftruncate(self._descriptor, len(text))
                self._is_failing = False
            except OSError as fault:
                if not self._is_failing:
                    logs.event(_log, "presence_not_told", level=logging.WARNING, error=fault)
                self._is_failing = True

    def _open(self) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        fresh.rename(self._path)  # visible only now: a file without a lock counts as left behind
        os.set_inheritable(descriptor, True)
        return descriptor


def live_processes(run_dir: Path) -> list[LiveProcess]:
    """List the live processes of the data directory, and remove the files of dead ones."""
    return sorted(_live_processes(run_dir), key=lambda process: (process.role, process.pid))


def troubles(present: Sequence[LiveProcess], clock: float) -> list[str]:
    """Name the processes that are missing or stuck; `clock` is monotonic seconds.

    A process that supervises others lists them as `children` among its facts (Child.status_facts).
    """
    pids = {process.pid for process in present}
    stuck = [_stuck_message(process, clock) for process in present if _is_stuck(process, clock)]
    children = [child for process in present for child in process.facts.get("children", {}).items()]
    missing = [_missing_message(name, child) for name, child in children if _is_missing(child, pids, clock)]
    roles = {process.role for process in present}
    if "api" in roles and "worker" not in roles and not any(name == "worker" for name, _ in children):
        missing.append("worker is missing: captures wait in the journal until `umbra work` runs")
    return [*stuck, *missing]


def _is_stuck(process: LiveProcess, clock: float) -> bool:
    return process.beat_at is not None and clock - process.beat_at > SILENT_SECONDS


def _stuck_message(process: LiveProcess, clock: float) -> str:
    seconds = clock - (process.beat_at or clock)
    return (
        f"{process.title} (pid {process.pid}) has not moved for {seconds:.0f} s: "
        "it is stopped, or its disk does not answer"
    )


def _is_missing(child: Mapping[str, Any], pids: Set[int], clock: float) -> bool:
    if child["pid"] in pids:
        return False
    is_starting = child["pid"] != 0 and child["ends"] == 0 and clock - child["since"] < STARTING_SECONDS
    return not is_starting


def _missing_message(name: str, child: Mapping[str, Any]) -> str:
    if child["ends"] == 0:
        return f"{name} is missing: it was started and does not begin"
    times = "" if child["ends"] == 1 else f", {child['ends']} times by now"
    return f"{name} is missing: it ended with status {child['status']}{times}, and is started again"


def _live_processes(run_dir: Path) -> Iterator[LiveProcess]:
    for path in run_dir.glob("*.json") if run_dir.is_dir() else ():
        try:
            with path.open("r", encoding="utf-8") as file:
                if _is_locked(file.fileno()):
                    yield _read(file)
                else:
                    path.unlink(missing_ok=True)
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            continue  # the process is just starting or ending


def _read(file: TextIO) -> LiveProcess:
    """Read the file of a process; again if the process was just writing it."""
    for _ in range(_TRIES):
        file.seek(0)
        with suppress(json.JSONDecodeError):
            return _parse(file.read())
    file.seek(0)
    return _parse(file.read())


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _parse(text: str) -> LiveProcess:
    document = json.loads(text)
    since, reported_at = (
        datetime.fromisoformat(document[key]).astimezone(UTC) for key in ("since", "told_at")
    )
    return LiveProcess(
        document["role"],
        document["pid"],
        since,
        reported_at,
        document["facts"],
        document.get("heartbeat"),
    )
