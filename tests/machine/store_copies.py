"""Copies of a store, made and put back as an operator does it, while others have the store open."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from uuid import uuid4

from sqlalchemy import create_engine, make_url


class StoreCopy:
    """A copy of all that the store of this URL holds at the moment of `StoreCopy(url)`."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url)
        self._database = str(self._url.database)
        if self._url.get_backend_name() == "sqlite":
            self._file = Path(self._database).with_name(f"{uuid4().hex}.copy")
            with (
                closing(sqlite3.connect(self._database)) as here,
                closing(sqlite3.connect(self._file)) as copy,
            ):
                here.backup(copy)
        else:
            self._name = f"copy_{uuid4().hex[:12]}"
            self._run(
                *self._alone(self._database),
                f'CREATE DATABASE "{self._name}" TEMPLATE "{self._database}"',
                f'ALTER DATABASE "{self._database}" ALLOW_CONNECTIONS true',
            )

    def put_back(self) -> None:
        """Restore: the store is as it was when it was copied. Can be done once."""
        if self._url.get_backend_name() == "sqlite":
            self._file.replace(self._database)
        else:
            self._run(
                *self._alone(self._database),
                f'DROP DATABASE "{self._database}"',
                f'ALTER DATABASE "{self._name}" RENAME TO "{self._database}"',
            )

    @staticmethod
    def _alone(database: str) -> tuple[str, str]:
        """Have nobody connected, and nobody come back meanwhile."""
        return (
            f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS false',
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"  # noqa: S608 - a name of ours
            f" WHERE datname = '{database}'",
        )

    def _run(self, *statements: str) -> None:
        admin = self._url.set(drivername="postgresql+psycopg2", database="postgres")
        engine = create_engine(admin, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
        engine.dispose()
