"""Verdicts are kept once for each change of state, and told of; the newest documents can be looked at."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from model_package.reference import ModelRef
from shadow.evidence.recording import record
from shadow.policy import InvalidPolicy, Policy, default_text, demo_text
from shadow.records import Deployment, VerdictState
from shadow.store import Store, candidates, deployments
from shadow.store.database import tables
from shadow.store.streams import documents, verdicts
from shadow.store.streams.documents import StoredDocument
from shadow.verdict import StreamEvidence, Verdict, Watermark, decide, verdict_json

NOW = datetime(2026, 11, 21, tzinfo=UTC)
GBM, LINEAR = ModelRef("gbm", "1"), ModelRef("linear", "1")
POLICY = Policy.parse(default_text())


@pytest.fixture
def stream(store: Store) -> int:
    """The number of a stream of gbm@1 against linear@1."""
    with store.writing() as connection:
        deployment = deployments.append(connection, Deployment(LINEAR, NOW, "somebody", "first deployment"))
        candidate = candidates.add(connection, GBM, 1.0, None, NOW, default_text())
        values = {
            "key": "k",
            "deployment_id": deployment.id,
            "candidate_id": candidate.id,
            "live_name": "linear",
            "live_version": "1",
            "live_digest": "l",
            "candidate_digest": "c",
            "schema_digest": "s",
            "policy": default_text(),
            "policy_sha256": POLICY.sha256,
            "day_seconds": 86_400,
            "margin": 0.0036,
            "alpha": 0.025,
            "number": 1,
            "started_at": NOW,
        }
        added = connection.execute(tables.streams.insert().values(values).returning(tables.streams.c.id))
        return int(added.scalar_one())


def verdict(stream: int, hours: int, drift: int = 0) -> Verdict:
    """A verdict of no houses: insufficient, or blocked when drift is red (2)."""
    nothing = StreamEvidence(
        GBM,
        LINEAR,
        stream,
        POLICY,
        0.025,
        0.0036,
        "s",
        NOW,
        NOW + timedelta(hours=hours),
        Watermark(None, 7_776_000.0, 0),
        days=(),
        drift=drift,
    )
    return decide(nothing)


def test_a_verdict_is_added_when_its_state_changes_and_only_then(store: Store, stream: int) -> None:
    first = record(store, verdict(stream, 1))
    again = record(store, verdict(stream, 2))
    blocked = record(store, verdict(stream, 3, drift=2))
    back = record(store, verdict(stream, 4))
    assert first == again
    assert first.decided_at == NOW + timedelta(hours=1)
    with store.reading() as connection:
        rows = verdicts.history(connection, stream)
        assert [row.state for row in rows] == ["insufficient", "blocked", "insufficient"]
        assert [row.id for row in rows] == [back.id, blocked.id, first.id]
        assert verdicts.last(connection, stream) == back
        assert verdicts.by_id(connection, blocked.id) == blocked
        assert verdicts.by_id(connection, back.id + 1) is None
        assert verdicts.history(connection, stream, limit=1) == [back]
        assert verdicts.history(connection, stream + 1) == []


def test_the_state_of_a_stream_at_any_earlier_moment_can_be_read(store: Store, stream: int) -> None:
    for hours, drift in ((1, 0), (2, 0), (3, 2)):
        record(store, verdict(stream, hours, drift), for_decision=True)
    first = (VerdictState.INSUFFICIENT, NOW + timedelta(hours=1))
    with store.reading() as connection:
        states = [
            verdicts.state_as_of(connection, stream, NOW + timedelta(hours=hours)) for hours in (0, 1, 2, 3)
        ]
    assert states == [None, first, first, (VerdictState.BLOCKED, NOW + timedelta(hours=3))]


def test_a_verdict_that_a_decision_is_made_on_is_kept_though_its_state_is_no_new_one(
    store: Store, stream: int
) -> None:
    before = record(store, verdict(stream, 1))
    asked, decided = record(store, verdict(stream, 2)), record(store, verdict(stream, 3), for_decision=True)
    assert asked == before
    assert decided.id != before.id
    assert decided.decided_at == NOW + timedelta(hours=3)


def test_what_is_kept_is_the_whole_verdict_with_its_policy_and_watermark(store: Store, stream: int) -> None:
    made = verdict(stream, 1)
    kept = record(store, made)
    with store.reading() as connection:
        read = verdicts.by_id(connection, kept.id)
    assert read is not None
    assert read.report == verdict_json(made)
    assert (read.policy_sha256, read.watermark_day, read.sold) == (POLICY.sha256, None, 0)


def test_judges_that_see_a_change_at_once_add_it_once(store: Store, stream: int) -> None:
    with ThreadPoolExecutor(4) as judges:
        kept = list(judges.map(lambda _: record(store, verdict(stream, 1)), range(8)))
    assert len({one.id for one in kept}) == 1
    with store.reading() as connection:
        assert len(verdicts.history(connection, stream)) == 1


def test_a_change_has_a_line_and_no_change_has_none(
    store: Store, stream: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "umbra.verdict"):
        for hours, drift in ((1, 0), (2, 0), (3, 2)):
            record(store, verdict(stream, hours, drift))
    lines = [record.fields for record in caplog.records if record.getMessage() == "verdict_changed"]
    assert [(line["previous_verdict"], line["verdict"]) for line in lines] == [
        ("", "insufficient"),
        ("insufficient", "blocked"),
    ]
    assert lines[1] | {"reason": ""} == {
        "candidate": "gbm@1",
        "live_model": "linear@1",
        "verdict": "blocked",
        "previous_verdict": "insufficient",
        "stream": stream,
        "policy": POLICY.sha256,
        "reason": "",
    }
    assert lines[1]["reason"] == "Drift: red"


def test_of_each_kind_of_document_the_newest_is_kept(store: Store, stream: int) -> None:
    with store.writing() as connection:
        assert documents.get(connection, stream, "verdict") is None
        for hours in (1, 2):
            made = StoredDocument(NOW + timedelta(hours=hours), {"made": hours, "nothing": None})
            documents.put(connection, stream, "verdict", made)
        documents.put(connection, stream, "drift", replace(made, body={"drift": 0}))
    with store.reading() as connection:
        assert documents.get(connection, stream, "verdict") == made
        assert documents.get(connection, stream, "drift") == replace(made, body={"drift": 0})
        assert documents.get(connection, stream + 1, "verdict") is None


def test_a_candidate_keeps_the_policy_it_was_added_with(store: Store) -> None:
    with store.writing() as connection:
        added = candidates.add(connection, GBM, 1.0, None, NOW, demo_text())
        plain = candidates.add(connection, LINEAR, 1.0, None, NOW)
    assert added.policy == demo_text()
    assert added.policy_sha256 == Policy.parse(demo_text()).sha256
    assert (plain.policy, plain.policy_sha256) == (None, None)
    assert store.candidates() == [added, plain]


def test_a_candidate_is_not_added_with_a_policy_that_cannot_be_right(store: Store) -> None:
    with pytest.raises(InvalidPolicy), store.writing() as connection:
        candidates.add(connection, GBM, 1.0, None, NOW, "cap = 7")
    assert store.candidates() == []
