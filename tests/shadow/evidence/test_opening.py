"""Every active candidate has one stream against the newest deployment, under terms frozen at its start."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from season import CANDIDATE, DAY, LIVE, POLICY, START, Season, changed, on_one_database, save
from sqlalchemy import insert, select, update

from model_package import artifact, manifest
from model_package.reference import ModelRef
from shadow.evidence.streams import StreamOpener
from shadow.policy import Policy, default_text
from shadow.records import CandidateState, Deployment, DeploymentKind
from shadow.store import Store, candidates, deployments, open_store, streams
from shadow.store.database import tables
from shadow.store.streams import Stream

SOON = START + DAY
MakeSeason = Callable[..., Season]


@pytest.fixture
def season(make_season: MakeSeason) -> Season:
    """A season of which nothing was added up."""
    return make_season("new")


def opened(season: Season) -> list[Stream]:
    return StreamOpener(season.store, season.models).open_missing()


def add(season: Season, model: ModelRef, text: str | None = None, when: Any = SOON) -> None:
    with season.store.writing() as connection:
        candidates.add(connection, model, 1.0, None, when, text)


def set_state(season: Season, state: CandidateState, model: ModelRef = CANDIDATE) -> None:
    with season.store.writing() as connection:
        candidates.set_state(connection, model, state)


def again(season: Season, name: str) -> ModelRef:
    """Another version of a model."""
    return save(season.models, name, profile(season, name), {"importance": {}})


def profile(season: Season, name: str) -> dict[str, Any]:
    return dict(json.loads((season.models / name / "1" / "profile.json").read_bytes()))


def test_terms_are_those_of_artifacts_and_policy_when_the_stream_begins(season: Season) -> None:
    (stream,) = opened(season)
    terms, policy = stream.terms, Policy.parse(POLICY)
    mean = profile(season, "linear")["loss"]["mean"]
    assert terms.margin == pytest.approx(0.04 * mean)
    assert (terms.number, terms.alpha) == (1, pytest.approx(0.025))
    assert (terms.policy_sha256, terms.day_seconds, terms.live) == (policy.sha256, 86_400, LIVE)
    assert len({terms.live_digest, terms.candidate_digest, terms.schema_digest}) == 3
    assert (stream.candidate, stream.started_at, stream.ended_at) == (CANDIDATE, START, None)
    assert opened(season) == [stream]


@on_one_database
def test_the_policy_is_frozen_and_the_next_candidates_get_less_alpha(season: Season) -> None:
    (first,) = opened(season)
    season.write(update(tables.candidates).values(policy=changed(("alpha = 0.05", "alpha = 0.2"))))
    add(season, again(season, "gbm"))
    add(season, again(season, "gbm"), changed(("alpha_budget = true", "alpha_budget = false")), SOON + DAY)
    one, two, three = opened(season)
    assert one == first
    assert (two.terms.number, two.terms.alpha) == (2, pytest.approx(0.05 / 6))
    assert two.terms.policy == default_text()
    assert (three.terms.number, three.terms.alpha) == (3, 0.05)
    assert [one.started_at for one in (two, three)] == [SOON, SOON + DAY]


def test_a_new_deployment_ends_every_stream_and_begins_new_ones(season: Season) -> None:
    (old,) = opened(season)
    live = again(season, "linear")
    with season.store.writing() as connection:
        deployed = Deployment(live, SOON, "somebody", "better", kind=DeploymentKind.PROMOTION)
        deployments.append(connection, deployed)
        candidates.add(connection, LIVE, 1.0, None, SOON + DAY)
    one, two = opened(season)
    assert [(stream.candidate, stream.terms.live) for stream in (one, two)] == [
        (CANDIDATE, live),
        (LIVE, live),
    ]
    assert [stream.started_at for stream in (one, two)] == [SOON, SOON + DAY]
    assert {stream.terms.number for stream in (one, two)} == {1, 2}
    with season.store.reading() as connection:
        ended = streams.find(connection, old.id)
    assert ended is not None
    assert ended.ended_at == SOON


@on_one_database
def test_a_candidate_that_is_added_again_begins_anew(season: Season) -> None:
    (old,) = opened(season)
    set_state(season, CandidateState.REMOVED)
    assert opened(season) == []
    add(season, CANDIDATE)
    (new,) = opened(season)
    assert new.id != old.id
    assert (new.started_at, new.terms.number) == (SOON, 2)
    assert new.terms.candidate_digest == old.terms.candidate_digest


@on_one_database
def test_a_paused_candidate_goes_on_where_it_was(season: Season) -> None:
    (stream,) = opened(season)
    set_state(season, CandidateState.PAUSED)
    assert opened(season) == []
    set_state(season, CandidateState.ACTIVE)
    assert opened(season) == [stream]


@on_one_database
def test_the_live_model_is_not_judged_against_itself(season: Season) -> None:
    """No command makes it a candidate; 0.1.0 did."""
    values = {"name": LIVE.name, "version": LIVE.version, "sample": 1.0, "state": "active", "added_at": SOON}
    season.write(insert(tables.candidates).values(values))
    assert [stream.candidate for stream in opened(season)] == [CANDIDATE]


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.message.startswith("stream_")]


@on_one_database
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (
            lambda place: (place / "profile.json").chmod(0o644) or (place / "profile.json").write_text("{}"),
            "alter",
        ),
        (lambda place: (place / "manifest.json").unlink(), "cannot be read"),
    ],
)
def test_an_unreadable_artifact_is_told_once_and_opened_when_mended(
    season: Season, caplog: pytest.LogCaptureFixture, spoil: Callable[[Path], Any], words: str
) -> None:
    second = again(season, "gbm")
    place = season.models / second.name / second.version
    kept = {path: path.read_bytes() for path in place.iterdir()}
    spoil(place)
    add(season, second)
    opening = StreamOpener(season.store, season.models)
    caplog.set_level("INFO")
    for _ in range(3):
        assert [stream.candidate for stream in opening.open_missing()] == [CANDIDATE]
    assert told(caplog) == ["stream_not_opened"]
    assert words in str(caplog.records[0].error)  # type: ignore[attr-defined]
    for path, data in kept.items():
        path.unlink(missing_ok=True)
        path.write_bytes(data)
    assert [stream.candidate for stream in opening.open_missing()] == [CANDIDATE, second]
    assert told(caplog) == ["stream_not_opened", "stream_opened"]


@on_one_database
@pytest.mark.parametrize("said", [b"[1]", b"{", b'"text"'])
def test_a_profile_that_says_nothing_holds_up_no_other_candidate(season: Season, said: bytes) -> None:
    files = {"card.json": b"{}", "profile.json": said}
    saved = artifact.directory_of(season.models, ModelRef("odd", "1"))
    saved.mkdir(parents=True)
    for name, data in {**files, "manifest.json": manifest.compose("odd", "1", "faulty", files)}.items():
        (saved / name).write_bytes(data)
    add(season, ModelRef("odd", "1"), when=START - DAY)
    third = again(season, "gbm")
    add(season, third)
    assert [stream.candidate for stream in opened(season)] == [CANDIDATE, third]


@on_one_database
def test_a_live_model_that_tells_no_loss_needs_an_absolute_margin(
    season: Season, caplog: pytest.LogCaptureFixture
) -> None:
    live = save(
        season.models,
        "linear",
        {key: value for key, value in profile(season, "linear").items() if key != "loss"},
    )
    with season.store.writing() as connection:
        deployments.append(connection, Deployment(live, SOON, "somebody", "another"))
    assert opened(season) == []
    assert "absolute margin" in str(caplog.records[-1].error)  # type: ignore[attr-defined]
    second = again(season, "gbm")
    add(season, second, changed(("relative = 0.04", "absolute = 0.003")))
    (stream,) = opened(season)
    assert (stream.candidate, stream.terms.margin) == (second, 0.003)


def test_two_workers_open_each_stream_once(season: Season, caplog: pytest.LogCaptureFixture) -> None:
    season.write(tables.evidence_cursors.delete())
    season.write(tables.streams.delete())
    for _ in range(2):
        add(season, again(season, "gbm"))
    caplog.set_level("INFO")
    others: list[Store] = [open_store(season.store.url) for _ in range(3)]
    with ThreadPoolExecutor(len(others)) as at_once:
        found = [at_once.submit(StreamOpener(other, season.models).open_missing) for other in others]
        for one in found:
            one.result(timeout=60)
    for other in others:
        other.close()
    with season.store.reading() as connection:
        numbers = connection.execute(select(tables.streams.c.number)).scalars().all()
    assert sorted(numbers) == [1, 2, 3]
    assert told(caplog) == ["stream_opened"] * 3


def test_nothing_is_opened_before_the_first_deployment(store: Store, tmp_path: Path) -> None:
    assert StreamOpener(store, tmp_path).open_missing() == []
