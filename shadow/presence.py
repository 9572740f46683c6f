"""Presence: how the processes of one data directory tell `umbra status` that they live.

Each keeps a small JSON file locked while it lives; the kernel lets the lock go however it dies.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from monitoring import logs

_log = logging.getLogger("umbra.presence")


@dataclass(frozen=True, slots=True)
class Presence:
    """A living process: its role, its pid, since when, and what it says of itself."""

    role: str
    pid: int
    since: datetime
    told_at: datetime
    facts: Mapping[str, Any]


class Announcement:
    """This process's own file; the lock is held, also across exec, until the process ends.

    Nothing depends on it but what people are shown: a disk that does not take it costs a log line.
    """

    def __init__(self, run_dir: Path, role: str, now: datetime) -> None:
        self._role = role
        self._since = now
        self._path = run_dir / f"{role}-{os.getpid()}.json"
        self._descriptor: int | None = None
        try:
            self._descriptor = self._open()
        except OSError as fault:
            logs.event(_log, "presence_not_told", level=logging.WARNING, error=fault)
        self.tell()

    def tell(self, **facts: Any) -> None:
        """Replace what is said of this process."""
        if self._descriptor is None:
            return
        told = datetime.now(UTC).isoformat()
        about = {"role": self._role, "pid": os.getpid(), "since": self._since.isoformat(), "told_at": told}
        text = json.dumps(about | {"facts": facts}).encode()
        try:
            os.pwrite(self._descriptor, text, 0)
            os.ftruncate(self._descriptor, len(text))
        except OSError as fault:
            logs.event(_log, "presence_not_told", level=logging.WARNING, error=fault)

    def withdraw(self) -> None:
        """Say goodbye."""
        if self._descriptor is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None

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


def _living(run_dir: Path) -> Iterator[Presence]:
    for path in run_dir.glob("*.json") if run_dir.is_dir() else ():
        try:
            with path.open("r", encoding="utf-8") as file:
                if _is_locked(file.fileno()):
                    yield _parse(file.read())
                else:
                    path.unlink(missing_ok=True)
        except (FileNotFoundError, json.JSONDecodeError, KeyError):
            continue  # the process is just coming or going


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _parse(text: str) -> Presence:
    facts = json.loads(text)
    since, told_at = (datetime.fromisoformat(facts[key]).astimezone(UTC) for key in ("since", "told_at"))
    return Presence(facts["role"], facts["pid"], since, told_at, facts["facts"])
