"""Bulk writes past SQLAlchemy's types, so it has to write what they would."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, delete, select

from shadow.store import Store, StoreUnavailable
from shadow.store.database import bulk, partitions
from shadow.store.database.tables import captures, observations, sources

NOW = datetime(2026, 3, 4, 5, 6, 7, 89, UTC)
AWKWARD = 'a\\b\t"c"\r\nd\x0be ä 🏠 \\N \\.'
CAPTURE: dict[str, Any] = {
    "id": UUID("0198c0de-7a11-7000-8000-0123456789ab"),
    "source_id": 1,
    "seq": 1,
    "captured_at": NOW,
    "request_id": AWKWARD,
    "row_index": 0,
    "live_name": "linear",
    "live_version": "1",
    "prediction_dollars": 123456.78900000001,
    "inputs": {"neighborhood": AWKWARD, "lot_area": 1e-7, "rooms": 10**12, "garage_finish": None},
    "sample_key": 0.1,
    "entity_id": None,
}


def _begin(connection: Connection) -> None:
    connection.execute(sources.insert().values(id=1, directory_id="a", last_seq=0, created_at=NOW))
    partitions.ensure(connection, [CAPTURE["id"], UUID(int=1)])


def test_bulk_stores_a_row_as_sqlalchemy_does(store: Store) -> None:
    with store.writing() as connection:
        _begin(connection)
        bulk.insert(connection, captures, [CAPTURE])
        ours = connection.exec_driver_sql("SELECT * FROM captures").one()
        assert dict(connection.execute(select(captures)).one()._mapping) == CAPTURE
        connection.execute(delete(captures))
        connection.execute(captures.insert().values(CAPTURE))
        theirs = connection.exec_driver_sql("SELECT * FROM captures").one()
    if connection.dialect.name == "sqlite":  # which keeps what it is given, JSON as a text
        inputs = list(captures.c.keys()).index("inputs")
        ours, theirs = (tuple(v for i, v in enumerate(row) if i != inputs) for row in (ours, theirs))
    assert ours == theirs


def test_bulk_keeps_the_order_of_many_rows(store: Store) -> None:
    rows = [CAPTURE | {"id": UUID(int=number), "seq": number} for number in range(1, 1001)]
    with store.writing() as connection:
        _begin(connection)
        bulk.insert(connection, captures, rows)
        found = connection.execute(select(captures.c.id, captures.c.seq).order_by(captures.c.seq)).all()
    assert [tuple(row) for row in found] == [(row["id"], row["seq"]) for row in rows]


def test_a_time_of_another_zone_is_stored_as_the_same_moment(store: Store) -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=9)))
    with store.writing() as connection:
        _begin(connection)
        bulk.insert(connection, captures, [CAPTURE | {"captured_at": elsewhere}])
        assert connection.execute(select(captures.c.captured_at)).scalar_one() == NOW


def test_a_value_no_column_holds_is_refused_and_named(store: Store) -> None:
    # On Postgres the driver reports what stopped the COPY, in words of its own.
    with store.writing() as connection, pytest.raises(Exception, match=r"UnwritableValue|complex"):
        bulk.insert(connection, observations, [{"candidate_id": 1j}])


FULL = """
    CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN RAISE 'no room' USING ERRCODE = 'disk_full'; END $$;
    CREATE TRIGGER full_disk BEFORE INSERT ON captures FOR EACH ROW EXECUTE FUNCTION full_disk();
    """


def test_a_store_that_fails_in_the_middle_of_rows_says_no_word_of_them(store: Store) -> None:
    """PostgreSQL shows the row at which a COPY ended."""
    rows = [CAPTURE | {"request_id": "canary", "id": UUID(int=n), "seq": n} for n in range(1, 1001)]
    with pytest.raises(StoreUnavailable) as caught, store.writing() as connection:
        _begin(connection)
        on_sqlite = connection.dialect.name == "sqlite"
        connection.exec_driver_sql("PRAGMA max_page_count = 1" if on_sqlite else FULL)
        bulk.insert(connection, captures, rows)
    assert str(caught.value).startswith("database or disk is full" if on_sqlite else "no room")
    assert "canary" not in str(caught.value)
