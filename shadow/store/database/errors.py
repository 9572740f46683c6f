"""Errors of a database, classified by code, never by message text: that may be in any language.

StoreUnavailable: temporary, the same call can be repeated. StoreUnfit, a kind of it: permanent until an
operator acts, and the message says how. StoreRefused: the database refuses the rows themselves. Any other
error is a defect of Umbra and passes unchanged.

Sources: PostgreSQL manual, appendix A (SQLSTATE); SQLite, "Result and Error Codes".
"""

from __future__ import annotations

import sqlite3
from enum import Enum, auto

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError


class StoreUnavailable(RuntimeError):
    """The database cannot be reached or cannot do it now; the same call can be repeated."""

    safe_to_log = True


class StoreUnfit(StoreUnavailable):
    """The database answers and is not as Umbra needs it: every attempt fails until an operator acts."""


class WrongStore(StoreUnfit):
    """No Umbra can work with this database; the operator has to create another one."""


class StoreRefused(RuntimeError):
    """The database refuses these rows, however often the call is repeated."""


class ErrorKind(Enum):
    """How the store reacts to an error of a database."""

    AWAY = auto()
    UNFIT = auto()
    SHAPE = auto()  # a table or a column is missing: the store may be of another Umbra
    REFUSED = auto()
    DEFECT = auto()


_NO_RIGHT = "42501"
_READ_ONLY = "25006"
_BY_STATE = {
    _NO_RIGHT: ErrorKind.UNFIT,
    "42P01": ErrorKind.SHAPE,  # undefined table
    "42703": ErrorKind.SHAPE,  # undefined column
    "42704": ErrorKind.SHAPE,  # undefined object
    "42701": ErrorKind.UNFIT,  # duplicate column
    "42710": ErrorKind.UNFIT,  # duplicate object
    "42P07": ErrorKind.UNFIT,  # duplicate table: of another application
    "3F000": ErrorKind.SHAPE,  # no schema is selected in which tables could be made
    "25P02": ErrorKind.DEFECT,  # a statement after one that failed
    "25001": ErrorKind.DEFECT,  # a statement that no transaction may hold
}
_BY_CLASS = {
    "08": ErrorKind.AWAY,  # connection
    "0A": ErrorKind.AWAY,  # not supported, such as a cached plan whose table has changed
    "22": ErrorKind.REFUSED,  # data
    "23": ErrorKind.REFUSED,  # integrity
    "25": ErrorKind.AWAY,  # transaction state: read-only (25006), idle for too long
    "28": ErrorKind.UNFIT,  # authorization
    "3D": ErrorKind.UNFIT,  # no such database
    "3F": ErrorKind.UNFIT,  # no such schema
    "40": ErrorKind.AWAY,  # serialization, deadlock
    "53": ErrorKind.AWAY,  # disk full, out of memory, too many connections
    "54": ErrorKind.REFUSED,  # a program's limit, such as the size of an index row
    "55": ErrorKind.AWAY,  # lock not available, object in use
    "57": ErrorKind.AWAY,  # cancelled, shut down, starting up
    "58": ErrorKind.AWAY,  # the server's operating system
    "72": ErrorKind.AWAY,  # snapshot too old
    "F0": ErrorKind.AWAY,  # the server's configuration
    "XX": ErrorKind.AWAY,  # the server's own defects, damaged data among them
}
_CHECK_VIOLATION = "23514"
_SQLITE = {
    sqlite3.SQLITE_ERROR: ErrorKind.SHAPE,  # "no such table" has no code of its own
    sqlite3.SQLITE_CONSTRAINT: ErrorKind.REFUSED,
    sqlite3.SQLITE_MISMATCH: ErrorKind.REFUSED,
    sqlite3.SQLITE_TOOBIG: ErrorKind.REFUSED,
    sqlite3.SQLITE_MISUSE: ErrorKind.DEFECT,
    sqlite3.SQLITE_RANGE: ErrorKind.DEFECT,
    **dict.fromkeys(
        (
            sqlite3.SQLITE_AUTH,
            sqlite3.SQLITE_CORRUPT,
            sqlite3.SQLITE_NOTADB,
            sqlite3.SQLITE_PERM,
            sqlite3.SQLITE_READONLY,
        ),
        ErrorKind.UNFIT,
    ),
    **dict.fromkeys(
        (
            sqlite3.SQLITE_ABORT,
            sqlite3.SQLITE_BUSY,
            sqlite3.SQLITE_CANTOPEN,
            sqlite3.SQLITE_FULL,
            sqlite3.SQLITE_INTERNAL,
            sqlite3.SQLITE_INTERRUPT,
            sqlite3.SQLITE_IOERR,
            sqlite3.SQLITE_LOCKED,
            sqlite3.SQLITE_NOLFS,
            sqlite3.SQLITE_NOMEM,
            sqlite3.SQLITE_PROTOCOL,
            sqlite3.SQLITE_SCHEMA,
        ),
        ErrorKind.AWAY,
    ),
}


def kind_of(fault: DBAPIError) -> ErrorKind:
    """Classify an error of either database."""
    driver = fault.orig
    if isinstance(driver, sqlite3.Error):
        code = getattr(driver, "sqlite_errorcode", None)
        return _without_code(fault) if code is None else _SQLITE.get(code & 0xFF, ErrorKind.DEFECT)
    state = getattr(driver, "pgcode", None)
    if state is None:
        return _without_code(fault)
    if state == _CHECK_VIOLATION and _constraint(fault) is None:
        # No partition takes the rows: a prune is dropping their week, which the next attempt makes.
        return ErrorKind.AWAY
    return _BY_STATE.get(state) or _BY_CLASS.get(state[:2], ErrorKind.DEFECT)


def is_read_only(fault: DBAPIError) -> bool:
    """Return whether the session, or the whole server, is read-only for now."""
    return getattr(fault.orig, "pgcode", None) == _READ_ONLY


def message_of(fault: Exception) -> str:
    """Return the driver's message as one line that contains no row.

    Neither the statement nor its parameters (rows) belong in a log; the driver's own message does. Of the
    server's error only the primary message: its context is the row of a COPY.
    """
    driver = getattr(fault, "orig", None) or fault
    message = getattr(getattr(driver, "diag", None), "message_primary", None)
    line = " ".join((message or str(driver) or type(driver).__name__).split())
    if getattr(driver, "pgcode", None) == _NO_RIGHT:
        return f"{line}; grant that right to the role of UMBRA_STORE_URL"
    return line


def refusal_of(fault: DBAPIError) -> str:
    """Describe a refusal by names of the schema alone: the server's message may repeat a row."""
    driver = fault.orig
    diagnosis = getattr(driver, "diag", None)
    named = ", ".join(
        f"{what} {name}"
        for what in ("table", "column", "constraint")
        if (name := getattr(diagnosis, f"{what}_name", None))
    )
    code = getattr(driver, "pgcode", None) or getattr(driver, "sqlite_errorname", None)
    return f"{type(driver).__name__}{f' {code}' if code else ''}{f' ({named})' if named else ''}"


def _constraint(fault: DBAPIError) -> str | None:
    return getattr(getattr(fault.orig, "diag", None), "constraint_name", None)


def _without_code(fault: DBAPIError) -> ErrorKind:
    """Classify an error that the driver raised itself: the server, lost or never reached, gave no code."""
    if fault.connection_invalidated or isinstance(fault, OperationalError | InterfaceError):
        return ErrorKind.AWAY
    if fault.statement is None:  # there was no connection: an option that the driver does not know
        return ErrorKind.UNFIT
    is_general = type(fault) is DBAPIError or type(fault).__name__ == "DatabaseError"
    return ErrorKind.AWAY if is_general else ErrorKind.DEFECT
