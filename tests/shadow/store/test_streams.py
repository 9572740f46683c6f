"""A stream begins once for what it is about, is numbered, and ends with its deployment."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from model_package.reference import ModelRef
from shadow.records import CandidateState, Deployment
from shadow.store import Store, candidates, deployments, open_store, streams
from shadow.store.streams import Stream, StreamTerms

START = datetime(2026, 9, 1, tzinfo=UTC)
LIVE, CANDIDATE = ModelRef("linear", "1"), ModelRef("gbm", "2")


def deploy(store: Store, since: datetime = START) -> Deployment:
    with store.writing() as connection:
        return deployments.append(connection, Deployment(LIVE, since, "test", "why"))


def add(store: Store, model: ModelRef = CANDIDATE) -> int:
    with store.writing() as connection:
        return candidates.add(connection, model, 1.0, None, START).id


def open_one(store: Store, terms: StreamTerms, now: datetime = START) -> Stream:
    with store.writing() as connection:
        return streams.open_stream(connection, terms, now)


def current(store: Store) -> list[Stream]:
    with store.reading() as connection:
        return streams.current(connection)


def test_a_stream_is_stored_as_it_was_agreed_on(store: Store, make_terms: Callable[..., StreamTerms]) -> None:
    deployed = deploy(store)
    terms = make_terms(add(store), deployed.id)
    opened = open_one(store, terms)
    assert (opened.terms, opened.candidate, opened.started_at, opened.ended_at) == (
        terms,
        CANDIDATE,
        START,
        None,
    )
    with store.reading() as connection:
        assert streams.find(connection, opened.id) == opened
        assert streams.find(connection, opened.id + 1) is None
        assert streams.of_candidate(connection, terms.candidate_id) == [opened]


def test_opening_it_again_returns_the_one_there_is(
    store: Store, make_terms: Callable[..., StreamTerms]
) -> None:
    terms = make_terms(add(store), deploy(store).id)
    opened = open_one(store, terms)
    assert open_one(store, replace(terms, number=2, alpha=0.001), START + timedelta(days=1)) == opened
    assert current(store) == [opened]


def test_whatever_evidence_depends_on_makes_it_another_stream(
    store: Store, make_terms: Callable[..., StreamTerms]
) -> None:
    terms = make_terms(add(store), deploy(store).id)
    other = {
        "live_digest": "9" * 64,
        "candidate_digest": "9" * 64,
        "schema_digest": "9" * 64,
        "policy_sha256": "9" * 64,
        "deployment_id": terms.deployment_id + 1,
        "candidate_id": terms.candidate_id + 1,
    }
    keys = {replace(terms, **{name: value}).key for name, value in other.items()}
    assert len(keys | {terms.key}) == 7
    assert replace(terms, margin=0.1, alpha=0.1, number=9).key == terms.key
    first = open_one(store, terms)
    assert open_one(store, replace(terms, policy_sha256="9" * 64)).id != first.id


def test_current_are_those_of_active_candidates_against_the_newest_deployment(
    store: Store, make_terms: Callable[..., StreamTerms]
) -> None:
    deployed, one, two = deploy(store), add(store), add(store, ModelRef("gbm", "3"))
    streams_of = [open_one(store, make_terms(candidate, deployed.id)) for candidate in (one, two)]
    assert current(store) == streams_of
    with store.writing() as connection:
        candidates.set_state(connection, CANDIDATE, CandidateState.PAUSED)
    assert current(store) == streams_of[1:]
    later = deploy(store, START + timedelta(days=3))
    assert current(store) == []
    with store.writing() as connection:
        assert streams.end_older(connection, later) == 2
        assert streams.end_older(connection, replace(later, since=later.since + timedelta(days=1))) == 0
        assert streams.find(connection, streams_of[0].id) == replace(streams_of[0], ended_at=later.since)


def test_the_number_counts_every_stream_ever_opened_against_one_live_artifact(
    store: Store, make_terms: Callable[..., StreamTerms]
) -> None:
    deployed, candidate = deploy(store), add(store)
    terms = make_terms(candidate, deployed.id)
    for policy in "456":
        open_one(store, replace(terms, policy_sha256=policy * 64))
    open_one(store, replace(terms, live_digest="8" * 64))
    with store.writing() as connection:
        streams.end_older(connection, replace(deployed, id=deployed.id + 1))
        assert streams.next_number(connection, terms.live_digest) == 4
        assert streams.next_number(connection, "8" * 64) == 2
        assert streams.next_number(connection, "7" * 64) == 1
    assert current(store) == []


def test_streams_opened_at_once_never_have_the_same_number(
    store: Store, make_terms: Callable[..., StreamTerms]
) -> None:
    terms = make_terms(add(store), deploy(store).id)
    others = [open_store(store.url) for _ in range(4)]

    def open_another(place: int) -> int:
        with others[place].writing() as connection:
            number = streams.next_number(connection, terms.live_digest)
            mine: Any = replace(terms, policy_sha256=str(place) * 64, number=number)
            return streams.open_stream(connection, mine, START).terms.number

    with ThreadPoolExecutor(4) as at_once:
        assert sorted(at_once.map(open_another, range(4), timeout=60)) == [1, 2, 3, 4]
    for other in others:
        other.close()
