"""Brings a database to the shape of tables.py, by the migrations beside this file."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy.engine import make_url

from shadow.store.connection import Store


def migrate(store: Store) -> None:
    """Apply every migration that is missing; running it again changes nothing. Raises StoreUnavailable.

    On Postgres one migration runs at a time, whoever starts it.
    """
    url = make_url(store.url)
    if url.get_backend_name() == "sqlite" and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    with store.writing() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7031942)")
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
