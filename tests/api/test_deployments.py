"""Promote and roll back over HTTP: only with the token, within bounds, refused with reasons."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from uuid import uuid4

import jsonschema
import pytest
from patience import PATIENCE_SECONDS
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url

from api.app import build
from api.deployments import DeploymentResource
from model_package import artifact
from model_package.reference import ModelRef
from shadow.records import CandidateState, Deployment, VerdictState
from shadow.rollout import DecisionBasis
from shadow.settings import sqlite_url
from shadow.store import candidates, deployments, open_store
from shadow.store.schema import migrate

TOKEN = "a-token-that-nobody-else-has"  # noqa: S105
PROMOTE, ROLLBACK = "/v1/deployment/promote", "/v1/deployment/rollback"
GOOD = DecisionBasis(VerdictState.PROMOTE, ["all rules are met"], 7, "f" * 64)
BAD = DecisionBasis(VerdictState.BLOCKED, ["errors: 3 %, at most 1 %", "drift is red"], 8, "f" * 64)
WANTED = {"candidate": "plain@2", "reason": "it is better"}


class Admin:
    """Asks with the token, unless told otherwise."""

    def __init__(self, bench, app, held):
        self.bench = bench
        self.app = app
        self.client = app.test_client()
        self.held = held

    def ask(self, path, body=None, token=TOKEN, **headers):
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent.setdefault("Authorization", f"Bearer {token}")
        if isinstance(body, bytes):
            return self.client.post(path, data=body, headers={"Content-Type": "application/json"} | sent)
        return self.client.post(path, json=WANTED if body is None else body, headers=sent)

    def history(self):
        with self.bench.store.reading() as connection:
            return deployments.history(connection)


@pytest.fixture
def admin(bench):
    """An application with a token, plain@2 as a candidate, and a verdict that can be set."""
    files = {"card.json": b"{}", "profile.json": b"{}"}
    artifact.save(bench.settings.models, "plain", "plain", lambda _: files, lambda _: None)
    with bench.store.writing() as connection:
        candidates.add(connection, ModelRef("plain", "2"), 1.0, None, bench.now)
    held = {"verdict": GOOD, "wait": lambda: None}

    def judge(*_):
        held["wait"]()
        return held["verdict"]

    decisions = DeploymentResource(TOKEN, bench.store, bench.settings.models, judge=judge, wait_seconds=0.5)
    return Admin(bench, build(replace(bench.app.extensions["umbra"], deployments=decisions)), held)


def problem(answer, status, code):
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    assert answer.json["type"] == f"urn:umbra:problem:{code}"
    return answer.json


def test_without_a_configured_token_the_routes_do_not_exist(bench):
    for path in (PROMOTE, ROLLBACK):
        answer = bench.client.post(path, json=WANTED, headers={"Authorization": f"Bearer {TOKEN}"})
        problem(answer, 404, "not-found")
        assert path not in bench.client.get("/openapi.json").json["paths"]


def test_with_one_they_are_in_the_description_and_answer_as_it_says(admin):
    document = admin.client.get("/openapi.json").json
    assert {PROMOTE, ROLLBACK} < document["paths"].keys()
    components = {"components": document["components"]}
    answers = [
        ("Deployment", admin.ask(PROMOTE)),
        ("Deployment", admin.ask(ROLLBACK, {"reason": "back"})),
        ("Problem", admin.ask(ROLLBACK, {"reason": "back"})),
        ("Problem", admin.ask(PROMOTE, {})),
    ]
    admin.held["verdict"] = BAD
    answers.append(("Problem", admin.ask(PROMOTE)))
    assert [answer.status_code for _, answer in answers] == [200, 200, 409, 422, 409]
    for name, answer in answers:
        shape = {"$ref": f"#/components/schemas/{name}", **components}
        jsonschema.validate(answer.json, shape, cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize("path", [PROMOTE, ROLLBACK])
@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic dTpw", TOKEN, f"Token {TOKEN}"])
def test_without_a_token_in_the_right_form_nobody_decides(admin, path, header):
    headers = {} if header is None else {"Authorization": header}
    answer = admin.ask(path, token=None, **headers)
    problem(answer, 401, "unauthorized")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert len(admin.history()) == 1


@pytest.mark.parametrize(
    "token", ["x", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "\xe9" * 16, f"{TOKEN} {TOKEN}"]
)
def test_a_wrong_token_opens_nothing_and_is_told_nothing(admin, token):
    answer = admin.ask(PROMOTE, token=token)
    problem(answer, 403, "wrong-token")
    assert TOKEN not in answer.text
    assert len(admin.history()) == 1


def test_who_may_not_decide_is_told_so_before_the_body_is_looked_at(admin):
    problem(admin.ask(PROMOTE, b"{", token="x"), 403, "wrong-token")  # noqa: S106
    problem(admin.ask(PROMOTE, b"{", token=None), 401, "unauthorized")


def test_a_promotion_answers_with_the_deployment_it_made(admin):
    answer = admin.ask(PROMOTE, X_Umbra_Actor="Jo from pricing")
    deployment = admin.history()[-1]
    assert answer.status_code == 200
    assert answer.json["live"] == {"name": "plain", "version": "2"}
    assert (answer.json["id"], answer.json["kind"], answer.json["verdict"]) == (2, "promotion", "promote")
    assert (answer.json["by"], deployment.by, deployment.reason) == (
        "Jo from pricing",
        "Jo from pricing",
        "it is better",
    )
    assert deployment.artifact_digest == answer.json["artifact_digest"]


def test_a_rollback_goes_back_and_who_gives_no_name_is_the_token(admin):
    admin.ask(PROMOTE)
    answer = admin.ask(ROLLBACK, {"reason": "complaints"})
    assert (answer.json["kind"], answer.json["by"]) == ("rollback", "admin token")
    assert answer.json["live"] == {"name": "plain", "version": "1"}
    assert admin.ask(ROLLBACK, {"reason": "forth", "to": "plain@2"}).json["live"]["version"] == "2"


def test_a_verdict_against_it_is_a_409_with_its_reasons_as_data_unless_it_is_overridden(admin):
    admin.held["verdict"] = BAD
    refusal = problem(admin.ask(PROMOTE), 409, "promotion-refused")
    assert refusal["verdict"] == {"state": "blocked", "reasons": list(BAD.reasons)}
    assert len(admin.history()) == 1
    assert admin.ask(PROMOTE, WANTED | {"override": True}).json["overridden"] is True


def test_what_does_not_fit_is_a_409(admin):
    problem(admin.ask(PROMOTE, WANTED | {"candidate": "plain@1"}), 409, "deployment-conflict")
    problem(admin.ask(PROMOTE, WANTED | {"candidate": "plain@9"}), 409, "deployment-conflict")
    problem(admin.ask(ROLLBACK, {"reason": "back"}), 409, "deployment-conflict")
    with admin.bench.store.writing() as connection:
        candidates.set_state(connection, ModelRef("plain", "2"), CandidateState.PAUSED)
    problem(admin.ask(PROMOTE), 409, "deployment-conflict")
    assert len(admin.history()) == 1


def test_an_altered_artifact_is_a_409(admin):
    card = admin.bench.settings.models / "plain" / "2" / "card.json"
    card.unlink()
    card.write_bytes(b"{ }")
    problem(admin.ask(PROMOTE), 409, "unfit-artifact")


@pytest.mark.parametrize(
    ("path", "body", "fields"),
    [
        (PROMOTE, {}, {"candidate", "reason"}),
        (PROMOTE, [], {None}),
        (PROMOTE, WANTED | {"candidate": "plain"}, {"candidate"}),
        (PROMOTE, WANTED | {"candidate": 2}, {"candidate"}),
        (PROMOTE, WANTED | {"reason": " "}, {"reason"}),
        (PROMOTE, WANTED | {"reason": "two\nlines"}, {"reason"}),
        (PROMOTE, WANTED | {"reason": "x" * 1001}, {"reason"}),
        (PROMOTE, WANTED | {"override": "yes"}, {"override"}),
        (PROMOTE, WANTED | {"force": True, "to": "plain@1"}, {"force", "to"}),
        (ROLLBACK, {"reason": 1, "to": None}, {"reason", "to"}),
    ],
)
def test_a_body_that_is_no_decision_is_a_422_with_every_fault(admin, path, body, fields):
    refusal = problem(admin.ask(path, body), 422, "invalid-decision")
    assert {fault["field"] for fault in refusal["errors"]} == fields
    assert all(fault["expected"] and fault["got"] for fault in refusal["errors"])
    assert len(admin.history()) == 1


def test_a_name_that_could_be_anything_is_not_taken_over(admin):
    refusal = problem(admin.ask(PROMOTE, X_Umbra_Actor="<script>"), 422, "invalid-decision")
    assert [fault["field"] for fault in refusal["errors"]] == ["X-Umbra-Actor"]


def test_a_body_that_cannot_be_read_is_refused_as_everywhere(admin):
    problem(admin.ask(PROMOTE, b"{"), 400, "malformed-body")
    problem(admin.ask(PROMOTE, b"{}" * 10_000), 413, "body-too-large")
    problem(admin.ask(PROMOTE, b"a,b", Content_Type="text/csv"), 415, "unsupported-content")
    problem(admin.client.get(PROMOTE), 405, "method-not-allowed")


def test_a_decision_that_takes_long_is_a_504_that_says_where_to_look_and_holds_up_no_other(admin):
    let_go, waiting = threading.Event(), threading.Event()
    admin.held["wait"] = lambda: (waiting.set(), let_go.wait(30))
    refusal = problem(admin.ask(PROMOTE), 504, "decision-unconfirmed")
    address = f"/v1/deployments?decided_at={refusal['decided_at']}"
    assert f"GET {address} lists the deployment once it is made" in refusal["detail"]
    assert admin.client.get(address).json["deployments"] == []
    assert waiting.is_set()
    answer = admin.ask(PROMOTE)
    earlier = problem(answer, 504, "decision-unconfirmed")
    assert "still under way" in earlier["detail"]
    assert answer.headers["Location"].endswith(address)
    assert admin.client.get("/readyz").status_code == 200
    let_go.set()
    decided = next(thread for thread in threading.enumerate() if thread.name == "umbra-decision")
    decided.join(PATIENCE_SECONDS)
    assert len(admin.history()) == 2, "what was not waited for has happened"
    (deployment,) = admin.client.get(address).json["deployments"]
    assert (deployment["kind"], deployment["live"]) == ("promotion", {"name": "plain", "version": "2"})


def test_a_store_that_is_away_is_a_503(admin, tmp_path):
    away = open_store(sqlite_url(tmp_path / "no" / "such" / "folder" / "umbra.db"))
    decisions = DeploymentResource(TOKEN, away, admin.bench.settings.models)
    client = build(replace(admin.app.extensions["umbra"], deployments=decisions)).test_client()
    headers = {"Authorization": f"Bearer {TOKEN}"}
    for path, body in ((PROMOTE, WANTED), (ROLLBACK, {"reason": "back"})):
        problem(client.post(path, json=body, headers=headers), 503, "store-unavailable")


def test_a_store_that_only_reads_is_a_503(admin, tmp_path, postgres_url):
    name = f"umbra_reads_{uuid4().hex[:12]}"
    server = make_url(postgres_url).set(drivername="postgresql+psycopg2")
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        store = open_store(make_url(postgres_url).set(database=name).render_as_string(hide_password=False))
        migrate(store)
        live, wanted = ModelRef("plain", "1"), ModelRef("plain", "2")
        with store.writing() as writing:
            deployments.append(writing, Deployment(live, admin.bench.now, "somebody", "the first one"))
            candidates.add(writing, wanted, 1.0, None, admin.bench.now)
        store.close()
        connection.exec_driver_sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    engine.dispose()
    decisions = DeploymentResource(
        TOKEN, store, admin.bench.settings.models, judge=lambda *_: GOOD, wait_seconds=30
    )
    client = build(replace(admin.app.extensions["umbra"], deployments=decisions)).test_client()
    answer = client.post(PROMOTE, json=WANTED, headers={"Authorization": f"Bearer {TOKEN}"})
    problem(answer, 503, "store-unavailable")
    store.close()


def test_the_token_is_in_no_line_and_no_answer(admin, caplog):
    caplog.set_level("INFO")
    admin.ask(PROMOTE, token="wrong-" + TOKEN)
    answer = admin.ask(PROMOTE)
    written = json.dumps([record.__dict__ for record in caplog.records], default=repr)
    assert "deployed" in written
    assert TOKEN not in written + answer.text + repr(admin.app.extensions["umbra"])
