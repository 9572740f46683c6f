"""The file of an SQLite store: notice that it was deleted, or that another file took its place.

A connection continues with the file it has opened, even when that is deleted or renamed: a commit would then
go to a database that nobody will ever open. And SQLite applies a write-ahead log to whatever database lies
beside it: the log of a replaced database would be mixed into the new one. Which log belongs to which file is
therefore recorded beside them.
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
    """Compares the file at the store's path with the one that each connection has open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log = path.with_name(f"{path.name}-wal")
        self._pair = path.with_name(f"{path.name}-pair")
        self._recorded = ""

    def watch(self, engine: Engine) -> None:
        """Compare whenever a connection is checked out, and before each of its commits."""
        event.listen(engine, "connect", self._on_connect)
        event.listen(engine, "checkout", self._on_checkout)
        event.listen(engine, "commit", self._on_commit)

    def set_aside_old_log(self) -> None:
        """Rename the write-ahead log if it belongs to a previous file; called before opening.

        While there is no file the log stays: the old file may be put back.
        """
        file, log = _identity(self._path), _identity(self._log)
        with suppress(OSError, ValueError):  # nothing is recorded, as beside a store of an older Umbra
            recorded_file, recorded_log = self._pair.read_text(encoding="ascii").split()
            if file and log == recorded_log and file != recorded_file:
                self._log.replace(self._log.with_name(f"{self._log.name}.replaced"))
                self._path.with_name(f"{self._path.name}-shm").unlink(missing_ok=True)

    def _on_connect(self, _connection: object, record: Any) -> None:
        record.info[_FILE] = _identity(self._path)

    def _on_checkout(self, _connection: object, record: Any, _fairy: object) -> None:
        """Make the pool replace a connection whose file is not the one at the path any more."""
        file, log = _identity(self._path), _identity(self._log)
        if record.info[_FILE] != file or record.info.get(_LOG) not in (None, log):
            raise DisconnectionError(f"{self._path} is another file now")
        record.info[_LOG] = log
        if log is not None:
            self._record(f"{file} {log}")

    def _record(self, pair: str) -> None:
        """Record that this log belongs to this file."""
        if pair == self._recorded:
            return
        with suppress(OSError):  # where no file can be written, the store cannot be written either
            self._pair.write_text(pair, encoding="ascii")
        self._recorded = pair

    def _on_commit(self, connection: Connection) -> None:
        if connection.info[_FILE] != _identity(self._path):
            raise StoreUnavailable(
                f"{self._path} was deleted or replaced during a transaction, which begins again in the file "
                "that is there; put the database back if there is none"
            )


def _identity(path: Path) -> str | None:
    """Return device and inode of a file; None when there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return f"{status.st_dev}:{status.st_ino}"
