"""Tenure: which data directory writes a source of the store, when a copy of its `source-id` claims the same.

Each start of ingest gives itself a name, which goes into a file of the data directory and into the store. A
start whose directory does not know the name in the store finds that another directory has written since: one
of the two is a copy.
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


class OtherDirectory(CannotRun):
    """Another data directory with the same `source-id` writes to the store; the message says what to do."""

    def __init__(self, data_dir: Path, tenant: str | None) -> None:
        super().__init__(
            f"the store is written by another data directory with the source-id of {data_dir}: "
            f"{tenant or 'an unknown one'}. If {data_dir} is a copy of it, stop, remove {data_dir}/source-id "
            f"and start again: it then gets one of its own. If {data_dir} was moved, or restored from a "
            "backup, and the other is gone for good: `umbra journal take-over`"
        )


class Tenure:
    """The names that starts of ingest had in one data directory."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._path = data_dir / FILE
        self._mine: str | None = None

    def renew(self, connection: Connection, source: Source) -> Source:
        """Write the source, which is locked, under a name of this start's own; raises OtherDirectory."""
        self.check(source)
        if self._mine is None:
            fresh = uuid4().hex
            self._add(fresh)
            self._mine = fresh
        if source.tenure == self._mine:
            return source
        tenant = f"{socket.gethostname()}:{self._data_dir}"
        return sources.update_source(connection, source, tenure=self._mine, tenant=tenant)

    def check(self, source: Source) -> None:
        """Raise OtherDirectory if another directory has written the source since this one did."""
        if source.tenure not in (None, self._mine) and source.tenure not in self._names():
            raise OtherDirectory(self._data_dir, source.tenant)

    def take_over(self, source: Source) -> None:
        """Write the source from now on, whoever has written it before."""
        if source.tenure is not None:
            self._add(source.tenure)

    def _names(self) -> list[str]:
        try:
            return self._path.read_text(encoding="utf-8").split()
        except FileNotFoundError:
            return []

    def _add(self, name: str) -> None:
        fresh = self._path.with_name(f".{FILE}.new")
        names = [*self._names(), name][-_NAMES_MOST:]
        fresh.write_text("\n".join(names) + "\n", encoding="utf-8")
        fresh.replace(self._path)
