"""Expressions and conditional inserts in the dialect of either database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from sqlalchemy import (
    BigInteger,
    Connection,
    Float,
    FromClause,
    Select,
    Table,
    Text,
    column,
    func,
    select,
    true,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import FunctionElement

FieldType: TypeAlias = Float[float] | Text
NUMBER, TEXT = Float(53), Text()
_HEX = "0123456789abcdef"
_LONG_QUERY_SECONDS = 600
_DIGITS = 12  # of a UUIDv7 that hold its time


class Milliseconds(FunctionElement[int]):
    """The Unix time of a capture in milliseconds, from its id (UUIDv7)."""

    type = BigInteger()
    inherit_cache = True


@compiles(Milliseconds, "postgresql")
def _milliseconds_of_uuid(element: Milliseconds, compiler: SQLCompiler, **how: Any) -> str:
    capture_id = compiler.process(element.clauses, **how)
    return f"('x' || left(replace(({capture_id})::text, '-', ''), {_DIGITS}))::bit(48)::bigint"


@compiles(Milliseconds, "sqlite")
def _milliseconds_of_text(element: Milliseconds, compiler: SQLCompiler, **how: Any) -> str:
    # SQLite reads no hexadecimal text as a number.
    capture_id = compiler.process(element.clauses, **how)
    digits = (
        f"((instr('{_HEX}', substr({capture_id}, {index + 1}, 1)) - 1) << {4 * (_DIGITS - 1 - index)})"
        for index in range(_DIGITS)
    )
    return f"({' + '.join(digits)})"


def with_fields(rows: FromClause, inputs: str, types: Mapping[str, FieldType], database: str) -> Select[Any]:
    """Add fields of the JSON column `inputs` to `rows` as `field_...`; null where there is none.

    Postgres parses the text once per field, unless one expression reads all of them.
    """
    if database == "postgresql" and types:
        columns = (column(name, kind) for name, kind in types.items())
        read = (
            func.json_to_record(rows.c[inputs]).table_valued(*columns).render_derived("read", with_types=True)
        )
        query = select(rows, *(read.c[name].label(f"field_{name}") for name in types))
        return query.select_from(rows.join(read, true()))
    return select(rows, *(_field(rows.c[inputs][name], name, kind) for name, kind in types.items()))


def _field(value: Any, name: str, kind: FieldType) -> ColumnElement[Any]:
    read = value.as_float() if isinstance(kind, Float) else value.as_string()
    return read.label(f"field_{name}")  # type: ignore[no-any-return]


def fenced(query: Select[Any], name: str) -> FromClause:
    """Make a subquery whose columns are computed once, however often they are used (OFFSET 0).

    Without this optimization fence the planner would inline each column's expression where its name is used.
    """
    return query.offset(0).subquery(name)


def day_of(capture_id: ColumnElement[Any], day_seconds: int) -> ColumnElement[int]:
    """Build the day of a capture: whole lengths of a day since 1970."""
    return Milliseconds(capture_id) // (day_seconds * 1000)


def allow_long_queries(connection: Connection) -> None:
    """Allow queries of this transaction ten minutes instead of the store's usual timeout, and more memory.

    Compiling such long queries to machine code takes Postgres longer than running them on a day; without the
    memory it would write a day's rows to a temporary file.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{_LONG_QUERY_SECONDS}s'")
        connection.exec_driver_sql("SET LOCAL jit = off")
        connection.exec_driver_sql("SET LOCAL work_mem = '64MB'")


def insert_if_absent(connection: Connection, table: Table, values: Mapping[str, Any]) -> bool:
    """Insert a row unless there is one with its key; returns whether it was inserted."""
    statement = _insert(connection, table).values(dict(values)).on_conflict_do_nothing()
    return connection.execute(statement).rowcount == 1


def insert_absent_from(connection: Connection, table: Table, rows: FromClause) -> None:
    """Insert the rows of a query whose keys are not in the table yet."""
    names = [column.name for column in rows.c]
    statement = _insert(connection, table).from_select(names, _unambiguous(rows)).on_conflict_do_nothing()
    connection.execute(statement)


def add_from(
    connection: Connection, table: Table, rows: FromClause, number: str, parameters: Mapping[str, Any]
) -> None:
    """Insert the rows of a query with these parameters; where a key exists, add to its `number`."""
    names = [column.name for column in rows.c]
    statement = _insert(connection, table).from_select(names, _unambiguous(rows))
    added = {number: table.c[number] + statement.excluded[number]}
    key = list(table.primary_key.columns)
    connection.execute(statement.on_conflict_do_update(index_elements=key, set_=added), parameters)


def _unambiguous(rows: FromClause) -> Select[Any]:
    """Add a WHERE, so that SQLite does not take ON CONFLICT for a join's ON."""
    # Source: SQLite, "UPSERT", section 2.2.
    return select(rows).where(true())


def _insert(connection: Connection, table: Table) -> Any:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table)
