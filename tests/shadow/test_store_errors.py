"""An error of the database is a retry, a refusal or a defect, by its code, in whatever language it speaks."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from shadow.settings import sqlite_url
from shadow.store import Store, StoreRefused, StoreUnavailable, StoreUnfit, open_store
from shadow.store.database import revision
from shadow.store.schema import migrate


@contextmanager
def administrator(url: str) -> Iterator[Engine]:
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg2"), isolation_level="AUTOCOMMIT")
    yield engine
    engine.dispose()


def new_database(server_url: str, how: str = "") -> str:
    """Make a database; returns its URL."""
    name = f"umbra_test_{uuid4().hex[:12]}"
    with administrator(server_url) as engine, engine.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}" {how}')
    return make_url(server_url).set(database=name).render_as_string(hide_password=False)


@pytest.fixture
def server(postgres_url: str) -> Iterator[Store]:
    """A prepared store on PostgreSQL."""
    store = open_store(new_database(postgres_url))
    migrate(store)
    yield store
    store.close()


def execute(store: Store, *statements: str) -> None:
    with store.writing() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def raising(state: str, words: str = "Zeile <42> passt nicht") -> str:
    return f"DO $$ BEGIN RAISE EXCEPTION '{words}' USING ERRCODE = '{state}'; END $$"


@pytest.mark.parametrize(
    "state",
    [
        "08006",
        "0A000",
        "25006",
        "25P03",
        "28000",
        "28P01",
        "3D000",
        "3F000",
        "40001",
        "40P01",
        "42501",
        "42P01",
        "42703",
        "53100",
        "53200",
        "53300",
        "55006",
        "55P03",
        "57014",
        "57P01",
        "57P03",
        "58030",
        "XX001",
        "XX002",
    ],
)
def test_a_server_that_cannot_do_it_now_is_asked_again_whatever_its_words(server: Store, state: str) -> None:
    with pytest.raises(StoreUnavailable, match="Zeile <42> passt nicht"):
        execute(server, raising(state))


@pytest.mark.parametrize("state", ["22001", "22003", "22021", "22P05", "23502", "23503", "23505", "54000"])
def test_rows_that_a_server_refuses_are_refused_without_its_words(server: Store, state: str) -> None:
    with pytest.raises(StoreRefused) as caught:
        execute(server, raising(state))
    assert state in str(caught.value)
    assert "Zeile" not in str(caught.value)


@pytest.mark.parametrize("state", ["42601", "42883", "25P02", "P0001"])
def test_a_defect_of_a_statement_stays_a_defect(server: Store, state: str) -> None:
    with pytest.raises(DBAPIError):
        execute(server, raising(state))


def test_a_row_without_a_partition_is_tried_again_and_one_against_a_check_refused(
    server: Store,
) -> None:
    execute(
        server,
        "CREATE TABLE parted (n int CONSTRAINT not_five CHECK (n <> 5)) PARTITION BY RANGE (n)",
        "CREATE TABLE parted_first PARTITION OF parted FOR VALUES FROM (0) TO (10)",
    )
    with pytest.raises(StoreUnavailable):
        execute(server, "INSERT INTO parted VALUES (50)")
    with pytest.raises(StoreRefused, match="not_five"):
        execute(server, "INSERT INTO parted VALUES (5)")


def test_a_server_that_became_read_only_is_written_again_once_it_can_be(server: Store) -> None:
    later, name = open_store(server.url), make_url(server.url).database
    with administrator(server.url) as engine, engine.connect() as connection:
        connection.exec_driver_sql(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="read-only"):
                execute(later, "DELETE FROM candidates")
        connection.exec_driver_sql(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
    execute(later, "DELETE FROM candidates")
    later.close()


def test_a_role_without_rights_is_told_which_one_lacks(server: Store, postgres_url: str) -> None:
    with administrator(server.url) as engine, engine.connect() as connection:
        connection.exec_driver_sql("DROP ROLE IF EXISTS umbra_stranger")
        connection.exec_driver_sql("CREATE ROLE umbra_stranger LOGIN")
        connection.exec_driver_sql("REVOKE CREATE ON SCHEMA public FROM public")
    stranger = make_url(server.url).set(username="umbra_stranger")
    looking = open_store(stranger.render_as_string(hide_password=False))
    with pytest.raises(StoreUnfit, match=r"permission denied.*grant that right"):
        looking.candidates()
    empty = make_url(new_database(postgres_url))
    with administrator(empty.render_as_string()) as engine, engine.connect() as connection:
        connection.exec_driver_sql("REVOKE CREATE ON SCHEMA public FROM public")
    making = open_store(empty.set(username="umbra_stranger").render_as_string(hide_password=False))
    with pytest.raises(StoreUnfit, match=r"permission denied.*grant that right"):
        migrate(making)
    looking.close()
    making.close()


def test_an_option_that_the_driver_does_not_know_is_named(server: Store) -> None:
    url = make_url(server.url).update_query_dict({"ssl": "true"})
    with pytest.raises(StoreUnfit, match='"ssl"'):
        open_store(url.render_as_string(hide_password=False)).candidates()


def test_options_of_the_address_are_kept_beside_our_own(server: Store) -> None:
    execute(server, "CREATE SCHEMA um")
    url = make_url(server.url).update_query_dict({"options": "-csearch_path=um", "connect_timeout": "7"})
    store = open_store(url.render_as_string(hide_password=False))
    migrate(store)
    with store.reading() as connection:
        shown = {
            name: connection.exec_driver_sql(f"SHOW {name}").scalar()
            for name in ("search_path", "statement_timeout", "timezone", "jit", "client_encoding")
        }
        schemas = connection.exec_driver_sql(
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'um' AND tablename = 'candidates'"
        ).scalar()
    store.close()
    assert shown == {
        "search_path": "um",
        "statement_timeout": "30s",
        "timezone": "UTC",
        "jit": "off",
        "client_encoding": "UTF8",
    }
    assert schemas == 1


def test_texts_are_sent_as_utf_8_whatever_the_surroundings_say(
    server: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    store = open_store(server.url)
    with store.reading() as connection:
        assert connection.exec_driver_sql("SELECT length('Zürich €')").scalar() == 8
    store.close()


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_cannot_hold_every_text_is_refused(postgres_url: str, encoding: str) -> None:
    store = open_store(new_database(postgres_url, f"ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0"))
    for use in (lambda: migrate(store), store.candidates):
        with pytest.raises(StoreUnfit, match=rf"{encoding}.*UTF8.*createdb"):
            use()
    store.close()


def test_an_sqlite_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "umbra.db")) as connection:
        connection.execute("PRAGMA encoding = 'UTF-16'")
        connection.execute("CREATE TABLE x (y)")
    with pytest.raises(StoreUnfit, match="UTF-16"):
        migrate(open_store(sqlite_url(tmp_path / "umbra.db")))


def test_a_text_that_no_utf_8_holds_is_refused(store: Store) -> None:
    with pytest.raises(StoreRefused), store.writing() as connection:
        text = "half a pair \ud800"
        mark = "?" if connection.dialect.name == "sqlite" else "%s"
        connection.exec_driver_sql(f"SELECT length({mark})", (text,))


def _garbage(path: Path) -> None:
    path.write_bytes(b"this is no database, whatever it is called " * 100)


def _damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.parametrize("spoil", [_garbage, _damage, _truncate])
def test_an_sqlite_file_that_is_damaged_is_said_and_stays_as_it_is(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    path = tmp_path / "umbra.db"
    store = open_store(sqlite_url(path))
    migrate(store)
    store.close()
    for beside in ("-wal", "-shm"):
        path.with_name(path.name + beside).unlink(missing_ok=True)
    spoil(path)
    before = path.read_bytes()
    for use in (store.candidates, store.deployment):
        with pytest.raises(StoreUnavailable):
            use()
    store.close()
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("pragma", "words"), [("query_only = 1", "readonly"), ("max_page_count = 1", "full")]
)
def test_an_sqlite_file_that_takes_nothing_more_is_tried_again(
    tmp_path: Path, pragma: str, words: str
) -> None:
    store = open_store(sqlite_url(tmp_path / "umbra.db"))
    migrate(store)
    with pytest.raises(StoreUnavailable, match=rf"{words}.*umbra\.db"), store.writing() as connection:
        connection.exec_driver_sql(f"PRAGMA {pragma}")
        connection.exec_driver_sql("CREATE TABLE filler AS SELECT randomblob(100000) AS filling")
    store.close()


def test_looking_at_an_sqlite_file_that_is_not_there_makes_none(tmp_path: Path) -> None:
    path = tmp_path / "nothing" / "umbra.db"
    with pytest.raises(StoreUnavailable, match=rf"{path}.*UMBRA_DATA_DIR.*umbra prepare"):
        open_store(sqlite_url(path)).candidates()
    assert not path.parent.exists()


def test_looking_at_an_empty_sqlite_file_leaves_it_empty(tmp_path: Path) -> None:
    path = tmp_path / "umbra.db"
    path.touch()
    store = open_store(sqlite_url(path))
    with pytest.raises(StoreUnfit, match="umbra prepare"):
        store.candidates()
    store.close()
    assert path.stat().st_size == 0


def test_tables_of_a_newer_umbra_are_refused_also_by_prepare(store: Store) -> None:
    execute(store, "UPDATE alembic_version SET version_num = '9999'")
    later = open_store(store.url)
    for use in (later.candidates, lambda: migrate(later)):
        with pytest.raises(StoreUnfit, match="9999, made by a newer Umbra"):
            use()
    later.close()


def test_tables_of_an_older_umbra_name_the_remedy(store: Store) -> None:
    execute(store, "UPDATE alembic_version SET version_num = '0001'")
    later = open_store(store.url)
    with pytest.raises(StoreUnfit, match="`umbra prepare` brings them"):
        later.candidates()
    later.close()


def test_a_column_that_went_while_the_store_was_open_is_tried_again(store: Store) -> None:
    assert store.candidates() == []
    execute(store, "ALTER TABLE candidates RENAME COLUMN policy TO judged_by")
    with pytest.raises(StoreUnavailable, match="policy"):
        store.candidates()
    execute(store, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreUnfit, match="newer Umbra"):
        store.candidates()


def test_the_revisions_known_are_those_of_the_migrations() -> None:
    config = Config()
    config.set_main_option("script_location", str(revision.VERSIONS.parent))
    script = ScriptDirectory.from_config(config)
    assert revision.known_revisions() == sorted(found.revision for found in script.walk_revisions())
    assert revision.known_revisions()[-1] == script.get_current_head()
