"""`umbra verdict` and `umbra policy` say what is so, and exit so that scripts can go by it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from model_package import artifact, profile, recipes
from model_package.reference import ModelRef
from monitoring.statistics.sums import Sums, Terms, sums_of
from shadow.evidence.context import StreamContext
from shadow.evidence.judgement import current_evidence
from shadow.evidence.streams import StreamOpener
from shadow.json_shapes import from_json
from shadow.policy import Policy, default_text, demo_text
from shadow.records import Deployment
from shadow.store import Store, candidates, deployments
from shadow.store.database import tables
from shadow.store.streams import Stream, documents
from shadow.store.streams.documents import StoredDocument
from shadow.verdict import decide, verdict_json
from shadow.verdict.shapes import VerdictDocument
from umbra.command import main
from umbra.commands.verdict import render

LIVE, CANDIDATE = ModelRef("faulty", "1"), ModelRef("faulty", "2")
DAYS = 40
_START, _END = default_text().index("[segments.dimensions.neighborhood]"), default_text().index("[maturity]")
POLICY = (
    (default_text()[:_START] + "[segments.dimensions]\n" + default_text()[_END:])
    .replace("default_days = 90", "default_days = 0")
    .replace("gate = true", "gate = false")
)
Umbra = Callable[..., Result]
on_one_database = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two models that say what they were trained on."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    recipes.register(["faulty_recipe"])
    prices = np.random.default_rng(1).lognormal(12, 0.3, 500)
    said = {"fields": {}, "prediction": profile.describe(prices.tolist()), "loss": {"mean": 0.09}}
    files = {"card.json": b"{}", "profile.json": json.dumps(said).encode()}
    for _ in range(2):
        artifact.save(tmp_path / "data" / "models", "faulty", "faulty", lambda _: files, lambda _: None)
    return tmp_path / "data" / "models"


@pytest.fixture
def umbra(models: Path, store_url: str) -> Umbra:
    """Runs a command over the two models and the test's store."""
    environment = {"UMBRA_DATA_DIR": str(models.parent), "UMBRA_STORE_URL": store_url, "COLUMNS": "200"}
    return lambda *arguments: CliRunner().invoke(main, arguments, env=environment)


@pytest.fixture
def stream(store: Store, models: Path) -> Stream:
    """The second model has been a candidate against the first for some weeks."""
    began = datetime.now(UTC) - timedelta(days=DAYS)
    with store.writing() as connection:
        deployments.append(connection, Deployment(LIVE, began, "somebody", "first deployment"))
        candidates.add(connection, CANDIDATE, 1.0, None, began, POLICY)
    (opened,) = StreamOpener(store, models).open_missing()
    return opened


def a_day(terms: Terms, seed: int) -> Sums:
    """Sixty sales in which the candidate is nearer to the price by a quarter."""
    chance = np.random.default_rng(seed)
    price, error = np.exp(chance.normal(12, 0.3, 60)), chance.normal(0, 0.1, 60)
    candidate = price * np.exp(0.75 * error + chance.normal(0, 0.02, 60))
    return sums_of(price * np.exp(error), candidate, price, terms, latency_seconds=np.full(60, 0.004))


def fill(store: Store, stream: Stream) -> None:
    """The evidence of all whole days since the stream began."""
    terms = Terms(0.5, stream.terms.margin)
    first = int(stream.started_at.timestamp() // 86_400)
    with store.writing() as connection:
        for day in range(first, first + DAYS):
            row = {"stream_id": stream.id, "day": day, "segment": "", **a_day(terms, day).flat()}
            connection.execute(tables.evidence.insert().values(row))


def test_a_promotion_is_shown_with_every_rule(umbra: Umbra, store: Store, stream: Stream) -> None:
    fill(store, stream)
    shown, told = umbra("verdict", "faulty@2"), json.loads(umbra("verdict", "faulty@2", "--json").stdout)
    assert shown.exit_code == 0, shown.output
    assert "faulty@2 against faulty@1: PROMOTE" in shown.stdout
    assert told["state"] == "promote"
    for rule in told["rules"]:
        assert rule["title"] in shown.stdout
    assert f"{DAYS * 60:,} sold" in shown.stdout
    assert told["policy"]["sha256"] == Policy.parse(POLICY).sha256


@on_one_database
def test_scripts_can_go_by_the_exit_status(umbra: Umbra, store: Store, stream: Stream) -> None:
    assert umbra("verdict", "faulty@2").exit_code == 0
    assert umbra("verdict", "faulty@2", "--exit-code").exit_code == 3
    fill(store, stream)
    assert umbra("verdict", "faulty@2", "--exit-code").exit_code == 0


@on_one_database
@pytest.mark.parametrize("how", ["promoted", "removed"])
def test_of_what_is_no_candidate_any_more_the_verdict_is_where_it_stood(
    umbra: Umbra, store: Store, models: Path, stream: Stream, how: str
) -> None:
    def look() -> None:
        judged = verdict_json(
            decide(current_evidence(store, StreamContext.read(models, stream), datetime.now(UTC)))
        )
        with store.writing() as connection:
            documents.put(connection, stream.id, "verdict", StoredDocument(datetime.now(UTC), judged))

    look()
    fill(store, stream)
    if how == "promoted":  # which judges once more: what was seen before is not what it rests on
        assert umbra("promote", "faulty@2").exit_code == 0
    else:
        look()
        assert umbra("candidates", "remove", "faulty@2").exit_code == 0
    shown = umbra("verdict", "faulty@2")
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.startswith("Over: the candidate was removed or another model is live.")
    assert "faulty@2 against faulty@1: PROMOTE" in shown.stdout
    told = json.loads(umbra("verdict", "faulty@2", "--json").stdout)
    assert (told["over"], told["state"]) == (True, "promote")
    assert umbra("verdict", "faulty@2", "--exit-code").exit_code == 3


@on_one_database
def test_a_verdict_says_by_which_policy_and_what_a_day_is_to_it(umbra: Umbra, stream: Stream) -> None:
    told = json.loads(umbra("verdict", "faulty@2", "--json").stdout)
    shown = io.StringIO()
    demo = told | {"policy": told["policy"] | {"name": "demo", "day_seconds": 1}}
    Console(width=160, file=shown).print(render(from_json(VerdictDocument, demo)))
    assert "judged by the policy demo (a day is a second)" in shown.getvalue()


def test_what_it_was_then_comes_from_the_ledger_not_from_the_sums_that_are_kept(
    umbra: Umbra, store: Store, stream: Stream
) -> None:
    fill(store, stream)  # sums without houses: nothing in the ledger bears them out
    then = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%S")
    told = json.loads(umbra("verdict", "faulty@2", "--as-of", then, "--json").stdout)
    assert (told["state"], told["counts"]["sold"]) == ("insufficient", 0)
    assert told["evaluated_at"] == f"{then}+00:00"


@on_one_database
@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["verdict", "faulty@1"], 1, "umbra candidates"),
        (["verdict", "faulty@2", "--as-of", "2001-01-01"], 1, "faulty@2"),
        (["verdict", "faulty"], 2, "NAME@VERSION"),
        (["verdict", "faulty@2", "--as-of", "yesterday"], 2, "as-of"),
        (["policy", "check", "nowhere.toml"], 1, "nowhere.toml"),
        (["policy", "show", "strict"], 2, "demo"),
        (["candidates", "add", "faulty@2", "--policy", "nowhere.toml"], 1, "nowhere.toml"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    umbra: Umbra, stream: Stream, arguments: list[str], status: int, words: str
) -> None:
    result = umbra(*arguments)
    assert result.exit_code == status
    assert words in result.stderr
    assert "Traceback" not in result.output


@on_one_database
def test_a_verdict_without_any_outcome_says_what_is_missing(umbra: Umbra, stream: Stream) -> None:
    shown = umbra("verdict", "faulty@2").stdout
    assert "INSUFFICIENT" in shown
    assert "nothing is known yet: it takes 500 sold houses on 28 days" in shown
    assert "Needed        at least 500 sold houses on 28 days" in shown
    assert "Not excluded  nothing yet" in shown
    assert "good enough" not in shown
    assert "unknown" in shown


@on_one_database
def test_an_alarm_stands_above_the_rules(umbra: Umbra, stream: Stream) -> None:
    told = json.loads(umbra("verdict", "faulty@2", "--json").stdout)
    alarmed = told | {"rollback": {"alarm": True, "because": ["faulty@2 is proved better"]}}
    quiet = told | {"rollback": {"alarm": False, "because": []}}
    texts = []
    for document in (alarmed, quiet, told):
        shown = io.StringIO()
        Console(width=160, file=shown).print(render(from_json(VerdictDocument, document)))
        texts.append(shown.getvalue())
    assert "ROLL BACK: `umbra rollback`\n  - faulty@2 is proved better" in texts[0]
    assert "no reason to roll back" in texts[1]
    assert "roll back" not in texts[2].lower()


@on_one_database
def test_the_policies_that_come_with_umbra_are_shown_as_they_are(umbra: Umbra) -> None:
    assert umbra("policy", "show").stdout == default_text()
    assert umbra("policy", "show", "demo").stdout == demo_text()


@on_one_database
def test_a_policy_is_checked_and_its_fault_is_named(umbra: Umbra, tmp_path: Path) -> None:
    assert Policy.parse(default_text()).sha256 in umbra("policy", "check", "default").stdout
    mine = tmp_path / "mine.toml"
    mine.write_text(default_text().replace("alpha = 0.05", "alpha = 5"), encoding="utf-8")
    for arguments in (
        ["policy", "check", str(mine)],
        ["candidates", "add", "faulty@2", "--policy", str(mine)],
    ):
        result = umbra(*arguments)
        assert result.exit_code == 2
        assert "alpha = 5: expected a number from 1e-06 to 0.25" in result.stderr


@on_one_database
def test_a_candidate_is_added_with_the_policy_that_was_asked_for(umbra: Umbra, store: Store) -> None:
    result = umbra("candidates", "add", "faulty@2", "--policy", "demo")
    assert result.exit_code == 0, result.output
    assert "judged by the policy demo" in result.stdout
    (found,) = store.candidates()
    assert found.policy == demo_text()
    assert json.loads(umbra("candidates", "--json").stdout)[0]["policy"] == "demo"
