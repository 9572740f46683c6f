"""What is there, who is live, who is a candidate."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from api.app import build
from api.live import Live
from model_package import artifact
from model_package.reference import ModelRef
from shadow.store import candidates

CARD = b'{"metrics": {"rmse_log": 0.11}}'


def _save(settings, name="plain"):
    return artifact.save(
        settings.models, name, "plain", lambda _: {"card.json": CARD, "profile.json": b"{}"}, lambda _: None
    )


def _add(bench, version, sample):
    with bench.store.writing() as connection:
        candidates.add(connection, ModelRef("plain", version), sample, None, bench.now)


def test_every_artifact_is_listed_with_its_card_its_digest_and_its_role(bench):
    for _ in range(2):
        _save(bench.settings)
    _add(bench, "2", 0.25)
    body = bench.client.get("/v1/models").json
    assert body["candidates_known"] is True
    assert [(m["name"], m["version"], m["role"]) for m in body["models"]] == [
        ("plain", "1", "live"),
        ("plain", "2", "candidate"),
        ("plain", "3", "idle"),
    ]
    assert body["models"][1]["card"] == {"metrics": {"rmse_log": 0.11}}
    assert body["models"][0]["digest"] == bench.live.serving().model.digest
    assert all(len(m["digest"]) == 64 and m["recipe"] == "plain" for m in body["models"])


def test_one_broken_artifact_hides_no_other(bench):
    broken = _save(bench.settings)
    for file in broken.iterdir():
        file.unlink()
    body = bench.client.get("/v1/models").json
    assert [m["digest"] is None for m in body["models"]] == [False, True]


@pytest.mark.parametrize("name", ["card.json", "manifest.json"])
@pytest.mark.parametrize("kind", ["a pipe", "a link", "a directory", "a huge file", "other words"])
def test_what_is_not_as_it_was_saved_is_neither_waited_for_nor_published(bench, tmp_path, name, kind):
    file = _save(bench.settings) / name
    text = file.read_bytes()
    file.unlink()
    if kind == "a pipe":
        os.mkfifo(file)
    elif kind == "a link":
        (tmp_path / "elsewhere").write_bytes(text)
        file.symlink_to(tmp_path / "elsewhere")
    elif kind == "a directory":
        file.mkdir()
    elif kind == "a huge file":
        file.write_bytes(text.ljust(2 << 20))
    else:
        file.write_bytes(b'{"metrics": {"password": "x"}}')
    first, second = bench.client.get("/v1/models").json["models"]
    assert first["card"] == {"metrics": {"rmse_log": 0.13}}
    assert (second["digest"], second["card"]) == (None, None)


def test_a_card_that_was_shown_is_not_read_again(bench):
    directory = _save(bench.settings)
    listing = bench.client.get("/v1/models").json
    (directory / "card.json").unlink()
    assert bench.client.get("/v1/models").json == listing


def test_who_was_live_is_listed_the_newest_first_and_found_by_its_moment(bench):
    (first,) = bench.client.get("/v1/deployments").json["deployments"]
    assert (first["live"], first["kind"]) == ({"name": "plain", "version": "1"}, "first")
    for moment in (first["since"], "2026-11-21T00:00:00Z", "2026-11-21T01:00:00+01:00"):
        assert bench.client.get(f"/v1/deployments?decided_at={moment}").json["deployments"] == [first]
    assert bench.client.get("/v1/deployments?decided_at=2026-11-21T00:00:01Z").json["deployments"] == []
    for nonsense in ("yesterday", "2026-11-21", "2026-11-21T00:00:00", ""):
        answer = bench.client.get(f"/v1/deployments?decided_at={nonsense}")
        assert (answer.status_code, answer.json["type"]) == (400, "urn:umbra:problem:invalid-query")


def test_the_deployment_names_the_live_model_and_the_candidates(bench):
    _save(bench.settings)
    _add(bench, "2", 0.25)
    body = bench.client.get("/v1/deployment").json
    assert body["live"] == {"name": "plain", "version": "1"}
    assert (body["by"], body["reason"]) == ("test", "first deployment")
    assert body["since"].startswith("2026-11-21T00:00:00")
    (candidate,) = body["candidates"]
    assert candidate["model"] == {"name": "plain", "version": "2"}
    assert (candidate["state"], candidate["sample"]) == ("active", 0.25)


def test_without_a_live_model_the_process_lives_but_is_not_ready(bench):
    client = build(replace(bench.app.extensions["umbra"], live=Live())).test_client()
    assert client.get("/livez").status_code == 200
    for answer in (client.get("/readyz"), client.get("/v1/deployment")):
        assert answer.status_code == 503
        assert answer.json["type"] == "urn:umbra:problem:no-live-model"
        assert answer.headers["Retry-After"]
    assert client.get("/v1/models").json["models"][0]["role"] == "idle"


def test_ready_means_that_the_live_model_is_loaded(bench):
    assert bench.client.get("/readyz").json == {
        "status": "ready",
        "model": "plain@1",
        "wanted": "plain@1",
    }
