"""Acknowledged: what the store has said of this data directory that it has, remembered outside of the store.

A store that is restored from an older copy, or a replica that lagged and took over, knows less than it once
said. By this file the difference is noticed, whoever was restarted meanwhile. It is a help for counting: it
is replaced after each commit without waiting for the disk.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from monitoring import logs
from shadow.store.sources import Source

_log = logging.getLogger("umbra.ingest")


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Captures and outcomes that were ever stored, and how far into each journal file that was.

    `positions` are bytes from the start of the file, by its name; of files that were read to the end and
    moved away there is none. `dropped` counts houses by reason, for each name that the store has counts of.
    """

    source: str
    captures: int = 0
    outcomes: int = 0
    positions: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def beyond(self, source: Source) -> tuple[int, int]:
        """Captures and outcomes that the store acknowledged, and neither has nor is known to miss."""
        return (
            max(0, self.captures - source.acknowledged),
            max(0, self.outcomes - source.acknowledged_outcomes),
        )

    @classmethod
    def read(cls, path: Path, source: str) -> Self:
        """Read the file of that source; a missing or damaged one, or that of another source, says nothing."""
        try:
            facts: Any = json.loads(path.read_text(encoding="utf-8"))
            found = cls(**facts)
            whole = [found.captures, found.outcomes, *found.positions.values()]
            whole += [houses for counts in found.dropped.values() for houses in counts.values()]
        except (OSError, ValueError, TypeError, AttributeError):
            return cls(source)
        right = found.source == source and all(type(number) is int for number in whole)
        return found if right else cls(source)


class AcknowledgedFile:
    """The file of one data directory, beside its `source-id`."""

    def __init__(self, path: Path, source: str) -> None:
        self._path = path
        self._is_told = False
        self.content = Acknowledged.read(path, source)

    def replace(self, content: Acknowledged) -> None:
        """Write the file anew. A disk that does not take it costs a log line, and later perhaps a count."""
        self.content = content
        fresh = self._path.with_name(f".{self._path.name}.new")
        try:
            fresh.write_text(json.dumps(asdict(content)), encoding="utf-8")
            fresh.replace(self._path)
            self._is_told = False
        except OSError as fault:
            if not self._is_told:
                logs.event(_log, "acknowledged_not_kept", level=logging.WARNING, error=fault)
            self._is_told = True


def path_of(journal_dir: Path) -> Path:
    """Where the file of a journal directory is."""
    return journal_dir.with_name("acknowledged.json")
