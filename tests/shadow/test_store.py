"""The database has the declared shape, and its being away is one kind of error."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from model_package.reference import ModelRef
from shadow.records import Capture, new_capture_ids
from shadow.settings import sqlite_url
from shadow.store import Store, StoreUnavailable, captures, open_store, sources
from shadow.store.database.tables import metadata
from shadow.store.schema import migrate

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def test_migrations_lead_to_the_declared_tables(store: Store) -> None:
    with store.writing() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "include_name": _is_no_partition}
        )
        assert compare_metadata(context, metadata) == []


def _is_no_partition(name: str | None, kind: str, _parents: object) -> bool:
    return not (kind == "table" and name is not None and ("_week_" in name or name.endswith("_before")))


def test_migrating_again_changes_nothing(store: Store) -> None:
    migrate(store)
    assert store.candidates() == []


def test_a_store_without_tables_says_how_to_make_them(store_url: str) -> None:
    empty = open_store(store_url)
    with pytest.raises(StoreUnavailable, match="umbra prepare"):
        empty.deployment()
    empty.close()


def test_a_server_that_is_away_is_said_without_password_or_statement() -> None:
    away = open_store("postgresql://umbra:canary@127.0.0.1:1/umbra")
    with pytest.raises(StoreUnavailable) as caught:
        away.prediction(UUID(int=1))
    assert "refused" in str(caught.value)
    assert "canary" not in str(caught.value)
    assert "SELECT" not in str(caught.value)


def test_a_directory_that_cannot_hold_the_database_is_said(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("in the way")
    with pytest.raises(StoreUnavailable, match="unable to open"):
        open_store(sqlite_url(file / "umbra.db")).deployment()


def test_an_error_of_the_store_never_shows_a_house(store: Store) -> None:
    capture = Capture(
        new_capture_ids(1, 0, 0)[0], NOW, "r", 0, ModelRef("linear", "1"), 1.0, {"secret_field": "canary"}
    )
    with store.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE captures RENAME TO elsewhere")
    with pytest.raises(StoreUnavailable) as caught, store.writing() as connection:
        source = sources.lock(connection, "here", NOW)
        captures.insert(connection, source, [capture])
    assert "canary" not in "".join(traceback.format_exception(caught.value))
