"""Copies of a store, made and put back as an operator does it, while others have the store open."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from uuid import uuid4

from sqlalchemy import create_engine, make_url

from shadow.store import Store


class StoreCopy:
    """A copy of all that a store holds at the moment of `StoreCopy(store)`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._url = make_url(store.url)
        if self._url.get_backend_name() == "sqlite":
            self._file = Path(str(self._url.database)).with_name(f"{uuid4().hex}.copy")
            with (
                closing(sqlite3.connect(str(self._url.database))) as of,
                closing(sqlite3.connect(self._file)) as to,
            ):
                of.backup(to)
        else:
            self._name = f"copy_{uuid4().hex[:12]}"
            self._run(f'CREATE DATABASE "{self._name}" TEMPLATE "{self._url.database}"')

    def put_back(self) -> None:
        """Restore: the store is as it was when it was copied. Can be done once."""
        if self._url.get_backend_name() == "sqlite":
            self._file.replace(str(self._url.database))
        else:
            self._run(
                f'DROP DATABASE "{self._url.database}" WITH (FORCE)',
                f'ALTER DATABASE "{self._name}" RENAME TO "{self._url.database}"',
            )

    def _run(self, *statements: str) -> None:
        admin = self._url.set(drivername="postgresql+psycopg2", database="postgres")
        engine = create_engine(admin, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for name in (self._url.database, self._name):
                end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
                connection.exec_driver_sql(end, (name,))
            for statement in statements:
                connection.exec_driver_sql(statement)
        engine.dispose()
