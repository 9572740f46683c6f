"""Presence: how the processes of one data directory tell `umbra status` that they live.

Each keeps a small JSON file locked while it lives; the kernel lets the lock go however it dies.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Presence:
    """A living process: its role, its pid, since when, and what it says of itself."""

    role: str
    pid: int
    since: datetime
    facts: Mapping[str, Any]


class Announcement:
    """This process's own file; the lock is held, also across exec, until the process ends."""

    def __init__(self, run_dir: Path, role: str, now: datetime) -> None:
        run_dir.mkdir(parents=True, exist_ok=True)
        self._role = role
        self._since = now
        self._path = run_dir / f"{role}-{os.getpid()}.json"
        fresh = self._path.with_suffix(".new")
        self._file = fresh.open("w+", encoding="utf-8")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        fresh.rename(self._path)  # seen only now: a file without a lock is taken for one of the dead
        os.set_inheritable(self._file.fileno(), True)
        self.tell()

    def tell(self, **facts: Any) -> None:
        """Replace what is said of this process."""
        text = json.dumps(
            {"role": self._role, "pid": os.getpid(), "since": self._since.isoformat(), "facts": facts}
        )
        self._file.seek(0)
        self._file.write(text)
        self._file.truncate()
        self._file.flush()

    def withdraw(self) -> None:
        """Say goodbye."""
        self._path.unlink(missing_ok=True)
        self._file.close()


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
    since = datetime.fromisoformat(facts["since"]).astimezone(UTC)
    return Presence(facts["role"], facts["pid"], since, facts["facts"])
