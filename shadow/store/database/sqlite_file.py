"""The file of an SQLite store: open connections notice that it was deleted, or that another took its place.

A connection goes on with the file it has opened, whatever has become of its name: what it commits is then in
no database that anybody will ever open. And SQLite reads a write-ahead log into whatever database lies beside
it: that of a database which was replaced would be mixed into the one that took its place. Which log belongs
to which file is therefore written down beside them.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DisconnectionError

from shadow.store.database.errors import StoreUnavailable

_FILE, _LOG = "umbra_file", "umbra_log"


class SqliteFile:
    """Compares the file under the store's path with the one that each connection has open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log = path.with_name(f"{path.name}-wal")
        self._pair = path.with_name(f"{path.name}-pair")
        self._noted = ""

    def watch(self, engine: Engine) -> None:
        """Look whenever a connection is taken, and before each of its commits."""
        event.listen(engine, "connect", self._opened)
        event.listen(engine, "checkout", self._taken)
        event.listen(engine, "commit", self._committing)

    def clear_way(self) -> None:
        """Put the write-ahead log aside if it belongs to a file that was here before; called before opening.

        While there is no file the log stays: the old one may come back.
        """
        file, log = _identity(self._path), _identity(self._log)
        with suppress(OSError, ValueError):  # nothing is noted, as beside a store of an older Umbra
            noted_file, noted_log = self._pair.read_text(encoding="ascii").split()
            if file and log == noted_log and file != noted_file:
                self._log.replace(self._log.with_name(f"{self._log.name}.replaced"))
                self._path.with_name(f"{self._path.name}-shm").unlink(missing_ok=True)

    def _opened(self, _connection: object, record: Any) -> None:
        record.info[_FILE] = _identity(self._path)

    def _taken(self, _connection: object, record: Any, _fairy: object) -> None:
        """Have a connection to another file closed, and one to the file that is there opened instead."""
        file, log = _identity(self._path), _identity(self._log)
        if record.info[_FILE] != file or record.info.get(_LOG) not in (None, log):
            raise DisconnectionError(f"{self._path} is another file now")
        record.info[_LOG] = log
        if log is not None:
            self._note(f"{file} {log}")

    def _note(self, pair: str) -> None:
        """Write down that this log belongs to this file."""
        if pair == self._noted:
            return
        with suppress(OSError):  # of a directory that takes no file the store is not written either
            self._pair.write_text(pair, encoding="ascii")
        self._noted = pair

    def _committing(self, connection: Connection) -> None:
        if connection.info[_FILE] != _identity(self._path):
            raise StoreUnavailable(
                f"{self._path} was deleted or replaced during a transaction, which begins again in the file "
                "that is there; put the database back if there is none"
            )


def _identity(path: Path) -> str | None:
    """Device and number of a file; None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return f"{found.st_dev}:{found.st_ino}"
