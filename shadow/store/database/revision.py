"""The revision of a store's tables, and whether it is the one that this Umbra works with."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

from shadow.store.database.errors import StoreUnfit

VERSIONS = Path(__file__).parents[1] / "migrations" / "versions"
_TABLE = "alembic_version"


def known() -> list[str]:
    """Every revision that this Umbra has a migration to, the newest last; their files are numbered."""
    return sorted(path.name.partition("_")[0] for path in VERSIONS.glob("[0-9]*_*.py"))


def current(connection: Connection) -> str | None:
    """The revision of the store's tables; None while there are none."""
    if not connection.dialect.has_table(connection, _TABLE):
        return None
    found: str | None = connection.exec_driver_sql(f"SELECT max(version_num) FROM {_TABLE}").scalar()  # noqa: S608
    return found


def refuse_other(connection: Connection) -> None:
    """Raise StoreUnfit unless the tables are those of this Umbra."""
    here = current(connection)
    if here is None:
        raise StoreUnfit("the store has no tables yet; `umbra prepare` makes the tables")
    refuse_newer(here)
    if here != known()[-1]:
        raise StoreUnfit(
            f"the store's tables are of revision {here}, this Umbra needs {known()[-1]}; "
            "`umbra prepare` brings them there"
        )


def refuse_newer(here: str) -> None:
    """Raise StoreUnfit if a newer Umbra has changed the tables."""
    if here not in known():
        raise StoreUnfit(
            f"the store's tables are of revision {here}, made by a newer Umbra; this one knows "
            f"{known()[-1]} at most: use the newer one"
        )
