"""Presence: how the processes of one data directory tell `umbra status` that they live.

Each keeps a small JSON file locked while it lives; the kernel lets the lock go however it dies.
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
"""Without a heartbeat for so long a process is taken for one that does not move."""
STARTING_SECONDS = 30.0
_TRIES = 5
_log = logging.getLogger("umbra.presence")


@dataclass(frozen=True, slots=True)
class Presence:
    """A living process: its role, its pid, since when, and what it says of itself.

    `heartbeat` is the monotonic clock of this host, in seconds, when it last moved; None: it gives none.
    """

    role: str
    pid: int
    since: datetime
    told_at: datetime
    facts: Mapping[str, Any]
    heartbeat: float | None = None

    @property
    def title(self) -> str:
        """Its role, and the candidate it is for."""
        return f"{self.role} {self.facts['candidate']}" if "candidate" in self.facts else self.role


class Announcement:
    """This process's own file; the lock is held, also across exec, until the process ends.

    A thread renews the heartbeat: it stops when the process is stopped, or the disk does not answer. Nothing
    depends on it but what people are shown: a disk that does not take it costs a log line.
    """

    def __init__(self, run_dir: Path, role: str, now: datetime) -> None:
        self._role = role
        self._since = now
        self._told_at = now
        self._facts: dict[str, Any] = {}
        self._is_failing = False
        self._path = run_dir / f"{role}-{os.getpid()}.json"
        self._descriptor: int | None = None
        self._writing = threading.Lock()
        self._withdrawn = threading.Event()
        try:
            self._descriptor = self._open()
        except OSError as fault:
            logs.event(_log, "presence_not_told", level=logging.WARNING, error=fault)
        self.tell()
        threading.Thread(target=self._beat, name="umbra-heartbeat", daemon=True).start()

    def tell(self, **facts: Any) -> None:
        """Replace what is said of this process."""
        self._facts, self._told_at = facts, datetime.now(UTC)
        self._write()

    def leave_to_parent(self) -> None:
        """In a fork, which may outlive the process that the file tells of: hold the file no longer."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def withdraw(self) -> None:
        """Say goodbye."""
        self._withdrawn.set()
        with self._writing:
            descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
            os.close(descriptor)

    def _beat(self) -> None:
        while not self._withdrawn.wait(HEARTBEAT_SECONDS):
            self._write()

    def _write(self) -> None:
        about = {
            "role": self._role,
            "pid": os.getpid(),
            "since": self._since.isoformat(),
            "told_at": self._told_at.isoformat(),
            "heartbeat": time.monotonic(),
            "facts": self._facts,
        }
        text = json.dumps(about).encode()
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
        fresh.rename(self._path)  # seen only now: a file without a lock is taken for one of the dead
        os.set_inheritable(descriptor, True)
        return descriptor


def living(run_dir: Path) -> list[Presence]:
    """Every living process of the data directory; what the dead left behind is cleared away."""
    return sorted(_living(run_dir), key=lambda presence: (presence.role, presence.pid))


def troubles(present: Sequence[Presence], clock: float) -> list[str]:
    """What should be there and is not, or is there and does not move; `clock` is monotonic seconds.

    A process that keeps others running says so among its facts, as `children`: see processes.Child.standing.
    """
    pids = {presence.pid for presence in present}
    silent = [_silence(presence, clock) for presence in present if _is_silent(presence, clock)]
    children = [child for presence in present for child in presence.facts.get("children", {}).items()]
    missing = [_absence(name, child) for name, child in children if _is_missing(child, pids, clock)]
    roles = {presence.role for presence in present}
    if "api" in roles and "worker" not in roles and not any(name == "worker" for name, _ in children):
        missing.append("worker is missing: captures wait in the journal until `umbra work` runs")
    return [*silent, *missing]


def _is_silent(presence: Presence, clock: float) -> bool:
    return presence.heartbeat is not None and clock - presence.heartbeat > SILENT_SECONDS


def _silence(presence: Presence, clock: float) -> str:
    seconds = clock - (presence.heartbeat or clock)
    return (
        f"{presence.title} (pid {presence.pid}) has not moved for {seconds:.0f} s: "
        "it is stopped, or its disk does not answer"
    )


def _is_missing(child: Mapping[str, Any], pids: Set[int], clock: float) -> bool:
    if child["pid"] in pids:
        return False
    is_starting = child["pid"] != 0 and child["ends"] == 0 and clock - child["since"] < STARTING_SECONDS
    return not is_starting


def _absence(name: str, child: Mapping[str, Any]) -> str:
    if child["ends"] == 0:
        return f"{name} is missing: it was started and does not begin"
    times = "" if child["ends"] == 1 else f", {child['ends']} times by now"
    return f"{name} is missing: it ended with status {child['status']}{times}, and is started again"


def _living(run_dir: Path) -> Iterator[Presence]:
    for path in run_dir.glob("*.json") if run_dir.is_dir() else ():
        try:
            with path.open("r", encoding="utf-8") as file:
                if _is_locked(file.fileno()):
                    yield _read(file)
                else:
                    path.unlink(missing_ok=True)
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            continue  # the process is just coming or going


def _read(file: TextIO) -> Presence:
    """Read what a process says; again if it was just writing that."""
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


def _parse(text: str) -> Presence:
    facts = json.loads(text)
    since, told_at = (datetime.fromisoformat(facts[key]).astimezone(UTC) for key in ("since", "told_at"))
    return Presence(facts["role"], facts["pid"], since, told_at, facts["facts"], facts.get("heartbeat"))
