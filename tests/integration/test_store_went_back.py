"""A store restored, deleted or replaced under running processes: no acknowledged house is lost (P2, P3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from databases import make_database
from harness.audit import audit
from harness.load import Asker, Load, houses
from harness.stack import MakeStack, Stack
from harness.waiting import wait_until
from sqlalchemy import make_url
from store_copies import StoreCopy


@pytest.fixture(params=["sqlite", "postgres"])
def make_kind(request: pytest.FixtureRequest, make_stack: MakeStack) -> Callable[[], Stack]:
    """Makes a stack on each kind of store."""
    if request.param == "sqlite":
        return make_stack
    url = make_database(request.getfixturevalue("postgres_url"))
    return lambda: make_stack(store_url=url)


def test_a_store_that_is_restored_from_a_copy_gets_back_what_came_since(
    make_kind: Callable[[], Stack],
) -> None:
    stack = make_kind()
    umbra = stack.up()
    asker = Asker(stack)
    ask_drained(stack, asker, 60)
    idle = StoreCopy(stack.settings.store)
    ask_drained(stack, asker, 60)
    idle.put_back()  # nobody asks: ingest has to notice by itself
    wait_until(lambda: stack.events("store_went_back"), 30, stack.explain)
    ask_drained(stack, asker, 60)
    with Load(stack) as load:
        load.more(30)
        under_load = StoreCopy(stack.settings.store)
        load.more(60)
        under_load.put_back()
        load.more(60)
    asker.ask(houses(20))
    assert load.faults == []
    stack.wait_drained()
    audit(stack, [asker, load])
    assert stack.stop(umbra) == 0
    audit(stack, [asker, load])


def ask_drained(stack: Stack, asker: Asker, count: int) -> None:
    asker.ask(houses(count))
    stack.wait_drained()


def test_an_sqlite_file_that_is_away_for_a_while_or_deleted_for_good_costs_no_house(
    make_stack: MakeStack,
) -> None:
    stack = make_stack()
    umbra = stack.up()
    file = stack.data / "umbra.db"
    with Load(stack) as load:
        load.more(30)
        away = file.rename(stack.data / "away.db")
        wait_until(lambda: stack.events("store_away"), 30, stack.explain)
        load.more(30)
        assert not file.exists()
        away.rename(file)
        load.more(30)
        copy = StoreCopy(stack.settings.store)
        load.more(30)
        file.unlink()
        load.more(30)
        copy.put_back()
        load.more(30)
    assert load.faults == []
    stack.wait_drained()
    assert stack.stop(umbra) == 0
    audit(stack, [load])


def test_a_killed_postgres_keeps_what_it_has_committed_whatever_its_synchronous_commit(
    make_stack: MakeStack, postgres_cluster: Any
) -> None:
    url = make_database(postgres_cluster.url)
    alter(
        postgres_cluster,
        f'ALTER DATABASE "{make_url(url).database}" SET synchronous_commit = off',
        "ALTER SYSTEM SET wal_writer_delay = '10s'",
        "SELECT pg_reload_conf()",
    )
    try:
        stack = make_stack(store_url=url)
        stack.up()
        with Load(stack) as load:
            load.more(60)
            stored = wait_until(lambda: stack.metric("worker", "umbra_ingest_captures_stored_total"), 30)
            assert stored
            postgres_cluster.stop()
            postgres_cluster.start()
            load.more(30)
        assert load.faults == []
        stack.wait_drained()
        audit(stack, [load])
        assert stack.events("store_went_back") == [], "it had not kept what it had committed"
    finally:
        alter(postgres_cluster, "ALTER SYSTEM RESET wal_writer_delay", "SELECT pg_reload_conf()")


def alter(cluster: Any, *statements: str) -> None:
    for statement in statements:
        cluster.run("psql", "-X", "-q", "-c", statement, cluster.url)


def test_two_data_directories_with_one_source_id_lose_nothing_and_one_says_so(
    make_stack: MakeStack, postgres_url: str
) -> None:
    url = make_database(postgres_url)
    first, second = make_stack(store_url=url), make_stack(store_url=url)
    first.up()
    askers = [Asker(first), Asker(second)]
    askers[0].ask(houses(40))
    first.wait_drained()
    (second.data / "source-id").write_bytes((first.data / "source-id").read_bytes())
    second.wait_ready(second.start("up"))
    askers[1].ask(houses(40))
    wait_until(lambda: second.events("process_cannot_run"), 60, second.explain)
    told = second.run("status")
    assert told.returncode == 1
    assert "another data directory" in " ".join(told.stdout.split()), told.stdout
    askers[0].ask(houses(20))
    first.wait_drained()
    (second.data / "source-id").unlink()  # it is the copy: it becomes a source of its own
    second.wait_drained()
    wait_until(lambda: second.status().is_healthy, 60, second.explain)
    audit(second, askers)
