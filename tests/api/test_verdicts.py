"""What the evidence says, over HTTP: of all candidates, and of one with how that came."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import jsonschema
import pytest

from model_package.reference import ModelRef
from shadow.records import CandidateState, DeploymentKind, VerdictState
from shadow.store import candidates, deployments, streams
from shadow.store.streams import StreamTerms, documents, verdicts
from shadow.store.streams.documents import StoredDocument
from shadow.store.streams.verdicts import RecordedVerdict

BODY = {"state": "continue", "reasons": ["not yet"], "rules": []}


@pytest.fixture
def judged(bench):
    """plain@2 is judged against plain@1; its state has changed once."""
    with bench.store.writing() as connection:
        candidate = candidates.add(connection, ModelRef("plain", "2"), 1.0, None, bench.now)
        terms = StreamTerms(
            deployment_id=bench.live.serving().deployment.id,
            candidate_id=candidate.id,
            live=ModelRef("plain", "1"),
            live_digest="a" * 64,
            candidate_digest="b" * 64,
            schema_digest="c" * 64,
            policy="",
            policy_sha256="d" * 64,
            day_seconds=86_400,
            margin=0.005,
            alpha=0.025,
            number=1,
        )
        stream = streams.open_stream(connection, terms, bench.now)
        documents.put(connection, stream.id, "verdict", StoredDocument(bench.now, BODY))
        for hour, state in enumerate((VerdictState.INSUFFICIENT, VerdictState.CONTINUE)):
            at = bench.now + timedelta(hours=hour)
            report = {"reasons": [f"it was {state}"]}
            verdicts.append_change(
                connection, RecordedVerdict(stream.id, state, at, None, 3, "d" * 64, report)
            )
    return bench


def test_every_candidate_that_is_judged_is_listed_with_its_verdict(judged):
    (candidate,) = judged.client.get("/v1/verdicts").json["verdicts"]
    assert (candidate["candidate"], candidate["live"], candidate["verdict"]) == ("plain@2", "plain@1", BODY)
    assert candidate["computed_at"].startswith("2026-11-21T00:00:00")


def test_one_is_shown_with_the_changes_of_its_state_the_newest_first(judged):
    history = judged.client.get("/v1/verdicts/plain@2").json
    assert history["verdict"] == BODY
    assert [change["state"] for change in history["history"]] == ["continue", "insufficient"]
    assert history["history"][0]["reasons"] == ["it was continue"]


def test_who_is_judged_and_not_yet_decided_has_a_verdict_of_null(bench, judged):
    with bench.store.writing() as connection:
        connection.exec_driver_sql("DELETE FROM snapshots")
    (candidate,) = judged.client.get("/v1/verdicts").json["verdicts"]
    assert (candidate["computed_at"], candidate["verdict"]) == (None, None)


def test_answers_are_as_the_description_says(judged):
    document = judged.client.get("/openapi.json").json
    for name, path in (("Verdicts", "/v1/verdicts"), ("VerdictHistory", "/v1/verdicts/plain@2")):
        shape = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        body = judged.client.get(path).json
        jsonschema.validate(body, shape, cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize("how", ["promoted", "removed"])
def test_of_what_is_no_candidate_any_more_it_is_told_where_it_stood(judged, how):
    before = judged.client.get("/v1/verdicts/plain@2").json
    assert (before["over"], before["ended_at"]) == (False, None)
    with judged.store.writing() as connection:
        if how == "removed":
            candidates.set_state(connection, ModelRef("plain", "2"), CandidateState.REMOVED)
        else:
            seen = deployments.newest(connection)
            decided = replace(seen, live=ModelRef("plain", "2"), kind=DeploymentKind.PROMOTION)
            deployment = deployments.append_if_current(connection, seen, decided, ModelRef("plain", "2"))
            streams.end_older(connection, deployment)
    answer = judged.client.get("/v1/verdicts/plain@2")
    assert answer.status_code == 200
    candidate = dict(answer.json)
    assert candidate.pop("over") is True
    assert (candidate.pop("ended_at") is not None) is (how == "promoted")
    assert candidate == {name: value for name, value in before.items() if name not in ("over", "ended_at")}
    assert judged.client.get("/v1/verdicts").json == {"verdicts": []}
    document = judged.client.get("/openapi.json").json
    shape = {"$ref": "#/components/schemas/VerdictHistory", "components": document["components"]}
    jsonschema.validate(answer.json, shape, cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize("name", ["plain@1", "plain@9", "nonsense", "%3Cscript%3E"])
def test_who_is_not_judged_is_a_404(judged, name):
    answer = judged.client.get(f"/v1/verdicts/{name}")
    assert answer.status_code == 404
    assert answer.json["type"] == "urn:umbra:problem:unknown-candidate"


def test_where_nobody_is_judged_the_list_is_empty(bench):
    assert bench.client.get("/v1/verdicts").json == {"verdicts": []}
