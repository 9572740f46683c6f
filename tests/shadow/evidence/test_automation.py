"""What the policy allows is done once, for what the verdict is about, and says why."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from season import AUTOMATIC, CANDIDATE, DAY, LIVE, NOW, POLICY, START, Season, changed, on_one_database
from sqlalchemy import insert, update

from model_package.reference import ModelRef
from shadow.evidence import automation
from shadow.evidence.cycle import EvidenceCycle
from shadow.evidence.judgement import current_evidence
from shadow.policy import Policy
from shadow.records import Deployment, DeploymentKind
from shadow.store import deployments, open_store
from shadow.store.database import tables
from shadow.store.streams import verdicts
from shadow.verdict import Verdict, decide

MakeSeason = Callable[..., Season]
ONLY_PROMOTE = changed(
    ("promote = true\nrollback = true", "promote = true\nrollback = false"), text=AUTOMATIC
)


def judged(season: Season, text: str = AUTOMATIC) -> Verdict:
    """The verdict under a policy that allows so much."""
    facts = current_evidence(season.store, season.context(), NOW)
    return decide(replace(facts, policy=Policy.parse(text)))


def act(season: Season, verdict: Verdict) -> Deployment | None:
    return automation.apply_verdict(season.store, season.settings, verdict, 7, NOW)


def history(season: Season) -> list[Deployment]:
    with season.store.reading() as connection:
        return deployments.history(connection)


def was_live_before(season: Season) -> None:
    """linear@1 was promoted over gbm@1, which is the better one."""
    first = {"live_name": CANDIDATE.name, "live_version": CANDIDATE.version, "since": START - DAY}
    season.write(insert(tables.deployments).values(id=0, decided_by="somebody", reason="first", **first))
    season.write(update(tables.deployments).where(tables.deployments.c.id == 1).values(kind="promotion"))


def test_a_promotion_that_the_policy_allows_is_made_by_a_look_and_says_why(season: Season) -> None:
    season.write(update(tables.streams).values(policy=AUTOMATIC))
    mine = EvidenceCycle(season.store, season.settings, threading.Event())
    mine.run(NOW)
    _, made = history(season)
    assert (made.live, made.kind, made.by) == (CANDIDATE, DeploymentKind.PROMOTION, "policy")
    assert made.reason.startswith("automatic: gbm@1 is not worse than linear@1 by 0.00")
    assert (made.verdict_state, made.overridden, made.policy_sha256) == (
        "promote",
        False,
        Policy.parse(AUTOMATIC).sha256,
    )
    with season.store.reading() as connection:
        row = verdicts.by_id(connection, made.verdict_id or 0)
    assert row is not None
    assert (row.stream_id, row.state.value) == (season.stream.id, "promote")
    # The model that was live is watched now, and nothing is promoted twice.
    mine.run(NOW + timedelta(minutes=1))
    assert len(history(season)) == 2


@on_one_database
@pytest.mark.parametrize("text", [POLICY, changed(("promote = true", "promote = false"), text=AUTOMATIC)])
def test_without_leave_nothing_is_promoted(season: Season, text: str) -> None:
    verdict = judged(season, text)
    assert verdict.state.value == "promote"
    assert act(season, verdict) is None
    assert len(history(season)) == 1


@on_one_database
def test_no_other_verdict_promotes(season: Season, caplog: pytest.LogCaptureFixture) -> None:
    facts = current_evidence(season.store, season.context(), NOW)
    for lacking in ({"drift": 2}, {"drift": None}, {"days": facts.days[:20]}, {"schema_now": None}):
        verdict = decide(replace(facts, policy=Policy.parse(AUTOMATIC), **lacking))  # type: ignore[arg-type]
        assert verdict.state.value != "promote"
        assert act(season, verdict) is None
    assert len(history(season)) == 1
    assert caplog.records == []  # nor was it tried


@on_one_database
def test_the_better_model_that_was_live_before_comes_back(season: Season) -> None:
    was_live_before(season)
    season.write(update(tables.streams).values(policy=AUTOMATIC))
    mine = EvidenceCycle(season.store, season.settings, threading.Event())
    mine.run(NOW)
    made = history(season)[-1]
    assert (made.live, made.kind, made.by) == (CANDIDATE, DeploymentKind.ROLLBACK, "policy")
    assert made.reason.startswith("automatic: gbm@1, live before, is proved better than linear@1")
    for minutes in (1, 2):
        mine.run(NOW + timedelta(minutes=minutes))
    assert len(history(season)) == 3


@on_one_database
def test_without_leave_nothing_is_rolled_back(season: Season) -> None:
    was_live_before(season)
    verdict = judged(season, POLICY)
    assert verdict.rollback is not None
    assert verdict.rollback.alarm
    assert act(season, verdict) is None
    # With leave to promote alone it is a promotion, by the verdict.
    made = act(season, judged(season, ONLY_PROMOTE))
    assert made is not None
    assert made.kind is DeploymentKind.PROMOTION


def test_two_workers_act_once(make_season: MakeSeason) -> None:
    for is_watch in (False, True):
        season = make_season("kept")
        if is_watch:
            was_live_before(season)
        verdict, others = judged(season), [open_store(season.store.url) for _ in range(3)]
        with ThreadPoolExecutor(len(others)) as at_once:
            acts = [
                at_once.submit(automation.apply_verdict, other, season.settings, verdict, 7, NOW)
                for other in others
            ]
            made = [one.result(timeout=60) for one in acts]
        for other in others:
            other.close()
        assert sum(one is not None for one in made) == 1
        assert len(history(season)) == (3 if is_watch else 2)


@on_one_database
@pytest.mark.parametrize("is_watch", [False, True])
def test_a_verdict_about_a_model_that_is_live_no_more_does_nothing(season: Season, is_watch: bool) -> None:
    if is_watch:
        was_live_before(season)
    verdict = judged(season)
    with season.store.writing() as connection:
        deployments.append(connection, Deployment(ModelRef("gbm", "5"), NOW, "somebody", "meanwhile"))
    before = history(season)
    assert act(season, verdict) is None
    assert history(season) == before


@on_one_database
def test_an_artifact_that_cannot_go_live_is_told_and_tried_again(
    season: Season, caplog: pytest.LogCaptureFixture
) -> None:
    verdict, place = judged(season), season.models / "gbm" / "1"
    kept = (place / "card.json").read_bytes()
    spoil(place, b"{}")
    assert act(season, verdict) is None
    (line,) = [one for one in caplog.records if one.message == "automation_failed"]
    assert line.fields["candidate"] == str(CANDIDATE)  # type: ignore[attr-defined]
    assert [one.live for one in history(season)] == [LIVE]
    spoil(place, kept)
    assert act(season, verdict) is not None


def spoil(place: Path, data: bytes) -> None:
    (place / "card.json").unlink()
    (place / "card.json").write_bytes(data)
