"""Size and location of the database."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url


def size_bytes(connection: Connection) -> int:
    """Return the bytes of the whole database; of SQLite, without its write-ahead log."""
    if connection.dialect.name == "postgresql":
        return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
    pages = int(connection.execute(text("PRAGMA page_count")).scalar_one())
    return pages * int(connection.execute(text("PRAGMA page_size")).scalar_one())


def directory_of(url: str) -> Path | None:
    """Return the directory of an SQLite file; None for a database elsewhere or in memory."""
    address = make_url(url)
    if address.get_backend_name() != "sqlite" or not address.database:
        return None
    return Path(address.database).absolute().parent
