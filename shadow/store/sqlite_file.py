"""The file of an SQLite store: open connections notice that it was deleted, or that another took its place.

A connection goes on with the file it has opened, whatever has become of its name: what it commits is then in
no database that anybody will ever open.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DisconnectionError

from shadow.store.errors import StoreUnavailable

Identity = tuple[int, int]
_FILE, _LOG = "umbra_file", "umbra_log"


class SqliteFile:
    """Compares the file under the store's path with the one that each connection has open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log = path.with_name(f"{path.name}-wal")
        self._left: tuple[Identity | None, Identity | None] = None, None

    def watch(self, engine: Engine) -> None:
        """Look whenever a connection is taken, and before each of its commits."""
        event.listen(engine, "connect", self._opened)
        event.listen(engine, "checkout", self._taken)
        event.listen(engine, "commit", self._committing)

    def clear_way(self) -> None:
        """Put a write-ahead log aside that belongs to a file which was here before; called before opening.

        SQLite would read it into the file that is here now. While there is none the log stays: the old file
        may come back.
        """
        here, (file, log) = _identity(self._path), self._left
        if here is None or log is None or here == file or log != _identity(self._log):
            return
        with suppress(FileNotFoundError):  # another process was first
            self._log.replace(self._log.with_name(f"{self._log.name}.replaced"))
        self._path.with_name(f"{self._path.name}-shm").unlink(missing_ok=True)

    def _opened(self, _connection: object, record: Any) -> None:
        record.info[_FILE] = _identity(self._path)

    def _taken(self, _connection: object, record: Any, _fairy: object) -> None:
        """Have a connection to another file closed, and one to the file that is there opened instead."""
        log = _identity(self._log)
        opened = record.info[_FILE], record.info.setdefault(_LOG, log) or log
        if opened != (_identity(self._path), log):
            self._left = opened
            raise DisconnectionError(f"{self._path} is another file now")
        record.info[_LOG] = log

    def _committing(self, connection: Connection) -> None:
        if connection.info[_FILE] != _identity(self._path):
            raise StoreUnavailable(
                f"{self._path} was deleted or replaced during a transaction, which begins again in the file "
                "that is there; put the database back if there is none"
            )


def _identity(path: Path) -> Identity | None:
    """Device and number of a file; None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
