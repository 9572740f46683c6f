"""The command line says what is so, in words and in JSON, and exits accordingly."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import delete

from model_package import artifact, recipes, schema
from model_package.reference import ModelRef
from shadow.records import Capture, new_capture_ids
from shadow.settings import InvalidSetting
from shadow.store import Store, captures, sources
from shadow.store.database import tables
from umbra import errors
from umbra.command import main

NOW = datetime(2026, 11, 21, tzinfo=UTC)
Umbra = Callable[..., Result]


@pytest.fixture
def umbra(tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch) -> Umbra:
    """Runs a command over an empty data directory and the test's store."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    recipes.register(["faulty_recipe"])
    files = {"card.json": b"{}", "profile.json": b"{}"}
    for _ in range(2):
        artifact.save(data_dir / "models", "faulty", "faulty", lambda _: files, lambda _: None)
    environment = {"UMBRA_DATA_DIR": str(data_dir), "UMBRA_STORE_URL": store_url, "COLUMNS": "120"}
    return lambda *arguments, **more: CliRunner().invoke(main, arguments, env=environment | more)


def answered(store: Store, houses: int) -> None:
    names = new_capture_ids(houses, 1_700_000_000_000, 5)
    rows = [
        Capture(name, NOW, "r", i, ModelRef("linear", "1"), 1e5, schema.EXAMPLE)
        for i, name in enumerate(names)
    ]
    with store.writing() as connection:
        source = sources.lock(connection, "here", NOW)
        sources.advance(connection, source, captures.insert(connection, source, rows))


def test_a_candidate_is_added_paused_resumed_and_removed(umbra: Umbra, store: Store) -> None:
    assert umbra("candidates", "add", "faulty@1", "--sample", "0.25").exit_code == 0
    for command, state in (("pause", "paused"), ("resume", "active")):
        assert umbra("candidates", command, "faulty@1").exit_code == 0
        (found,) = json.loads(umbra("candidates", "--json").stdout)
        assert (found["candidate"], found["state"], found["sample"]) == ("faulty@1", state, 0.25)
    assert umbra("candidates", "remove", "faulty@1").exit_code == 0
    assert json.loads(umbra("candidates", "--json").stdout) == []


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["candidates", "add", "faulty"], 2, "expected NAME@VERSION"),
        (["candidates", "add", "faulty@7"], 1, "faulty"),
        (["candidates", "add", "faulty@1", "--sample", "0"], 2, "sample"),
        (["candidates", "add", "faulty@1", "--sample", "nan"], 1, "at most 1"),
        (["candidates", "add", "faulty@1", "--from", "2099-01-01"], 1, "lies ahead"),
        (["models", "show", "faulty@7"], 1, "umbra models"),
        (["candidates", "pause", "faulty@1"], 1, "umbra candidates"),
        (["train", "forest"], 2, "UMBRA_RECIPE_MODULES"),
        (["train", "linear", "--data", "nowhere.csv"], 1, "nowhere.csv"),
        (["nonsense"], 2, "No such command"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    umbra: Umbra, store: Store, arguments: list[str], status: int, words: str
) -> None:
    result = umbra(*arguments)
    assert result.exit_code == status
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_status_shows_the_ledger_and_exits_with_0_while_it_balances(umbra: Umbra, store: Store) -> None:
    umbra("candidates", "add", "faulty@1")
    answered(store, 4)
    result = umbra("status")
    assert result.exit_code == 0
    assert "The ledger balances." in result.stdout
    told = json.loads(umbra("status", "--json").stdout)
    assert told["balanced"] is True
    assert told["intake"] == {"numbered": 4, "stored": 4, "pruned": 0, "dropped": {}, "balanced": True}
    assert told["candidates"][0]["pending"] == told["candidates"][0]["eligible"] == 4


def test_status_exits_with_1_when_a_house_is_missing(umbra: Umbra, store: Store) -> None:
    umbra("candidates", "add", "faulty@1")
    answered(store, 4)
    with store.writing() as connection:
        connection.execute(delete(tables.captures).where(tables.captures.c.seq == 2))
    assert umbra("status").exit_code == 1
    told = umbra("status", "--json")
    assert told.exit_code == 1
    assert json.loads(told.stdout)["balanced"] is False


def test_status_says_when_nothing_is_scored(umbra: Umbra, store: Store) -> None:
    assert "No candidate is being scored." in umbra("status").stdout


def test_status_without_a_store_says_so_without_its_password(umbra: Umbra) -> None:
    result = umbra("status", UMBRA_STORE_URL="postgresql://umbra:canary@127.0.0.1:1/umbra")
    assert result.exit_code == 1
    assert "refused" in result.stdout
    assert "canary" not in result.output


def test_settings_are_listed_and_secrets_are_not(umbra: Umbra) -> None:
    result = umbra("settings", UMBRA_STORE_URL="postgresql://umbra:canary@db/umbra", UMBRA_API_PORT="9999")
    assert "9999" in result.stdout
    assert "UMBRA_API_PROT: no such setting" in umbra("settings", UMBRA_API_PROT="1").stderr
    assert "canary" not in result.output


def test_models_are_verified_and_an_altered_one_is_named(umbra: Umbra, tmp_path: Path) -> None:
    assert umbra("models", "verify").exit_code == 0
    card = tmp_path / "data" / "models" / "faulty" / "2" / "card.json"
    card.chmod(0o644)
    card.write_bytes(b'{"better": 1}')
    result = umbra("models", "verify")
    assert result.exit_code == 1
    assert str(card) in result.stderr
    assert umbra("candidates", "add", "faulty@2").exit_code == 1
    card.write_bytes(b"no JSON")
    listed = umbra("models", "--json")
    assert listed.exit_code == 0
    rows = {row["model"]: row for row in json.loads(listed.stdout)}
    assert str(card) in rows["faulty@2"]["warning"]
    assert rows["faulty@1"]["digest"]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (FileNotFoundError(2, "No such file"), 1),
        (BrokenPipeError(), 1),
        (InvalidSetting("UMBRA_API_PORT='x'"), 2),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError(), None),
    ],
)
def test_an_error_has_the_exit_code_of_its_class_or_of_the_nearest_base(
    fault: BaseException, code: int | None
) -> None:
    assert errors.exit_code(fault) == code
