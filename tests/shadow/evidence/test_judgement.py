"""A verdict is of the stream in force, of mature days, and can be had again for any earlier moment."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from season import CANDIDATE, DAY, LIVE, NOW, START, House, Season, alike, on_one_database, outcome, save
from sqlalchemy import delete, insert, update

from model_package.reference import ModelRef
from monitoring.statistics.sums import Sums
from shadow.evidence.decision_basis import decision_basis
from shadow.evidence.judgement import current_evidence, judge
from shadow.evidence.reference import AnotherArtifact
from shadow.evidence.stream_evidence import gather, gather_as_of, watermark
from shadow.policy import Policy, demo_text
from shadow.records import CandidateState, Deployment, VerdictState
from shadow.rollout import Decision, PromotionRefused, promote
from shadow.store import candidates, deployments, streams
from shadow.store.database import tables
from shadow.store.evidence import Delays
from shadow.store.streams import NotJudged
from shadow.verdict import verdict_json

MakeSeason = Callable[..., Season]


def told(season: Season, **when: Any) -> dict[str, Any]:
    """The document of the verdict now, or as of a moment."""
    return verdict_json(judge(season.store, season.models, CANDIDATE, NOW, **when))


def rule(document: dict[str, Any], name: str) -> dict[str, Any]:
    """One rule of a verdict."""
    (found,) = [one for one in document["rules"] if one["rule"] == name]
    return dict(found)


def test_the_sums_that_are_kept_and_the_ledger_give_the_same_verdict(season: Season) -> None:
    waiting = season.ask(NOW - timedelta(hours=1), 30)
    season.ask(NOW - timedelta(hours=1), 5, live=ModelRef("linear", "9"))
    lost = {"source_id": 1, "segment": "one", "reason": "journal_full"}
    season.write(insert(tables.drops).values(**lost, houses=3, recorded_at=NOW - DAY))
    now, then = told(season), told(season, as_of=NOW)
    assert alike(now, then)
    assert now["state"] == "promote"
    assert now["counts"]["sold"] > 700
    assert rule(now, "pending")["value"] == pytest.approx(30 / 1000, abs=5e-3)
    season.score(waiting, 150_000.0, NOW)
    season.refresh()
    assert rule(told(season), "pending")["value"] == 0


def test_an_outcome_that_is_corrected_later_leaves_the_verdict_of_before_as_it_was(season: Season) -> None:
    then, moment = told(season, as_of=START + 35 * DAY), START + 35 * DAY
    now, days = told(season), mature_days(season)
    corrected = sold(season)[200]
    live_was_right(season, [corrected])
    assert told(season, as_of=moment) == then
    after = told(season)
    assert after["difference"]["mean"] != now["difference"]["mean"]
    assert alike(after, told(season, as_of=NOW))
    changed = [day for day, sums in mature_days(season).items() if sums != days[day]]
    assert changed == [int(corrected.capture.captured_at.timestamp()) // 86_400]


def test_what_nobody_has_added_up_yet_is_added_up_before_it_is_judged(season: Season) -> None:
    assert told(season)["state"] == "promote"
    season.report([outcome(one.id, one.capture.prediction_dollars, NOW - DAY) for one in sold(season)], NOW)
    assert told(season)["state"] != "promote"


@pytest.mark.parametrize("price", [1e-310, 1e300])
def test_a_price_that_no_logarithm_bears_stops_no_evidence(season: Season, price: float) -> None:
    before = told(season)["counts"]["sold"]
    season.report([outcome(sold(season)[0].id, price, NOW - DAY)], NOW)
    assert told(season)["counts"]["sold"] == before - 1


def mature_days(season: Season) -> dict[int, Sums]:
    """The sums of the days that are judged."""
    return dict(current_evidence(season.store, season.context(), NOW).days)


@on_one_database
def test_outcomes_that_had_not_come_yet_do_not_count_as_of_then(season: Season) -> None:
    early, late = (told(season, as_of=START + day * DAY) for day in (20, 39))
    assert early["state"] == "insufficient"
    assert 0 < early["counts"]["sold"] < late["counts"]["sold"] < told(season)["counts"]["sold"]
    assert early["watermark"]["day"] < late["watermark"]["day"]
    assert early["counts"]["days"] <= 20


def test_days_mature_after_the_policys_time_until_enough_delays_were_seen() -> None:
    policy, stream = Policy.parse(demo_text()), stream_of_seconds()
    least, seconds = policy.maturity.min_delays, policy.maturity.default_days
    few, enough = Delays({0: least - 1}), Delays({0: least - 10, 110: 10})
    assert watermark(policy, stream, few, NOW).maturity_seconds == seconds
    assert watermark(policy, stream, enough, NOW).maturity_seconds == pytest.approx(0.02)
    slow = watermark(policy, stream, Delays({0: least - 11, 110: 11}), NOW)
    assert slow.maturity_seconds == pytest.approx(1.02**111 - 1)
    assert (slow.delays_seen, watermark(policy, stream, few, NOW).delays_seen) == (least, least - 1)


@pytest.mark.parametrize(("late", "day"), [(0.0, 0), (-0.001, None), (0.999, 0), (1.0, 1)])
def test_a_day_is_mature_when_it_and_the_time_outcomes_take_are_over(late: float, day: int | None) -> None:
    policy, stream = Policy.parse(demo_text()), stream_of_seconds()
    first = int(START.timestamp())
    begun = stream.started_at + timedelta(seconds=1 + policy.maturity.default_days + late)
    newest = watermark(policy, stream, Delays({}), begun).day
    assert newest == (None if day is None else first + day)


def stream_of_seconds() -> streams.Stream:
    """A stream whose days are seconds."""
    text = demo_text()
    terms = streams.StreamTerms(1, 1, LIVE, "1", "2", "3", text, "4", 1, 0.004, 0.025, 1)
    return streams.Stream(1, terms, CANDIDATE, START, None)


@on_one_database
def test_nothing_immature_decides(season: Season) -> None:
    before = told(season)
    begun = (before["watermark"]["day"] + 1) * DAY.total_seconds()
    young = [one for one in sold(season) if one.capture.captured_at.timestamp() >= begun]
    live_was_right(season, young)
    after = told(season)
    assert len(young) > 20
    assert after["preliminary"]["mean"] < -0.01 < 0.01 < before["preliminary"]["mean"]
    for name in ("state", "keys", "counts", "losses", "difference", "segments", "needed", "watermark"):
        assert after[name] == before[name], name
    assert rule(after, "worst_day") == rule(before, "worst_day")
    # The same on a day that is mature is seen at once.
    live_was_right(season, sold(season)[:30])
    assert told(season)["difference"]["mean"] < before["difference"]["mean"]


def sold(season: Season) -> list[House]:
    """The houses whose price has come by now; what is told of them again changes no delay."""
    return [
        one
        for one in season.houses
        if one.reports and one.reports[0].price_dollars and one.reports[0].received_at < NOW - DAY / 2
    ]


def live_was_right(season: Season, known: list[House]) -> None:
    """It turns out that these houses were sold for just what the live model had said."""
    moment = NOW - DAY / 3
    season.report([outcome(one.id, one.capture.prediction_dollars, moment) for one in known], moment)
    season.refresh()


@on_one_database
def test_without_outcomes_nothing_is_ever_promoted(make_season: MakeSeason) -> None:
    season = make_season("new")
    season.write(delete(tables.outcomes))
    season.refresh()
    for days in (0, 30, 60, 100, 139, 1000):
        verdict = judge(season.store, season.models, CANDIDATE, NOW + days * DAY)
        assert verdict.state is not VerdictState.PROMOTE
        assert verdict_json(verdict)["counts"]["sold"] == 0
    assert verdict.state is VerdictState.EXPIRED
    assert verdict_json(verdict)["counts"]["pairs"] > 900


@on_one_database
def test_who_is_not_judged_is_told_why(season: Season) -> None:
    def words(model: ModelRef, **when: Any) -> str:
        with pytest.raises(NotJudged) as refused:
            judge(season.store, season.models, model, NOW, **when)
        return str(refused.value)

    assert "no candidate, or the worker has not begun" in words(ModelRef("gbm", "7"))
    assert "no candidate, or the worker has not begun" in words(LIVE)
    assert "was no candidate then" in words(CANDIDATE, as_of=START - DAY)
    assert "is in the future" in words(CANDIDATE, as_of=NOW + DAY)


def test_old_evidence_does_not_promote_a_candidate_that_was_added_again(season: Season) -> None:
    assert told(season)["state"] == "promote"
    with season.store.writing() as connection:
        candidates.set_state(connection, CANDIDATE, CandidateState.REMOVED)
        candidates.add(connection, CANDIDATE, 1.0, None, NOW)
    with pytest.raises(NotJudged):
        told(season)
    with pytest.raises(PromotionRefused, match="no evidence"):
        promote(
            season.store,
            season.models,
            CANDIDATE,
            lambda: decision_basis(season.store, season.models, CANDIDATE, NOW),
            Decision("somebody", "soon", NOW),
        )
    assert told(season, as_of=NOW - DAY)["state"] == "promote"  # what it was then, it was


@on_one_database
def test_a_verdict_against_a_model_that_is_live_no_more_promotes_nobody(season: Season) -> None:
    with season.store.writing() as connection:
        deployments.append(connection, Deployment(ModelRef("gbm", "5"), NOW, "somebody", "meanwhile"))
    assert decision_basis(season.store, season.models, CANDIDATE, NOW) is None


@on_one_database
def test_a_paused_candidate_keeps_its_verdict(season: Season) -> None:
    with season.store.writing() as connection:
        candidates.set_state(connection, CANDIDATE, CandidateState.PAUSED)
    assert told(season)["state"] == "promote"


@on_one_database
def test_houses_outside_of_the_sample_are_no_pending_ones_and_drops_count_by_share(season: Season) -> None:
    season.write(update(tables.candidates).values(sample=0.1))
    lost = {"source_id": 1, "segment": "one", "reason": "journal_full"}
    season.write(insert(tables.drops).values(**lost, houses=200, recorded_at=START + 10 * DAY))
    season.write(insert(tables.drops).values(**lost, houses=5000, recorded_at=START + 38 * DAY))
    season.write(insert(tables.drops).values(**lost, houses=5000, recorded_at=START - DAY))
    season.ask(NOW - timedelta(hours=1), 400)

    def exposure(when: Any, from_ledger: bool) -> Any:
        policy = Policy.parse(season.stream.terms.policy)
        gather_evidence = gather_as_of if from_ledger else gather
        return gather_evidence(season.store, season.stream, policy, None, when).exposure

    now, then = exposure(NOW, False), exposure(NOW, True)
    assert now == then
    assert now.dropped == 520
    assert 20 <= now.pending <= 65
    assert exposure(START + 20 * DAY, True).dropped == 20
    assert exposure(START + 5 * DAY, True).dropped == 0
    # Of a stream that is over, what was dropped since does not count, nor before a moment what came after.
    season.write(update(tables.streams).values(ended_at=START + 30 * DAY))
    with season.store.reading() as connection:
        season.stream = streams.find(connection, season.stream.id) or season.stream
    assert exposure(START + 20 * DAY, True).dropped == exposure(NOW, True).dropped == 20
    assert exposure(START + 5 * DAY, True).dropped == 0


@on_one_database
def test_evidence_is_not_about_another_artifact_of_the_same_name(season: Season) -> None:
    place = season.models / "gbm" / "1"
    save(season.models, "gbm", {"fields": {}})
    (place / "manifest.json").unlink()
    replace_with(place, season.models / "gbm" / "2")
    with pytest.raises(AnotherArtifact, match="remove the candidate and add it again"):
        told(season)
    assert rule(told(season, as_of=NOW), "drift")["result"] == "unknown"
    assert told(season, as_of=NOW)["state"] == "continue"


def replace_with(place: Path, other: Path) -> None:
    for file in [*place.iterdir()]:
        file.unlink()
    for file in other.iterdir():
        (place / file.name).write_bytes(file.read_bytes())


@on_one_database
def test_drift_that_is_red_blocks_and_drift_that_is_not_known_does_not_promote(season: Season) -> None:
    season.write(delete(tables.field_counts))
    unknown = told(season)
    assert (unknown["state"], rule(unknown, "drift")["result"]) == ("continue", "unknown")
    assert any("Drift" in reason for reason in unknown["reasons"])
