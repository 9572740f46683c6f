"""What a database can answer instead of rows, by its codes, never by its words: those are in any language.

StoreUnavailable: not now; the same can be tried again. StoreUnfit, one kind of it: not before somebody has
acted, and the message says what to do. StoreRefused: never, because of the rows themselves. Any other error
is a defect of Umbra and passes as it is.

Sources: PostgreSQL manual, appendix A (SQLSTATE); SQLite, "Result and Error Codes".
"""

from __future__ import annotations

import sqlite3
from enum import Enum, auto

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError


class StoreUnavailable(RuntimeError):
    """The database cannot be reached or cannot do it now; what was asked can be tried again."""

    safe_to_log = True


class StoreUnfit(StoreUnavailable):
    """The database answers and is not as Umbra needs it: every attempt ends so until somebody acts."""


class WrongStore(StoreUnfit):
    """No Umbra can work with this database, whatever anybody does to it; another one has to be made."""


class StoreRefused(RuntimeError):
    """The database will not take these rows, however often it is asked."""


class Kind(Enum):
    """What an error of a database calls for."""

    AWAY = auto()
    UNFIT = auto()
    SHAPE = auto()  # a table or a column is missing: the store may be of another Umbra
    REFUSED = auto()
    DEFECT = auto()


_NO_RIGHT = "42501"
_READ_ONLY = "25006"
_BY_STATE = {
    _NO_RIGHT: Kind.UNFIT,
    "42P01": Kind.SHAPE,  # undefined table
    "42703": Kind.SHAPE,  # undefined column
    "42704": Kind.SHAPE,  # undefined object
    "42701": Kind.UNFIT,  # duplicate column
    "42710": Kind.UNFIT,  # duplicate object
    "42P07": Kind.UNFIT,  # duplicate table: of somebody else
    "3F000": Kind.SHAPE,  # no schema is selected in which tables could be made
    "25P02": Kind.DEFECT,  # a statement after one that failed
    "25001": Kind.DEFECT,  # a statement that no transaction may hold
}
_BY_CLASS = {
    "08": Kind.AWAY,  # connection
    "0A": Kind.AWAY,  # not supported, such as a cached plan whose table has changed
    "22": Kind.REFUSED,  # data
    "23": Kind.REFUSED,  # integrity
    "25": Kind.AWAY,  # transaction state: read-only (25006), idle for too long
    "28": Kind.UNFIT,  # authorization
    "3D": Kind.UNFIT,  # no such database
    "3F": Kind.UNFIT,  # no such schema
    "40": Kind.AWAY,  # serialization, deadlock
    "53": Kind.AWAY,  # disk full, out of memory, too many connections
    "54": Kind.REFUSED,  # a program's limit, such as the size of an index row
    "55": Kind.AWAY,  # lock not available, object in use
    "57": Kind.AWAY,  # cancelled, shut down, starting up
    "58": Kind.AWAY,  # the server's operating system
    "72": Kind.AWAY,  # snapshot too old
    "F0": Kind.AWAY,  # the server's configuration
    "XX": Kind.AWAY,  # the server's own defects, damaged data among them
}
_CHECK_VIOLATION = "23514"
_SQLITE = {
    sqlite3.SQLITE_ERROR: Kind.SHAPE,  # "no such table" has no code of its own
    sqlite3.SQLITE_CONSTRAINT: Kind.REFUSED,
    sqlite3.SQLITE_MISMATCH: Kind.REFUSED,
    sqlite3.SQLITE_TOOBIG: Kind.REFUSED,
    sqlite3.SQLITE_MISUSE: Kind.DEFECT,
    sqlite3.SQLITE_RANGE: Kind.DEFECT,
    **dict.fromkeys(
        (
            sqlite3.SQLITE_AUTH,
            sqlite3.SQLITE_CORRUPT,
            sqlite3.SQLITE_NOTADB,
            sqlite3.SQLITE_PERM,
            sqlite3.SQLITE_READONLY,
        ),
        Kind.UNFIT,
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
        Kind.AWAY,
    ),
}


def kind_of(fault: DBAPIError) -> Kind:
    """What an error of either database calls for."""
    driver = fault.orig
    if isinstance(driver, sqlite3.Error):
        code = getattr(driver, "sqlite_errorcode", None)
        return _without_code(fault) if code is None else _SQLITE.get(code & 0xFF, Kind.DEFECT)
    state = getattr(driver, "pgcode", None)
    if state is None:
        return _without_code(fault)
    if state == _CHECK_VIOLATION and _constraint(fault) is None:
        return Kind.AWAY  # no partition takes the rows: their week is being pruned, and is made next time
    return _BY_STATE.get(state) or _BY_CLASS.get(state[:2], Kind.DEFECT)


def is_read_only(fault: DBAPIError) -> bool:
    """Whether the session, or the whole server, does not write for now."""
    return getattr(fault.orig, "pgcode", None) == _READ_ONLY


def words(fault: Exception) -> str:
    """What a driver says, in a line that names no house.

    Neither the statement nor its parameters (houses) belong in a log; the driver's own words do. Of the
    server's only the message itself: its context is the row of a COPY.
    """
    driver = getattr(fault, "orig", None) or fault
    message = getattr(getattr(driver, "diag", None), "message_primary", None)
    line = " ".join((message or str(driver) or type(driver).__name__).split())
    if getattr(driver, "pgcode", None) == _NO_RIGHT:
        return f"{line}; grant that right to the role of UMBRA_STORE_URL"
    return line


def refusal(fault: DBAPIError) -> str:
    """What was refused, by names of the schema alone: the server's words may repeat a house."""
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


def _without_code(fault: DBAPIError) -> Kind:
    """The kind of what a driver says by itself: the server, lost or never reached, gave no code."""
    if fault.connection_invalidated or isinstance(fault, OperationalError | InterfaceError):
        return Kind.AWAY
    if fault.statement is None:  # it came to no connection: an option that the driver does not know
        return Kind.UNFIT
    return Kind.AWAY if type(fault) is DBAPIError or type(fault).__name__ == "DatabaseError" else Kind.DEFECT
