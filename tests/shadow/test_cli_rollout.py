"""`umbra promote`, `rollback` and `deployments`: what is decided, what is refused, with which exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from model_package import artifact, recipes
from model_package.reference import ModelRef
from shadow import rollout
from shadow.store import Store, candidates
from umbra.command import main

NOW = datetime(2026, 11, 21, tzinfo=UTC)
Umbra = Callable[..., Result]


@pytest.fixture
def umbra(tmp_path: Path, store: Store, store_url: str, monkeypatch: pytest.MonkeyPatch) -> Umbra:
    """Runs a command where faulty@1 is live and faulty@2 its candidate."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    recipes.register(["faulty_recipe"])
    files = {"card.json": b"{}", "profile.json": b"{}"}
    for _ in range(2):
        artifact.save(tmp_path / "models", "faulty", "faulty", lambda _: files, lambda _: None)
    rollout.first_deployment(store, tmp_path / "models", ModelRef("faulty", "1"), "somebody", NOW)
    with store.writing() as connection:
        candidates.add(connection, ModelRef("faulty", "2"), 1.0, None, NOW)
    environment = {
        "UMBRA_DATA_DIR": str(tmp_path),
        "UMBRA_STORE_URL": store_url,
        "UMBRA_RECIPE_MODULES": "faulty_recipe",
        "COLUMNS": "160",
    }
    return lambda *arguments: CliRunner().invoke(main, arguments, env=environment)


def log(umbra: Umbra) -> list[dict[str, Any]]:
    return list(json.loads(umbra("deployments", "--json").stdout))


def test_without_evidence_a_promotion_is_refused_with_the_reasons(umbra: Umbra) -> None:
    result = umbra("promote", "faulty@2")
    assert result.exit_code == 1
    assert "the verdict is INSUFFICIENT" in result.stderr
    assert "\n  - no evidence about faulty@2" in result.stderr
    assert "Traceback" not in result.stderr
    assert len(log(umbra)) == 1


def test_promoted_rolled_back_and_all_of_it_in_the_log(umbra: Umbra) -> None:
    promoted = umbra("promote", "faulty@2", "--override", "--reason", "a better fit")
    assert promoted.exit_code == 0
    assert "faulty@2 is live, in spite of the verdict insufficient" in promoted.stdout
    assert umbra("rollback", "--reason", "complaints").exit_code == 0
    first, promotion, rollback = log(umbra)
    assert [one["live"] for one in (first, promotion, rollback)] == ["faulty@1", "faulty@2", "faulty@1"]
    assert [one["kind"] for one in (first, promotion, rollback)] == ["first", "promotion", "rollback"]
    assert (promotion["overridden"], promotion["verdict"]) == (True, "insufficient")
    assert (promotion["reason"], rollback["reason"]) == ("a better fit", "complaints")
    table = umbra("deployments").stdout
    assert "insufficient (overridden)" in table
    assert promotion["artifact_digest"][:12] in table


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["promote", "faulty@2", "--override"], 2, "--override needs --reason"),
        (["promote", "faulty"], 2, "expected NAME@VERSION"),
        (["promote"], 2, "Missing argument"),
        (["promote", "faulty@1"], 1, "live already"),
        (["promote", "faulty@9"], 1, "umbra candidates"),
        (["promote", "faulty@2", "--override", "--reason", "two\nlines"], 1, "one line"),
        (["rollback"], 2, "--reason"),
        (["rollback", "--reason", "back"], 1, "nothing before faulty@1"),
        (["rollback", "--to", "faulty@2", "--reason", "back"], 1, "never live"),
        (["rollback", "--to", "faulty", "--reason", "back"], 2, "expected NAME@VERSION"),
    ],
)
def test_what_cannot_be_decided_says_why(umbra: Umbra, arguments: list[str], status: int, words: str) -> None:
    result = umbra(*arguments)
    assert (result.exit_code, words in result.stderr) == (status, True), result.output
    assert len(log(umbra)) == 1
