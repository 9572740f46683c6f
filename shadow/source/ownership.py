"""Ownership of a source: which data directory may write it, when a copy has the same `source-id`.

Each start of ingest makes a name (a tenure) and writes it to a file of the data directory and to the store.
When the store has a name that the file does not hold, another directory has written since: one of the two is
a copy.
"""

from __future__ import annotations

import socket
from pathlib import Path
from uuid import uuid4

from shadow.processes import CannotRun
from shadow.store import Connection, sources
from shadow.store.sources import Source

_NAMES_MOST = 4096
FILE = "tenures"


class SourceOwnedElsewhere(CannotRun):
    """Another data directory with the same `source-id` writes to the store; the message says what to do."""

    def __init__(self, data_dir: Path, tenant: str | None) -> None:
        super().__init__(
            f"the store is written by another data directory with the source-id of {data_dir}: "
            f"{tenant or 'an unknown one'}. If {data_dir} is a copy of it, stop, remove {data_dir}/source-id "
            f"and start again: it then gets one of its own. If {data_dir} was moved, or restored from a "
            "backup, and the other is gone for good: `umbra journal take-over`"
        )


class SourceOwnership:
    """The claim of one data directory to a source: the names of all starts of ingest in it."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._path = data_dir / FILE
        self._own_name: str | None = None

    def claim(self, connection: Connection, source: Source) -> Source:
        """Claim the locked source under the name of this start; raises SourceOwnedElsewhere."""
        self.check(source)
        if self._own_name is None:
            name = uuid4().hex
            self._add(name)
            self._own_name = name
        if source.tenure == self._own_name:
            return source
        tenant = f"{socket.gethostname()}:{self._data_dir}"
        return sources.update_source(connection, source, tenure=self._own_name, tenant=tenant)

    def check(self, source: Source) -> None:
        """Raise SourceOwnedElsewhere when another directory has written the source since this one did."""
        if source.tenure not in (None, self._own_name) and source.tenure not in self._names():
            raise SourceOwnedElsewhere(self._data_dir, source.tenant)

    def take_over(self, source: Source) -> None:
        """Accept the name that the store has, so that this directory may write the source from now on."""
        if source.tenure is not None:
            self._add(source.tenure)

    def _names(self) -> list[str]:
        try:
            return self._path.read_text(encoding="utf-8").split()
        except FileNotFoundError:
            return []

    def _add(self, name: str) -> None:
        new_file = self._path.with_name(f".{FILE}.new")
        names = [*self._names(), name][-_NAMES_MOST:]
        new_file.write_text("\n".join(names) + "\n", encoding="utf-8")
        new_file.replace(self._path)
