"""Revision: compare the revision of a store's tables with the one that this Umbra needs."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

from shadow.store.database.errors import StoreUnfit

VERSIONS = Path(__file__).parents[1] / "migrations" / "versions"
_TABLE = "alembic_version"


def known_revisions() -> list[str]:
    """List every revision that this Umbra has a migration to, newest last; their files are numbered."""
    return sorted(path.name.partition("_")[0] for path in VERSIONS.glob("[0-9]*_*.py"))


def current(connection: Connection) -> str | None:
    """Return the revision of the store's tables; None while there are none."""
    if not connection.dialect.has_table(connection, _TABLE):
        return None
    revision: str | None = connection.exec_driver_sql(f"SELECT max(version_num) FROM {_TABLE}").scalar()  # noqa: S608
    return revision


def refuse_other(connection: Connection) -> None:
    """Raise StoreUnfit unless the tables are those of this Umbra."""
    revision = current(connection)
    if revision is None:
        raise StoreUnfit("the store has no tables yet; `umbra prepare` makes the tables")
    refuse_newer(revision)
    if revision != known_revisions()[-1]:
        raise StoreUnfit(
            f"the store's tables are of revision {revision}, this Umbra needs {known_revisions()[-1]}; "
            "`umbra prepare` brings them there"
        )


def refuse_newer(revision: str) -> None:
    """Raise StoreUnfit if a newer Umbra has changed the tables."""
    if revision not in known_revisions():
        raise StoreUnfit(
            f"the store's tables are of revision {revision}, made by a newer Umbra; this one knows "
            f"{known_revisions()[-1]} at most: use the newer one"
        )
