"""Journal files that are held up: ingest cannot move them now, goes on without them and tries them again."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from monitoring import logs
from shadow.journal import journal_file

_RETRY_SECONDS = 1.0
_log = logging.getLogger("umbra.ingest")


@dataclass(frozen=True, slots=True)
class HeldUpFile:
    """Why a journal file cannot be moved now; `changed_ns` is when the file was changed last."""

    reason: str
    changed_ns: int
    retry_at: float


class HeldUpFiles(dict[str, HeldUpFile]):
    """The held-up journal files of one directory, by name."""

    def is_waiting(self, name: str, path: Path) -> bool:
        """Whether ingest leaves a file alone for now: it failed a moment ago and has not changed since."""
        before = self.get(name)
        return (
            before is not None
            and time.monotonic() < before.retry_at
            and _changed_ns(path) == before.changed_ns
        )

    def hold_up(self, path: Path, fault: Exception, seconds: float = _RETRY_SECONDS) -> None:
        """Leave a file alone for some seconds; log a reason when it is new."""
        name, reason = journal_file.name_of(path), getattr(fault, "strerror", None) or str(fault)
        before = self.get(name)
        self[name] = HeldUpFile(reason, _changed_ns(path), time.monotonic() + seconds)
        if before is None or before.reason != reason:
            logs.event(_log, "journal_file_held_up", level=logging.ERROR, error=fault, segment=path.name)

    def keep_only(self, present: Collection[str]) -> None:
        """Forget the files that are not present any more."""
        for name in self.keys() - present:
            del self[name]


def _changed_ns(path: Path) -> int:
    try:
        return path.stat().st_ctime_ns
    except OSError:
        return 0
