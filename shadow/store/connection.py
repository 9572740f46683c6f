"""The way into the database: engine, transactions, and one error for every way it can be away."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shadow.records import Candidate, Deployment, Prediction
from shadow.store import candidates, captures, deployments

_CONNECT_SECONDS = 3
_STATEMENT_MILLISECONDS = 30_000
_UNDEFINED_TABLE = "42P01"
_NO_PARTITION = "no partition of relation"


class StoreUnavailable(RuntimeError):
    """The database cannot be reached or does not answer in time; what was asked can be tried again."""

    names_no_house = True


class Store:
    """Captures, observations, candidates and deployments. Every method may raise StoreUnavailable."""

    def __init__(self, engine: Engine, url: str) -> None:
        self._engine = engine
        self.url = url

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection for reading: all its queries see the same moment."""
        engine = self._engine
        if engine.dialect.name == "postgresql":
            engine = engine.execution_options(isolation_level="REPEATABLE READ")
        with _translated(), engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction: all of it is committed, or none."""
        # SQLite: take the write lock at once; a reader that turns writer halfway may be refused.
        engine = self._engine.execution_options(umbra_writes=True)
        with _translated(), engine.begin() as connection:
            yield connection

    def prediction(self, capture_id: UUID) -> Prediction | None:
        """Look up one answered house with every observation of it."""
        with self.reading() as connection:
            return captures.prediction(connection, capture_id)

    def candidates(self) -> list[Candidate]:
        """The candidates that have not been removed, in the order they were added."""
        with self.reading() as connection:
            return candidates.present(connection)

    def deployment(self) -> Deployment | None:
        """The newest deployment, or None when no model has ever been live."""
        with self.reading() as connection:
            return deployments.newest(connection)

    def close(self) -> None:
        """Give every connection back."""
        self._engine.dispose()


class StoreRefused(RuntimeError):
    """The database will not take these rows, however often it is asked."""


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (IntegrityError, DataError) as fault:
        if _NO_PARTITION in str(fault.orig):  # its week is being pruned: it is made again at the next attempt
            raise StoreUnavailable("the partition of these rows is being removed") from fault
        raise StoreRefused(type(fault.orig).__name__) from fault
    except (OperationalError, InterfaceError, PoolTimeout) as fault:
        raise StoreUnavailable(_driver_words(fault)) from fault
    except DBAPIError as fault:
        if fault.connection_invalidated or _is_undefined_table(fault):
            raise StoreUnavailable(_driver_words(fault)) from fault
        raise


def _is_undefined_table(fault: DBAPIError) -> bool:
    return getattr(fault.orig, "pgcode", None) == _UNDEFINED_TABLE


def _driver_words(fault: Exception) -> str:
    # Neither the statement nor its parameters (houses) belong in a log; the driver's own words do. Of the
    # server's only the message itself: its context is the row of a COPY.
    said = getattr(fault, "orig", None) or fault
    words = " ".join((getattr(getattr(said, "diag", None), "message_primary", None) or str(said)).split())
    if "no such table" in words or "does not exist" in words:
        return f"{words}; `umbra prepare` makes the tables"
    return words


def open_store(url: str) -> Store:
    """Make the store of `url`; connects when first used."""
    return Store(_engine(url), url)


def _engine(url: str) -> Engine:
    if make_url(url).get_backend_name() == "sqlite":
        engine = create_engine(url, hide_parameters=True, connect_args={"timeout": 30})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    return create_engine(
        make_url(url).set(drivername="postgresql+psycopg2"),
        hide_parameters=True,  # they are houses, and errors go into logs
        pool_size=2,
        max_overflow=4,
        pool_timeout=_CONNECT_SECONDS,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": _CONNECT_SECONDS,
            "options": f"-c statement_timeout={_STATEMENT_MILLISECONDS} -c timezone=UTC -c jit=off",
            "application_name": "umbra",
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 15_000,
        },
    )


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # FULL: a journal file is deleted once its captures are committed, so committed has to mean on the disk.
    # The driver must not open transactions on its own, or BEGIN IMMEDIATE below would come too late.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
        connection.execute(f"PRAGMA {pragma}")
    _lend_math(connection)


def _lend_math(connection: Any) -> None:
    """Give an SQLite that was built without mathematical functions those that evidence needs."""
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
