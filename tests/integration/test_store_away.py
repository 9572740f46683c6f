"""Postgres gone under load: no answer fails or waits for it, and all is stored once it is back (P1, P3)."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from harness.audit import audit
from harness.load import Answered, Asker, Load, houses
from harness.stack import MakeStack
from harness.waiting import wait_until
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from shadow.store import StoreUnavailable, open_store
from shadow.store.database import bulk
from shadow.store.database.tables import drops
from shadow.store.schema import migrate

DOWN_SECONDS = 30.0
TIMES_SLOWER = 5.0
LEAST_SECONDS = 0.01
LESS_THAN_A_CONNECTION_SECONDS = 2.0  # which is given up after 3
MakeDatabase = Callable[[], str]


@pytest.fixture
def make_database(postgres_cluster: Any) -> MakeDatabase:
    """Makes an empty database in the cluster that a test may stop."""

    def make() -> str:
        name = f"umbra_away_{time.time_ns()}"
        admin = create_engine(
            make_url(postgres_cluster.url).set(drivername="postgresql+psycopg2"), isolation_level="AUTOCOMMIT"
        )
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        admin.dispose()
        return make_url(postgres_cluster.url).set(database=name).render_as_string(hide_password=False)

    return make


def test_while_postgres_is_away_for_half_a_minute_no_request_waits_for_it_and_all_are_stored_later(
    make_stack: MakeStack, make_database: MakeDatabase, postgres_cluster: Any
) -> None:
    stack = make_stack(store_url=make_database(), journal_write_seconds=1)
    stack.up()
    asker, same = Asker(stack), houses(3)
    usual = prices(asker.ask(same))
    with Load(stack, pause_seconds=0.02) as load:
        load.more(150)
        begun = len(load.answers)
        postgres_cluster.stop()
        try:
            back_at = time.monotonic() + DOWN_SECONDS
            while time.monotonic() < back_at:
                load.more(20)
                assert stack.is_ready()
                assert prices(asker.ask(same)) == usual
            assert stack.run("status").returncode == 1
            ended = len(load.answers)
        finally:
            postgres_cluster.start()
        load.more(20)
    assert load.faults == []
    (typical_before, longest_before), (typical, longest) = load.seconds(0, begun), load.seconds(begun, ended)
    assert typical <= TIMES_SLOWER * max(typical_before, LEAST_SECONDS)
    assert longest <= max(TIMES_SLOWER * longest_before, LESS_THAN_A_CONNECTION_SECONDS)
    assert asker.faults == []
    stack.wait_drained()
    audit(stack, [load, asker])


def prices(answer: Answered | None) -> list[str]:
    """The prices of an answer, as they are written there."""
    assert answer is not None
    return list(answer.prices)


def test_an_api_that_starts_while_postgres_is_away_answers_with_the_model_it_remembers(
    make_stack: MakeStack, make_database: MakeDatabase, postgres_cluster: Any
) -> None:
    stack = make_stack(store_url=make_database())
    stack.done("prepare")
    first = stack.start("serve")
    stack.wait_ready(first)
    asker = Asker(stack)
    asker.ask(houses(3))
    assert stack.stop(first) == 0
    postgres_cluster.stop()
    try:
        stack.wait_ready(stack.start("serve"))
        asker.ask(houses(3))
    finally:
        postgres_cluster.start()
    stack.start("work")
    assert asker.faults == []
    stack.wait_drained()
    audit(stack, [asker])


def test_a_store_that_gives_up_on_a_bulk_write_is_away_and_not_an_error_of_ours(
    make_database: MakeDatabase,
) -> None:
    store = open_store(make_database())
    migrate(store)
    row = {"source_id": 1, "segment": "a", "reason": "full", "houses": 1, "recorded_at": datetime.now(UTC)}
    with store.writing() as holder:
        holder.execute(text("LOCK TABLE drops IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(StoreUnavailable), store.writing() as connection:
            connection.execute(text("SET LOCAL statement_timeout = 50"))
            bulk.insert(connection, drops, [row])
    store.close()


def test_a_worker_that_starts_while_postgres_is_away_begins_once_it_is_back(
    make_stack: MakeStack, make_database: MakeDatabase, postgres_cluster: Any
) -> None:
    stack = make_stack(store_url=make_database())
    stack.done("prepare")
    stack.wait_ready(stack.start("serve"))
    asker = Asker(stack)
    asker.ask(houses(30))
    postgres_cluster.stop()
    try:
        stack.start("work")
        wait_until(lambda: stack.pids("ingest"), 30, stack.explain)
        ingest = stack.pids("ingest")
    finally:
        postgres_cluster.start()
    stack.wait_drained()
    audit(stack, [asker])
    assert stack.pids("ingest") == ingest, "it went away instead of waiting"
