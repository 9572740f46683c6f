"""Who is live: decided in the store, by the evidence or in spite of it, one at a time; never forgotten."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from patience import PATIENCE_SECONDS

from model_package import artifact, recipes
from model_package.artifact import NoSuchModel
from model_package.reference import ModelRef
from shadow import rollout
from shadow.policy import demo_text
from shadow.records import Candidate, CandidateState, Deployment, DeploymentKind, VerdictState
from shadow.rollout import (
    Decision,
    DecisionBasis,
    Judge,
    NoDeployment,
    PromotionRefused,
    RolloutConflict,
    UnfitArtifact,
)
from shadow.rollout.decision import rollback_path
from shadow.settings import Settings
from shadow.store import Store, candidates, deployments, open_store, streams
from shadow.store.candidates import CandidateConflict
from shadow.store.deployments import DeployedMeanwhile
from shadow.store.schema import migrate
from shadow.store.streams import StreamTerms

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
AWAY = "postgresql://umbra:canary@127.0.0.1:1/umbra"
ONE, TWO, THREE = (ModelRef("faulty", version) for version in "123")
WHY = Decision("somebody", "it is better", NOW)
GOOD = DecisionBasis(VerdictState.PROMOTE, ["all rules are met"], verdict_id=7, policy_sha256="f" * 64)
BAD = DecisionBasis(VerdictState.BLOCKED, ["errors: 3 %, at most 1 %", "drift is red"], 8, "f" * 64)


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three models that answer."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    recipes.register(["faulty_recipe"])
    files = {"card.json": b"{}", "profile.json": b"{}"}
    for _ in range(3):
        artifact.save(tmp_path / "models", "faulty", "faulty", lambda _: files, lambda _: None)
    return tmp_path / "models"


@pytest.fixture
def live(store: Store, models: Path) -> Store:
    """A store in which faulty@1 is live, the others are candidates, the second by the demo's policy."""
    rollout.first_deployment(store, models, ONE, "somebody", NOW)
    with store.writing() as connection:
        candidates.add(connection, TWO, 0.5, None, NOW, demo_text())
        candidates.add(connection, THREE, 1.0, None, NOW)
    return store


def judged(judgement: DecisionBasis | None) -> Judge:
    return lambda: judgement


def promote(store: Store, models: Path, model: ModelRef, *, override: bool = True) -> Deployment:
    return rollout.promote(store, models, model, judged(GOOD), WHY, override=override)


def rollback(store: Store, models: Path, to: ModelRef | None = None) -> Deployment:
    return rollout.rollback(store, models, WHY, to)


def history(store: Store) -> list[Deployment]:
    with store.reading() as connection:
        return deployments.history(connection)


def present(store: Store) -> dict[ModelRef, Candidate]:
    return {one.model: one for one in store.candidates()}


def test_the_first_model_goes_live_once(
    store_url: str, models: Path, settings: Callable[..., Settings]
) -> None:
    here = settings(store_url=store_url)
    store = open_store(store_url)
    migrate(store)
    first = rollout.first_deployment(store, models, ONE, "somebody", NOW)
    assert rollout.first_deployment(store, models, TWO, "somebody else", NOW) == first
    assert rollout.current_deployment(here) == first
    assert (first.live, first.since, first.by, first.kind) == (ONE, NOW, "somebody", DeploymentKind.FIRST)
    store.close()


def test_the_first_deployment_names_the_artifact_that_was_deployed(live: Store, models: Path) -> None:
    (first,) = history(live)
    assert first.artifact_digest == artifact.load(models / "faulty" / "1").digest


def test_a_model_that_cannot_answer_is_not_the_first_to_be_live(store: Store, models: Path) -> None:
    (models / "faulty" / "1").rename(models / "faulty" / "10")
    with pytest.raises(NoSuchModel):
        rollout.first_deployment(store, models, ONE, "somebody", NOW)
    assert history(store) == []


def test_a_deployment_of_before_digests_is_pinned_once_to_the_artifact_that_is_there(
    store: Store, models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with store.writing() as connection:
        old = deployments.append(connection, Deployment(ONE, NOW, "somebody", "first deployment"))
    pinned = rollout.pin_artifact(store, models, old)
    assert pinned.artifact_digest == artifact.load(models / "faulty" / "1").digest
    assert store.deployment() == pinned == rollout.pin_artifact(store, models, pinned)
    assert [record.getMessage() for record in caplog.records] == ["deployment_pinned"]


def test_a_deployment_of_before_digests_is_pinned_to_the_artifact_that_its_evidence_is_about(
    live: Store, models: Path
) -> None:
    with live.writing() as connection:
        old = deployments.append(connection, Deployment(ONE, NOW, "somebody", "first deployment"))
        (candidate, _) = candidates.present(connection)
        terms = StreamTerms(
            old.id, candidate.id, ONE, "a" * 64, "b" * 64, "c" * 64, demo_text(), "d" * 64, 1, 0.01, 0.05, 1
        )
        streams.open_stream(connection, terms, NOW)
    assert rollout.pin_artifact(live, models, old).artifact_digest == "a" * 64


def test_a_promotion_is_recorded_with_who_when_why_its_verdict_and_what_was_deployed(
    live: Store, models: Path
) -> None:
    made = promote(live, models, TWO, override=False)
    assert made == Deployment(
        TWO,
        NOW,
        "somebody",
        "it is better",
        2,
        DeploymentKind.PROMOTION,
        7,
        "promote",
        False,
        artifact.load(models / "faulty" / "2").digest,
        "f" * 64,
    )
    assert history(live)[-1] == made == live.deployment()


def test_the_model_that_was_live_is_a_candidate_at_once_by_the_same_policy(live: Store, models: Path) -> None:
    before = present(live)
    promote(live, models, TWO)
    after = present(live)
    assert after.keys() == {ONE, THREE}
    assert (after[ONE].state, after[ONE].sample, after[ONE].added_at) == (CandidateState.ACTIVE, 1.0, NOW)
    assert (after[ONE].policy, after[ONE].policy_sha256) == (demo_text(), before[TWO].policy_sha256)
    assert after[THREE] == before[THREE]


@pytest.mark.parametrize("judgement", [BAD, None, replace(BAD, state=VerdictState.CONTINUE)])
def test_without_the_verdict_promote_nothing_is_changed_and_the_reasons_are_given(
    live: Store, models: Path, judgement: DecisionBasis | None
) -> None:
    before = present(live), history(live)
    with pytest.raises(PromotionRefused) as caught:
        rollout.promote(live, models, TWO, judged(judgement), WHY)
    assert caught.value.state is (VerdictState.INSUFFICIENT if judgement is None else judgement.state)
    assert caught.value.reasons
    assert all(reason in str(caught.value) for reason in caught.value.reasons)
    assert (present(live), history(live)) == before


def test_an_override_is_recorded_as_one_with_the_verdict_it_overrode(live: Store, models: Path) -> None:
    made = rollout.promote(live, models, TWO, judged(BAD), WHY, override=True)
    assert (made.live, made.overridden, made.verdict_state, made.verdict_id) == (TWO, True, "blocked", 8)


def test_who_asks_to_override_a_verdict_that_is_promote_overrides_nothing(live: Store, models: Path) -> None:
    assert not promote(live, models, TWO, override=True).overridden


def test_what_is_live_unknown_paused_or_removed_is_not_promoted(live: Store, models: Path) -> None:
    with pytest.raises(RolloutConflict, match="live already"):
        promote(live, models, ONE)
    with pytest.raises(CandidateConflict, match="faulty@9 is not a candidate"):
        promote(live, models, ModelRef("faulty", "9"))
    for state, words in ((CandidateState.PAUSED, "resume"), (CandidateState.REMOVED, "not a candidate")):
        with live.writing() as connection:
            candidates.set_state(connection, TWO, state)
        with pytest.raises(CandidateConflict, match=words):
            promote(live, models, TWO)
    assert len(history(live)) == 1


def test_an_artifact_that_is_altered_or_gone_is_not_promoted(live: Store, models: Path) -> None:
    card = models / "faulty" / "2" / "card.json"
    card.chmod(0o644)
    card.write_bytes(b"{ }")
    with pytest.raises(artifact.AlteredArtifact):
        promote(live, models, TWO)
    (models / "faulty" / "3").rename(models / "faulty" / "30")
    with pytest.raises(NoSuchModel):
        promote(live, models, THREE)
    assert len(history(live)) == 1


@pytest.mark.parametrize("answers", ["[NaN]", "[-1.0]", "[]", "[1.0, 2.0]", "null"])
def test_a_model_that_does_not_price_the_example_is_not_promoted(
    live: Store, models: Path, answers: str
) -> None:
    recipes.register(["odd_recipe"])
    files = {"card.json": b"{}", "profile.json": b"{}", "answers.json": answers.encode()}
    artifact.save(models, "odd", "odd", lambda _: files, lambda _: None)
    with live.writing() as connection:
        candidates.add(connection, ModelRef("odd", "1"), 1.0, None, NOW)
    with pytest.raises(UnfitArtifact, match="odd@1"):
        promote(live, models, ModelRef("odd", "1"))
    assert len(history(live)) == 1


def test_of_two_who_decide_at_once_one_is_told_of_the_other(live: Store, models: Path) -> None:
    both_judged = threading.Barrier(2)
    made: list[Deployment] = []
    refused: list[Exception] = []

    def decide(model: ModelRef) -> None:
        def judge() -> DecisionBasis:
            both_judged.wait(PATIENCE_SECONDS)
            return GOOD

        try:
            made.append(rollout.promote(live, models, model, judge, WHY))
        except DeployedMeanwhile as fault:
            refused.append(fault)

    threads = [threading.Thread(target=decide, args=(model,)) for model in (TWO, THREE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert (len(made), len(refused)) == (1, 1)
    assert str(made[0].live) in str(refused[0])
    assert [one.live for one in history(live)] == [ONE, made[0].live]


def test_a_rollback_restores_what_was_live_before_without_a_verdict(live: Store, models: Path) -> None:
    promote(live, models, TWO)
    made = rollback(live, models)
    assert (made.live, made.kind, made.reason) == (ONE, DeploymentKind.ROLLBACK, "it is better")
    assert (made.verdict_state, made.overridden) == (None, False)
    assert made.artifact_digest == artifact.load(models / "faulty" / "1").digest


def test_what_was_rolled_back_is_a_candidate_again_from_now_on_by_its_own_policy(
    live: Store, models: Path
) -> None:
    was = present(live)[TWO]
    promote(live, models, TWO)
    rollback(live, models)
    again = present(live)
    assert again.keys() == {TWO, THREE}
    assert again[TWO].id > was.id
    assert (again[TWO].policy, again[TWO].policy_sha256) == (was.policy, was.policy_sha256)


@pytest.mark.parametrize("policy", [demo_text(), None])
def test_a_rollback_is_recorded_with_the_policy_that_judges_from_then_on(
    store: Store, models: Path, policy: str | None
) -> None:
    rollout.first_deployment(store, models, ONE, "somebody", NOW)
    with store.writing() as connection:
        candidates.add(connection, TWO, 1.0, None, NOW, policy)
    promote(store, models, TWO)
    assert rollback(store, models).policy_sha256 == candidates.hash_of(policy)
    assert history(store)[-1].policy_sha256 == candidates.hash_of(policy)


def test_rolling_back_again_goes_further_back_and_never_forth(live: Store, models: Path) -> None:
    promote(live, models, TWO)
    promote(live, models, THREE)
    assert rollback(live, models).live == TWO
    assert rollback(live, models).live == ONE
    with pytest.raises(RolloutConflict, match=r"nothing before faulty@1.*--to NAME@VERSION"):
        rollback(live, models)
    assert [str(one.live) for one in history(live)] == [
        "faulty@1",
        "faulty@2",
        "faulty@3",
        "faulty@2",
        "faulty@1",
    ]


def test_a_rollback_may_be_to_any_model_that_was_ever_live_and_to_no_other(live: Store, models: Path) -> None:
    promote(live, models, TWO)
    rollback(live, models)
    assert rollback(live, models, to=TWO).live == TWO
    with pytest.raises(RolloutConflict, match="live already"):
        rollback(live, models, to=TWO)
    with pytest.raises(RolloutConflict, match="faulty@3 was never live"):
        rollback(live, models, to=THREE)
    assert rollback(live, models).live == ONE


def test_an_altered_artifact_is_not_rolled_back_to(live: Store, models: Path) -> None:
    promote(live, models, TWO)
    (models / "faulty" / "1" / "card.json").unlink()
    with pytest.raises((artifact.InvalidArtifact, artifact.AlteredArtifact)):
        rollback(live, models)
    assert len(history(live)) == 2


def test_before_the_first_deployment_nothing_can_be_decided(store: Store, models: Path) -> None:
    for decide in (lambda: promote(store, models, TWO), lambda: rollback(store, models)):
        with pytest.raises(NoDeployment, match="umbra prepare"):
            decide()


@pytest.mark.parametrize(
    ("log", "stands"),
    [
        ("A", "A"),
        ("A B C", "A B C"),
        ("A B C <B", "A B"),
        ("A B C <A", "A"),
        ("A B <A C", "A C"),
        ("A B A", "A B A"),
        ("A B A <B", "A B"),
        ("A B <A <B", "A B"),
        ("A B C D <B E <B <A", "A"),
    ],
)
def test_a_rollback_takes_away_all_that_came_after_what_it_restored(log: str, stands: str) -> None:
    assert " ".join(one.name for one in rollback_path([_told(word) for word in log.split()])) == stands


def _told(word: str) -> Deployment:
    kind = DeploymentKind.ROLLBACK if word.startswith("<") else DeploymentKind.PROMOTION
    return Deployment(ModelRef(word.lstrip("<"), "1"), NOW, "somebody", "why", kind=kind)


@pytest.mark.parametrize("words", ["", "  ", "two\nlines", "x" * 1001])
def test_a_decision_needs_who_and_why_on_one_line(words: str) -> None:
    with pytest.raises(RolloutConflict, match="reason="):
        Decision("somebody", words, NOW)
    with pytest.raises(RolloutConflict, match="by="):
        Decision(words, "why", NOW)


def test_without_the_store_the_model_served_last_stays_live(settings: Callable[..., Settings]) -> None:
    here = settings()
    served = Deployment(
        TWO, NOW, "somebody", "why", 4, DeploymentKind.ROLLBACK, 7, "reject", True, "a" * 64, "b" * 64
    )
    rollout.save_last_served(here.data_dir, served)
    assert rollout.current_deployment(settings(store_url=AWAY)) == served


def test_what_an_earlier_umbra_remembered_is_understood(settings: Callable[..., Settings]) -> None:
    here = settings()
    here.data_dir.mkdir()
    facts = {"live": "faulty@1", "since": NOW.isoformat(), "by": "somebody", "reason": "first deployment"}
    (here.data_dir / "deployment.json").write_text(json.dumps(facts))
    assert rollout.read_last_served(here.data_dir) == Deployment(ONE, NOW, "somebody", "first deployment")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"live": "faulty@1"}', '{"live": 1, "since": 2}'])
def test_a_memory_that_cannot_be_read_says_what_to_do(settings: Callable[..., Settings], text: str) -> None:
    here = settings(store_url=AWAY)
    here.data_dir.mkdir()
    (here.data_dir / "deployment.json").write_text(text)
    with pytest.raises(NoDeployment, match="start the store"):
        rollout.current_deployment(here)


def test_without_store_and_memory_it_says_what_to_do(settings: Callable[..., Settings]) -> None:
    with pytest.raises(NoDeployment, match="start the store") as caught:
        rollout.current_deployment(settings(store_url=AWAY))
    assert "canary" not in str(caught.value)


def test_a_store_without_deployment_says_so(store_url: str, settings: Callable[..., Settings]) -> None:
    migrate(open_store(store_url))
    with pytest.raises(NoDeployment, match="umbra prepare"):
        rollout.current_deployment(settings(store_url=store_url))


def test_the_live_model_is_no_candidate_however_it_came_to_be_live(live: Store, models: Path) -> None:
    def add(model: ModelRef) -> None:
        with live.writing() as connection:
            candidates.add(connection, model, 1.0, None, NOW)

    with pytest.raises(CandidateConflict, match="faulty@1 is live"):
        add(ONE)
    promote(live, models, TWO)
    with pytest.raises(CandidateConflict, match="faulty@2 is live"):
        add(TWO)
    rollback(live, models)
    with pytest.raises(CandidateConflict, match="faulty@1 is live"):
        add(ONE)
    assert set(present(live)) == {TWO, THREE}


@pytest.mark.parametrize("store_url", ["postgres"], indirect=True)
def test_a_model_that_is_added_while_somebody_makes_it_live_is_refused(live: Store) -> None:
    with live.writing() as connection:
        candidates.set_state(connection, TWO, CandidateState.REMOVED)
    refused: list[Exception] = []

    def add() -> None:
        try:
            with live.writing() as connection:
                candidates.add(connection, TWO, 1.0, None, NOW)
        except CandidateConflict as fault:
            refused.append(fault)

    def waits() -> bool:
        with live.reading() as connection:
            return bool(connection.exec_driver_sql("SELECT 1 FROM pg_locks WHERE NOT granted").first())

    adding = threading.Thread(target=add)
    with live.writing() as connection:
        seen = deployments.newest(connection)
        assert seen is not None
        deciding = replace(seen, live=TWO, id=0, kind=DeploymentKind.ROLLBACK)
        deployments.append_if_current(connection, seen, deciding, policy_of=ONE)
        adding.start()
        while adding.is_alive() and not waits():
            pass
    adding.join(20)
    assert len(refused) == 1
    assert TWO not in present(live)
