"""Connections to the database: engine, transactions, and translation of its errors."""

from __future__ import annotations

import math
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shadow.records import Candidate, Deployment, Prediction
from shadow.store import candidates, captures, deployments
from shadow.store.database import errors, revision
from shadow.store.database.errors import ErrorKind, StoreRefused, StoreUnavailable, StoreUnfit, WrongStore
from shadow.store.database.sqlite_file import SqliteFile

_CONNECT_SECONDS = 3
_STATEMENT_MILLISECONDS = 30_000
_LOCK_SECONDS = 30
_OLDEST_SERVER = 140_000
_ENCODING = "UTF8"
_SESSION = f"""
SET statement_timeout = {_STATEMENT_MILLISECONDS}; SET timezone = 'UTC'; SET jit = off;
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'
"""
"""A commit has to be on the disk: a journal file is deleted once its captures are committed."""
_CONNECTION = {
    "connect_timeout": _CONNECT_SECONDS,
    "application_name": "umbra",
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
"""Options of libpq, unless the store's address overrides them."""


class Store:
    """The database of one Umbra.

    Every method may raise StoreUnavailable, or StoreUnfit while the database or its tables are not as Umbra
    needs them.
    """

    def __init__(self, engine: Engine, url: str) -> None:
        self._engine = engine
        self._is_checked = False
        path = sqlite_path(url)
        self._where = "" if path is None else f" ({path})"
        self.url = url

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a connection for reading: all its queries see the same moment."""
        engine = self._engine
        if engine.dialect.name == "postgresql":
            engine = engine.execution_options(isolation_level="REPEATABLE READ")
        with self._translated():
            self._check()
            with engine.connect() as connection:
                yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction: all of it is committed, or none."""
        with self._translated():
            self._check()
            with self._write() as connection:
                yield connection

    @contextmanager
    def inspecting(self) -> Iterator[Connection]:
        """Open a connection for reading a store whose tables may be of any revision, or missing."""
        with _translated(self._where), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        """Open a transaction that may change the tables, of any revision."""
        with _translated(self._where), self._write() as connection:
            yield connection
        self._is_checked = False

    def prediction(self, capture_id: UUID) -> Prediction | None:
        """Return a capture with every observation and outcome of it; None when it is not stored."""
        with self.reading() as connection:
            return captures.prediction(connection, capture_id)

    def candidates(self) -> list[Candidate]:
        """List the candidates that have not been removed, in the order they were added."""
        with self.reading() as connection:
            return candidates.present(connection)

    def deployment(self) -> Deployment | None:
        """Return the newest deployment, or None when no model has ever been live."""
        with self.reading() as connection:
            return deployments.newest(connection)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def _write(self) -> Any:
        # SQLite: take the write lock at once; a reader that turns writer halfway may be refused.
        return self._engine.execution_options(umbra_writes=True).begin()

    def _check(self) -> None:
        """Refuse tables of another Umbra, once: a running process continues while they are migrated."""
        if not self._is_checked:
            with self._engine.connect() as connection:
                revision.refuse_other(connection)
            self._is_checked = True

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Translate errors; for a missing table or column, refuse tables of another Umbra first."""
        try:
            with _translated(self._where):
                yield
        except _MissingShape as fault:
            with _translated(self._where), self._engine.connect() as connection:
                revision.refuse_other(connection)
            raise StoreUnavailable(str(fault)) from fault.__cause__


class _MissingShape(StoreUnavailable):
    """A table or column is missing."""


@contextmanager
def _translated(where: str) -> Iterator[None]:
    """Raise errors of the database as those of this package; `where` is appended to the message."""
    try:
        yield
    except PoolTimeout as fault:
        raise StoreUnavailable(errors.message_of(fault)) from fault
    except UnicodeError as fault:  # a text that UTF-8 cannot encode, such as half of a surrogate pair
        raise StoreRefused(type(fault).__name__) from fault
    except DBAPIError as fault:
        kind = errors.kind_of(fault)
        if kind is ErrorKind.DEFECT:
            raise
        if kind is ErrorKind.REFUSED:
            raise StoreRefused(errors.refusal_of(fault)) from fault
        raise _AS[kind](errors.message_of(fault) + where) from fault


_AS = {ErrorKind.AWAY: StoreUnavailable, ErrorKind.UNFIT: StoreUnfit, ErrorKind.SHAPE: _MissingShape}


def open_store(url: str) -> Store:
    """Open the store of `url`; connects when first used, and creates no database: see schema.migrate."""
    address = make_url(url)
    sqlite = address.get_backend_name() == "sqlite"
    return Store(_sqlite(address) if sqlite else _postgres(address), url)


def sqlite_path(url: str) -> Path | None:
    """Return the file of an SQLite store; None for a server."""
    address = make_url(url)
    is_file = address.get_backend_name() == "sqlite"
    return Path(address.database or "") if is_file else None


def _sqlite(address: URL) -> Engine:
    path = Path(address.database or "")
    file = SqliteFile(path)
    engine = create_engine(
        URL.create("sqlite"),
        hide_parameters=True,
        creator=partial(_open_sqlite, path, file),
        poolclass=QueuePool,
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    file.watch(engine)
    return engine


def _postgres(address: URL) -> Engine:
    engine = create_engine(
        address.set(drivername="postgresql+psycopg2"),
        hide_parameters=True,  # they are rows, and errors go into logs
        pool_size=2,
        max_overflow=4,
        pool_timeout=_CONNECT_SECONDS,
        pool_pre_ping=True,
        connect_args={name: value for name, value in _CONNECTION.items() if name not in address.query},
    )
    event.listen(engine, "connect", _prepare_postgres)
    event.listen(engine, "handle_error", _close_read_only_session)
    return engine


def _open_sqlite(path: Path, file: SqliteFile) -> sqlite3.Connection:
    """Open an existing database: SQLite would create a missing one, empty, even for a reader."""
    try:
        mode = path.stat().st_mode
    except OSError as fault:
        raise StoreUnavailable(
            f"unable to open database file {path}: {os.strerror(fault.errno or 0)}; is "
            "UMBRA_DATA_DIR (or UMBRA_STORE_URL) the right one? `umbra prepare` makes what is missing"
        ) from fault
    if not stat.S_ISREG(mode):
        raise StoreUnfit(f"unable to open database file {path}: it is not a file; see UMBRA_STORE_URL")
    file.set_aside_old_log()
    return sqlite3.connect(
        f"file:{quote(str(path))}?mode=rw", uri=True, timeout=_LOCK_SECONDS, check_same_thread=False
    )


def _prepare_postgres(connection: Any, _record: object) -> None:
    """Refuse a server that cannot hold what Umbra writes, and set the session.

    SET, not the address's `options`: those are the user's, and a pooler such as PgBouncer refuses them.
    """
    encoding = connection.get_parameter_status("server_encoding")
    if encoding not in (None, _ENCODING):
        connection.close()
        raise WrongStore(
            f"the database's encoding is {encoding}, which cannot hold every text; expected {_ENCODING}: "
            "make one with `createdb -E UTF8 -T template0 NAME` and set UMBRA_STORE_URL to it"
        )
    if connection.server_version and connection.server_version < _OLDEST_SERVER:
        connection.close()
        raise WrongStore(f"PostgreSQL {connection.server_version // 10_000} is too old; expected 14 or newer")
    connection.set_client_encoding(_ENCODING)  # overrides PGCLIENTENCODING: COPY sends UTF-8
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(_SESSION)
    connection.autocommit = False


def _close_read_only_session(context: ExceptionContext) -> None:
    """Close a read-only session: it would stay read-only when the database can be written again."""
    if isinstance(fault := context.sqlalchemy_exception, DBAPIError) and errors.is_read_only(fault):
        context.is_disconnect = True


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # FULL: a journal file is deleted once its captures are committed, so committed has to mean on the disk.
    # The driver must not open transactions on its own, or BEGIN IMMEDIATE below would come too late.
    connection.isolation_level = None
    (encoding,) = connection.execute("PRAGMA encoding").fetchone()
    if encoding != "UTF-8":
        connection.close()
        raise WrongStore(f"the database's encoding is {encoding}; expected UTF-8: make a new database")
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
        # Of an Umbra store alone: opening another database changes nothing.
        connection.execute("PRAGMA journal_mode=WAL")
    for pragma in ("synchronous=FULL", "foreign_keys=ON", f"busy_timeout={_LOCK_SECONDS * 1000}"):
        connection.execute(f"PRAGMA {pragma}")
    _add_math_functions(connection)


def _add_math_functions(connection: Any) -> None:
    """Add the mathematical functions that evidence needs to an SQLite that was built without them."""
    try:
        connection.execute("SELECT ln(1), floor(1)").fetchone()
    except sqlite3.OperationalError:
        for name, function in (("ln", math.log), ("floor", math.floor)):
            connection.create_function(
                name, 1, lambda value, of=function: None if value is None else of(value)
            )


def _begin_sqlite(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("umbra_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
