"""Databases of the tests' own."""

from __future__ import annotations

from uuid import uuid4

from sqlalchemy import create_engine
from sqlalchemy.engine import make_url


def make_database(server_url: str, template_url: str | None = None) -> str:
    """Make an empty database, or a copy of one that nobody is connected to; returns its URL."""
    name = f"umbra_test_{uuid4().hex[:12]}"
    template = f' TEMPLATE "{make_url(template_url).database}"' if template_url else ""
    admin = create_engine(
        make_url(server_url).set(drivername="postgresql+psycopg2"), isolation_level="AUTOCOMMIT"
    )
    with admin.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}"{template}')
    admin.dispose()
    return make_url(server_url).set(database=name).render_as_string(hide_password=False)
