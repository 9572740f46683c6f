"""A demo and real data never share a data directory or a store, whichever was there first."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from click.testing import CliRunner, Result
from sqlalchemy import text

from model_package import artifact, recipes
from model_package.reference import ModelRef
from shadow.ingest import __main__ as ingest
from shadow.policy import default_text, demo_text
from shadow.processes import CannotRun
from shadow.processes.heartbeat import Heartbeat
from shadow.records import Deployment, Purpose
from shadow.settings import Settings
from shadow.source import purpose
from shadow.source.purpose import PurposeMismatch
from shadow.store import Store, open_store, purposes, schema
from umbra import bootstrap as preparing
from umbra.command import main

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
OTHER = {Purpose.DEMO: Purpose.REAL, Purpose.REAL: Purpose.DEMO}
MakeSettings = Callable[..., Settings]


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """linear@1 and gbm@1, which need no training."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    recipes.register(["faulty_recipe"])
    files = {"card.json": b"{}", "profile.json": b"{}"}
    for name in ("linear", "gbm"):
        artifact.save(tmp_path / "models", name, "faulty", lambda _: files, lambda _: None)
    return tmp_path / "models"


def never_train(recipe: str) -> Path:
    raise AssertionError(f"{recipe} is there already")


def prepare(made: Settings, wanted: Purpose) -> Deployment:
    store = open_store(made.store)
    try:
        return preparing.prepare(made, store, never_train, "somebody", NOW, wanted)
    finally:
        store.close()


def umbra(made: Settings, *arguments: str, **more: str) -> Result:
    environment = {
        "UMBRA_DATA_DIR": str(made.data_dir),
        "UMBRA_MODELS_DIR": str(made.models),
        "COLUMNS": "160",
    }
    return CliRunner().invoke(main, arguments, env=environment | more)


def left_by_0_1_0(made: Settings, purpose_then: Purpose) -> None:
    """A store and a directory as 0.1.0 left them after `umbra up` or `umbra demo`: neither bears a mark."""
    made.data_dir.mkdir(exist_ok=True)
    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).with_name("migrations")))
    policy = demo_text() if purpose_then is Purpose.DEMO else None
    store = open_store(made.store)
    if (path := schema.sqlite_path(store.url)) is not None:
        path.touch()
    with store.migrating() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        connection.execute(
            text(
                "INSERT INTO candidates (name, version, sample, state, added_at, policy)"
                " VALUES ('gbm', '1', 1.0, 'active', :now, :policy)"
            ),
            {"now": NOW, "policy": policy},
        )
        connection.execute(
            text(
                "INSERT INTO deployments (live_name, live_version, since, decided_by, reason)"
                " VALUES ('linear', '1', :now, 'somebody', 'first deployment')"
            ),
            {"now": NOW},
        )


def revision(url: str) -> str:
    with open_store(url).inspecting() as connection:
        return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar())


@pytest.mark.parametrize("first", list(Purpose))
def test_a_directory_that_one_kind_has_used_is_refused_to_the_other_by_its_path_and_with_a_remedy(
    settings: MakeSettings, models: Path, first: Purpose
) -> None:
    made = settings(models_dir=models)
    made.data_dir.mkdir()
    prepare(made, first)
    prepare(made, first)
    with pytest.raises(PurposeMismatch, match="UMBRA_DATA_DIR") as caught:
        prepare(made, OTHER[first])
    assert str(made.data_dir) in str(caught.value)


@pytest.mark.parametrize("first", list(Purpose))
def test_two_directories_on_one_store_do_not_mix_a_demo_with_real_data(
    settings: MakeSettings, models: Path, store_url: str, tmp_path: Path, first: Purpose
) -> None:
    here, there = (
        settings(models_dir=models, store_url=store_url, data_dir=tmp_path / name)
        for name in ("here", "there")
    )
    prepare(here, first)
    with pytest.raises(PurposeMismatch, match="UMBRA_STORE_URL") as caught:
        prepare(there, OTHER[first])
    assert purposes.location_of(store_url) in str(caught.value)
    prepare(there, first)


@pytest.mark.parametrize("first", list(Purpose))
def test_a_directory_is_refused_to_the_other_kind_with_any_store(
    settings: MakeSettings, models: Path, tmp_path: Path, first: Purpose
) -> None:
    prepare(settings(models_dir=models), first)
    elsewhere = settings(models_dir=models, store_url=f"sqlite:///{tmp_path / 'elsewhere.db'}")
    with pytest.raises(PurposeMismatch, match="UMBRA_DATA_DIR"):
        prepare(elsewhere, OTHER[first])
    assert not (tmp_path / "elsewhere.db").exists()


@pytest.mark.parametrize("first", list(Purpose))
def test_what_0_1_0_left_unmarked_is_known_by_the_policy_of_its_first_candidate(
    settings: MakeSettings, models: Path, tmp_path: Path, first: Purpose
) -> None:
    made = settings(models_dir=models)
    left_by_0_1_0(made, first)
    with pytest.raises(PurposeMismatch, match="UMBRA_DATA_DIR"):
        prepare(made, OTHER[first])
    elsewhere = settings(models_dir=models, store_url=f"sqlite:///{tmp_path / 'elsewhere.db'}")
    with pytest.raises(PurposeMismatch, match="UMBRA_DATA_DIR"):
        prepare(elsewhere, OTHER[first])
    prepare(made, first)
    assert purpose.of_directory(made) is first


@pytest.mark.parametrize("first", list(Purpose))
def test_a_store_of_0_1_0_that_is_refused_is_not_migrated(
    settings: MakeSettings, models: Path, store_url: str, first: Purpose
) -> None:
    made = settings(models_dir=models, store_url=store_url)
    left_by_0_1_0(made, first)
    with pytest.raises(PurposeMismatch, match="UMBRA_STORE_URL"):
        prepare(made, OTHER[first])
    assert revision(store_url) == "0002"
    assert prepare(made, first).live == ModelRef("linear", "1")
    assert revision(store_url) != "0002"


def test_a_store_that_nobody_has_used_bears_no_mark(store: Store) -> None:
    with store.reading() as connection:
        assert purposes.find(connection) is None


def test_a_mark_that_a_crash_left_empty_is_written_anew(settings: MakeSettings, models: Path) -> None:
    made = settings(models_dir=models)
    made.data_dir.mkdir()
    (made.data_dir / "purpose").touch()
    prepare(made, Purpose.DEMO)
    assert purpose.of_directory(made) is Purpose.DEMO


@pytest.mark.parametrize("command", ["up", "prepare", "serve", "work"])
def test_every_command_that_begins_real_work_refuses_the_directory_of_a_demo(
    settings: MakeSettings, models: Path, command: str
) -> None:
    made = settings(models_dir=models)
    prepare(made, Purpose.DEMO)
    result = umbra(made, command)
    assert result.exit_code == 1
    assert "holds a demo" in result.stderr
    assert str(made.data_dir) in result.stderr


def test_a_demo_refuses_the_directory_of_real_data(settings: MakeSettings, models: Path) -> None:
    made = settings(models_dir=models)
    prepare(made, Purpose.REAL)
    result = umbra(made, "demo")
    assert result.exit_code == 1
    assert "holds real data" in result.stderr
    assert "umbra-demo" in result.stderr


def test_serving_and_working_alone_mark_their_directory_as_real(settings: MakeSettings) -> None:
    made = settings()
    purpose.mark_directory(made, Purpose.REAL)
    with pytest.raises(PurposeMismatch):
        purpose.check_directory(made, Purpose.DEMO)


@pytest.mark.parametrize(("wanted", "name"), [(Purpose.DEMO, "demo"), (Purpose.REAL, "default")])
def test_the_first_candidate_and_every_later_one_are_judged_by_the_policy_for_the_purpose(
    settings: MakeSettings, models: Path, wanted: Purpose, name: str
) -> None:
    made = settings(models_dir=models)
    prepare(made, wanted)
    files = {"card.json": b"{}", "profile.json": b"{}"}
    artifact.save(models, "gbm", "faulty", lambda _: files, lambda _: None)
    assert umbra(made, "candidates", "add", "gbm@2").exit_code == 0
    listed = json.loads(umbra(made, "candidates", "--json").stdout)
    assert [one["policy"] for one in listed] == [name, name]
    found = [one.policy for one in open_store(made.store).candidates()]
    assert found == [demo_text() if wanted is Purpose.DEMO else default_text()] * 2


def test_real_houses_are_not_judged_by_the_demo_policy(settings: MakeSettings, models: Path) -> None:
    made = settings(models_dir=models)
    prepare(made, Purpose.REAL)
    umbra(made, "candidates", "remove", "gbm@1")
    result = umbra(made, "candidates", "add", "gbm@1", "--policy", "demo")
    assert result.exit_code == 1
    assert "a day takes a second" in result.stderr
    assert "umbra policy show" in result.stderr


@pytest.mark.parametrize("wanted", list(Purpose))
def test_status_says_by_which_policy_candidates_are_judged_and_whether_it_is_a_demo(
    settings: MakeSettings, models: Path, wanted: Purpose
) -> None:
    made = settings(models_dir=models)
    prepare(made, wanted)
    shown, told = umbra(made, "status").stdout, json.loads(umbra(made, "status", "--json").stdout)
    is_demo = wanted is Purpose.DEMO
    assert ("demo (a day is a second)" in shown) is is_demo
    assert ("invented" in shown) is is_demo
    assert told["purpose"] == wanted.value
    assert told["candidates"][0]["day_seconds"] == (1 if is_demo else 86_400)


@pytest.mark.parametrize("command", [("status",), ("verdict", "gbm@1"), ("promote", "gbm@1")])
def test_who_looks_beside_a_demo_is_led_to_it(
    settings: MakeSettings, models: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    demo = settings(models_dir=models, data_dir=tmp_path / "umbra-demo")
    prepare(demo, Purpose.DEMO)
    result = umbra(settings(data_dir=tmp_path / "umbra-data"), *command)
    assert result.exit_code == 1
    assert f"UMBRA_DATA_DIR={demo.data_dir}" in result.output


def test_ingest_does_not_begin_to_store_real_houses_beside_those_of_a_demo(
    settings: MakeSettings, models: Path, store_url: str, tmp_path: Path
) -> None:
    prepare(settings(models_dir=models, store_url=store_url, data_dir=tmp_path / "demo"), Purpose.DEMO)
    real = settings(store_url=store_url)
    purpose.mark_directory(real, Purpose.REAL)
    with pytest.raises(CannotRun, match="holds a demo"):
        ingest.run(real, threading.Event(), Heartbeat(real.run_dir, "ingest", NOW))


def test_marks_of_two_first_starts_at_once_agree(store: Store) -> None:
    with store.writing() as connection:
        assert purposes.mark(connection, Purpose.DEMO, NOW) is Purpose.DEMO
    with store.writing() as connection:
        assert purposes.mark(connection, Purpose.REAL, NOW) is Purpose.DEMO
