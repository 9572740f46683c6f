"""Captures and observations lie in partitions of seven days, and what was stored before them is kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import insert, select, text
from sqlalchemy.engine import make_url

from model_package.reference import ModelRef
from shadow.records import Capture, new_capture_ids
from shadow.store import Store, captures, ledger, open_store, schema, sources
from shadow.store.database import partitions, tables
from shadow.store.retention import prune
from shadow.store.schema import migrate

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LIVE = ModelRef("linear", "1")


def capture(moment: datetime, number: int = 1) -> Capture:
    (made,) = new_capture_ids(1, int(moment.timestamp() * 1000), number << 62 | number)
    return Capture(made, moment, "request", 0, LIVE, 100_000.0, {"lot_area": 1.0})


def put(store: Store, rows: list[Capture]) -> None:
    with store.writing() as connection:
        source = sources.lock(connection, "here", NOW)
        sources.advance(connection, source, captures.insert(connection, source, rows))


def test_a_stretch_of_seven_days_begins_where_the_one_before_ends() -> None:
    number = partitions._number(capture(NOW).id)
    start, end = partitions.week_start(number), partitions.week_start(number + 1)
    assert start <= capture(NOW).id < end
    assert start == partitions.first_id(number * 7 * 86_400_000)
    assert (number * 7 * 86_400) % 86_400 == 0


def test_captures_of_any_time_are_stored_and_found_again(store: Store) -> None:
    moments = [NOW - timedelta(days=days) for days in (0, 3, 40, 400)]
    rows = [capture(moment, number) for number, moment in enumerate(moments, 1)]
    put(store, rows[:2])
    put(store, rows[2:])
    for row in rows:
        found = store.prediction(row.id)
        assert found is not None
        assert found.capture.captured_at == row.captured_at


def test_each_stretch_has_a_partition_of_both_tables_on_postgres_alone(store: Store) -> None:
    put(store, [capture(NOW), capture(NOW - timedelta(days=7), 2), capture(NOW, 3)])
    with store.reading() as connection:
        found = partitions.existing(connection)
    if store.url.startswith("sqlite"):
        assert found == []
        return
    assert [one.table for one in found] == ["captures", "observations"] * 2
    assert found[0].end == found[1].end < found[2].end == found[3].end


def test_a_store_of_the_first_release_is_taken_over_with_all_its_rows(store_url: str) -> None:
    store = open_store(store_url)
    old = [capture(NOW - timedelta(days=days), days + 1) for days in (0, 9, 30)]
    a_store_of_the_first_release(store, old)
    migrate(store)
    new = capture(NOW + timedelta(days=1), 77)
    newer = capture(NOW + timedelta(days=30), 78)
    put(store, [new, newer])
    for row in (*old, new, newer):
        found = store.prediction(row.id)
        assert found is not None
        assert found.capture.inputs == {"lot_area": 1.0}
    with store.reading() as connection:
        seqs = connection.execute(select(tables.captures.c.seq).order_by(tables.captures.c.seq)).scalars()
        assert list(seqs) == [1, 2, 3, 4, 5]
        names = {one.name for one in partitions.existing(connection)}
    if store_url.startswith("postgres"):
        assert "captures_before" in names
        assert len(names) == 4  # nothing before for observations, there were none
    store.close()


def test_rows_of_the_first_release_are_pruned_like_all_others(store_url: str) -> None:
    store = open_store(store_url)
    old = [capture(NOW - timedelta(days=days), days) for days in (100, 110, 120)]
    a_store_of_the_first_release(store, old)
    migrate(store)
    put(store, [capture(NOW, 77)])
    before = NOW - timedelta(days=90)
    assert prune.remove_before(store, before, NOW, pause=lambda _: None).captures == 3
    with store.reading() as connection:
        assert not any(one.name.endswith("_before") for one in partitions.existing(connection))
        assert ledger.intake(connection) == ledger.Intake(numbered=4, stored=1, dropped={}, pruned=3)
    late = capture(NOW - timedelta(days=110), 78)
    put(store, [late])
    assert store.prediction(late.id) is not None
    store.close()


def test_many_processes_make_the_same_partitions_at_once(store: Store) -> None:
    weeks = [capture(NOW - timedelta(days=7 * week), week + 1).id for week in range(6)]

    def ensure(_: int) -> None:
        with store.writing() as connection:
            partitions.ensure(connection, weeks)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ensure, range(8)))
    with store.reading() as connection:
        made = partitions.existing(connection)
    assert len(made) == (0 if store.url.startswith("sqlite") else 12)


def a_store_of_the_first_release(store: Store, rows: list[Capture]) -> None:
    to_first_release(store)
    with store.migrating() as connection:
        connection.execute(
            text(
                "INSERT INTO sources (id, directory_id, last_seq, created_at)"
                " VALUES (1, 'here', 3, '2026-11-01')"
            )
        )
        for seq, row in enumerate(rows, 1):
            connection.execute(
                insert(tables.captures).values(
                    id=row.id,
                    source_id=1,
                    seq=seq,
                    captured_at=row.captured_at,
                    request_id=row.request_id,
                    row_index=0,
                    live_name="linear",
                    live_version="1",
                    prediction_dollars=1.0,
                    inputs={"lot_area": 1.0},
                    sample_key=0.5,
                )
            )


def to_first_release(store: Store) -> None:
    directory = Path(schema.__file__).with_name("migrations")
    if store.url.startswith("sqlite"):
        Path(make_url(store.url).database or "").touch()
    with store.migrating() as connection:
        config = Config()
        config.set_main_option("script_location", str(directory))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
