"""Acknowledged: what the store has acknowledged of this data directory, remembered outside of the store.

A store restored from an older copy, or a replica that lagged and took over, has less than it acknowledged.
This file shows the difference, whichever process was restarted meanwhile. It serves counting alone: ingest
replaces it after each commit and does not wait for the disk.
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

    `positions` are bytes from the start of the file, by its name; files that were read to the end and moved
    away have none. `dropped` counts rows by reason, for each name that the store has counts of.
    """

    source: str
    captures: int = 0
    outcomes: int = 0
    positions: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def beyond(self, source: Source) -> tuple[int, int]:
        """Count captures and outcomes that the store acknowledged, and neither has nor is known to miss."""
        return (
            max(0, self.captures - source.acknowledged),
            max(0, self.outcomes - source.acknowledged_outcomes),
        )

    @classmethod
    def read(cls, path: Path, source: str) -> Self:
        """Read the file of that source; one that is missing, damaged or of another source counts nothing."""
        try:
            facts: Any = json.loads(path.read_text(encoding="utf-8"))
            content = cls(**facts)
            numbers = [content.captures, content.outcomes, *content.positions.values()]
            numbers += [rows for counts in content.dropped.values() for rows in counts.values()]
        except (OSError, ValueError, TypeError, AttributeError):
            return cls(source)
        is_valid = content.source == source and all(type(number) is int for number in numbers)
        return content if is_valid else cls(source)


class AcknowledgedFile:
    """The file of one data directory, beside its `source-id`."""

    def __init__(self, path: Path, source: str) -> None:
        self._path = path
        self._is_logged = False
        self.content = Acknowledged.read(path, source)

    def replace(self, content: Acknowledged) -> None:
        """Write the file anew. When the disk refuses, log it once; a later count may then be short."""
        self.content = content
        new_file = self._path.with_name(f".{self._path.name}.new")
        try:
            new_file.write_text(json.dumps(asdict(content)), encoding="utf-8")
            new_file.replace(self._path)
            self._is_logged = False
        except OSError as fault:
            if not self._is_logged:
                logs.event(_log, "acknowledged_not_kept", level=logging.WARNING, error=fault)
            self._is_logged = True


def path_of(journal_dir: Path) -> Path:
    """Return where the file of a journal directory is."""
    return journal_dir.with_name("acknowledged.json")
