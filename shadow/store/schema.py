"""Schema: bring a database to the shape of tables.py, by the migrations beside this file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from alembic import command
from alembic.config import Config

from shadow.store.connection import Store, sqlite_path
from shadow.store.database import revision
from shadow.store.database.errors import StoreUnavailable


def migrate(store: Store) -> None:
    """Apply every missing migration; a second call changes nothing. Raises StoreUnavailable.

    On Postgres one migration runs at a time, whichever process starts it.
    """
    path = sqlite_path(store.url)
    if path is not None:
        _make_file(path)
    with store.migrating() as connection:
        if connection.dialect.name == "postgresql":
            if connection.exec_driver_sql("SHOW transaction_read_only").scalar() == "on":
                raise StoreUnavailable("the database is read-only for now; a standby, or being maintained")
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7031942)")
        current = revision.current(connection)
        if current is not None:
            revision.refuse_newer(current)
        config = Config()
        config.set_main_option("script_location", _escaped(Path(__file__).with_name("migrations")))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _make_file(path: Path) -> None:
    """Make a missing SQLite database, empty, in the mode in which writers do not block readers."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        if path.is_file() and path.stat().st_size == 0:
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
    except (OSError, sqlite3.Error) as fault:
        reason = getattr(fault, "strerror", None) or fault
        raise StoreUnavailable(f"unable to make database file {path}: {reason}") from fault


def _escaped(path: Path) -> str:
    return str(path).replace("%", "%%")  # the configuration's parser takes a single % for the start of a name
