"""Bulk inserts: COPY on Postgres, one prepared statement on SQLite.

Values are encoded by their Python type, without SQLAlchemy's processing of parameters: that alone would cost
more than the rest of ingest. Readers read the same values through the tables' types.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Connection, Table
from sqlalchemy.exc import DBAPIError

Rows = Sequence[Mapping[str, Any]]
Writers = Mapping[type, Callable[[Any], Any]]
_COPY_ROWS = 100


class UnwritableValue(TypeError):
    """A value of a type that no column has."""


def insert(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert `rows`, all with the same keys in the same order, within the connection's transaction."""
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        _copy(connection, table, rows)
    else:
        _insert(connection, table, rows)


def _insert(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert the rows with one prepared statement."""
    columns = list(rows[0])
    parameters = ", ".join("?" * len(columns))
    connection.exec_driver_sql(
        f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({parameters})",  # noqa: S608 - our own names
        [tuple(_encoded(row, _SQLITE)) for row in rows],
    )


def _copy(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert the rows with COPY."""
    # An order of magnitude faster than INSERT, statement by statement: see benchmarks/.
    cursor = connection.connection.cursor()
    names = ", ".join(rows[0])
    driver: Any = connection.dialect.loaded_dbapi
    try:
        cursor.copy_expert(f"COPY {table.name} ({names}) FROM STDIN", _CopyFile(rows))
    except driver.Error as fault:  # SQLAlchemy does not translate errors of a raw cursor
        raise DBAPIError.instance(f"COPY {table.name}", None, fault, driver.Error) from fault


class _CopyFile:
    """Rows as a file in the text format of COPY, encoded while the server reads it."""

    def __init__(self, rows: Rows) -> None:
        self._lines = ("\t".join(_encoded(row, _TEXT)) + "\n" for row in rows)

    def read(self, _size: int = -1) -> bytes:
        """Return the next lines; nothing at the end."""
        return "".join(islice(self._lines, _COPY_ROWS)).encode()


def _encoded(row: Mapping[str, Any], writers: Writers) -> list[Any]:
    try:
        return [writers[type(value)](value) for value in row.values()]
    except KeyError as fault:
        kinds = {name: type(value).__name__ for name, value in row.items()}
        raise UnwritableValue(f"{kinds}: no column holds a {fault}") from None


def _as_is(value: object) -> object:
    return value


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace("\r", r"\r").replace("\t", r"\t")


_TEXT: Writers = {  # PostgreSQL manual, COPY, "Text Format"
    type(None): lambda _: r"\N",
    float: repr,
    int: repr,
    str: _escaped,
    UUID: lambda value: value.hex,
    datetime: datetime.isoformat,
    # JSON has no raw line break or tab: only its backslashes are special to COPY.
    dict: lambda value: _json(value).replace("\\", r"\\"),
}
_SQLITE: Writers = {  # as SQLAlchemy's own types write on SQLite
    type(None): _as_is,
    float: _as_is,
    int: _as_is,
    str: _as_is,
    UUID: lambda value: value.hex,
    datetime: lambda value: value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds"),
    dict: _json,
}
