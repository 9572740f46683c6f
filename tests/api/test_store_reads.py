"""Looking up holds nobody up: a store that is away, slow or hung is given up on, soon, and left alone."""

from __future__ import annotations

import threading
from dataclasses import replace
from uuid import UUID

import pytest

from api.app import build
from api.store_reads import StoreReads
from shadow.settings import sqlite_url
from shadow.store import StoreUnavailable, open_store

UNKNOWN = UUID("0198c0de-7a11-7000-8000-0123456789ab")


class _Clock:
    now = 0.0

    def __call__(self):
        return self.now


class _Hanging:
    """A store that answers only when it is let go."""

    def __init__(self):
        self.let_go = threading.Event()
        self.asked = 0

    def prediction(self, _):
        self.asked += 1
        self.let_go.wait(30)

    candidates = prediction


@pytest.fixture
def hanging():
    store = _Hanging()
    yield store
    store.let_go.set()


def test_a_store_that_is_away_is_a_503_that_says_when_to_come_back(bench, tmp_path):
    away = StoreReads(open_store(sqlite_url(tmp_path / "no" / "such" / "folder" / "umbra.db")))
    client = build(replace(bench.app.extensions["umbra"], store_reads=away)).test_client()
    answer = client.get(f"/v1/predictions/{UNKNOWN}")
    assert answer.status_code == 503
    assert answer.content_type == "application/problem+json"
    assert answer.json["type"] == "urn:umbra:problem:store-unavailable"
    assert int(answer.headers["Retry-After"]) > 0
    assert "no/such" not in answer.text
    assert client.get("/readyz").status_code == 200
    deployment = client.get("/v1/deployment")
    assert (deployment.status_code, deployment.json["candidates"]) == (200, None)
    models = client.get("/v1/models")
    assert (models.status_code, models.json["candidates_known"]) == (200, False)


def test_a_store_that_hangs_is_given_up_on(hanging):
    store_reads = StoreReads(hanging, wait_seconds=0.05)
    with pytest.raises(StoreUnavailable, match="did not answer within"):
        store_reads.prediction(UNKNOWN)


def test_while_one_look_up_hangs_no_other_waits_behind_it(hanging):
    clock = _Clock()
    store_reads = StoreReads(hanging, wait_seconds=0.05, rest_seconds=5, clock=clock)
    for _ in range(100):
        with pytest.raises(StoreUnavailable):
            store_reads.prediction(UNKNOWN)
        clock.now += 10
    assert hanging.asked == 1


def test_after_a_failure_the_store_is_left_alone_and_then_asked_again(store):
    clock = _Clock()
    failing = _Failing(store)
    store_reads = StoreReads(failing, rest_seconds=5, clock=clock)
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            store_reads.prediction(UNKNOWN)
    assert failing.asked == 1
    clock.now, failing.away = 6.0, False
    assert store_reads.prediction(UNKNOWN) is None
    assert store_reads.candidates() == []


class _Failing:
    """A store that is away until it is told otherwise."""

    def __init__(self, store):
        self.away, self.asked, self._store = True, 0, store

    def prediction(self, capture_id):
        self.asked += 1
        if self.away:
            raise StoreUnavailable("connection refused")
        return self._store.prediction(capture_id)

    def candidates(self):
        return self._store.candidates()
