"""POST and GET /v1/predictions: answer i is input i, captured before it leaves."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from uuid import UUID

import numpy as np
import pytest

from api.app import build
from api.live import Serving
from model_package.reference import ModelRef
from model_package.schema import EXAMPLE, NAMES
from shadow.journal.capture_result import CaptureResult
from shadow.records import NewObservation, capture_time


def _houses(*areas):
    return [dict(EXAMPLE, living_area=float(area)) for area in areas]


def _csv(*areas):
    sink = io.StringIO()
    table = csv.DictWriter(sink, list(reversed(NAMES)))
    table.writeheader()
    table.writerows(_houses(*areas))
    return sink.getvalue()


def test_one_house_is_answered_with_its_price_the_model_and_the_request_id(bench):
    answer = bench.post()
    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    body = answer.json
    assert body["model"] == {"name": "plain", "version": "1"}
    assert body["request_id"] == answer.headers["X-Request-ID"]
    (prediction,) = body["predictions"]
    assert prediction["price_dollars"] == 135_000.0
    assert UUID(prediction["id"]).version == 7


def test_answer_i_is_for_house_i(bench):
    areas = [1000, 3000, 2000, 1000, 500]
    answer = bench.post(_houses(*areas))
    assert [prediction["price_dollars"] for prediction in answer.json["predictions"]] == [
        100.0 * area for area in areas
    ]
    ids = [prediction["id"] for prediction in answer.json["predictions"]]
    assert ids == sorted(set(ids))


def test_csv_in_gives_csv_out_with_the_model_and_the_request_id_in_headers(bench):
    answer = bench.post(data=_csv(1000, 2000), content_type="text/csv", headers={"X-Request-ID": "r-1"})
    assert answer.status_code == 200
    assert answer.content_type == "text/csv; charset=utf-8; header=present"
    assert (answer.headers["X-Umbra-Model"], answer.headers["X-Request-ID"]) == ("plain@1", "r-1")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [float(row["price_dollars"]) for row in rows] == [100_000.0, 200_000.0]
    assert all(UUID(row["prediction_id"]) for row in rows)


@pytest.mark.parametrize(
    ("sent", "accept", "got"),
    [
        ("application/json", None, "application/json"),
        ("application/json", "*/*", "application/json"),
        ("application/json", "text/csv", "text/csv"),
        ("application/json", "text/csv;q=0.5, application/json", "application/json"),
        ("application/json; charset=UTF-8", "text/*", "text/csv"),
        ("text/csv", "*/*", "text/csv"),
        ("text/csv; charset=utf-8; header=present", "application/json, text/html;q=0.9", "application/json"),
    ],
)
def test_the_answer_has_the_kind_the_client_prefers(bench, sent, accept, got):
    body = json.dumps(_houses(1000)) if "json" in sent else _csv(1000)
    headers = {} if accept is None else {"Accept": accept}
    answer = bench.post(data=body, content_type=sent, headers=headers)
    assert answer.status_code == 200
    assert answer.mimetype == got


def test_captures_have_the_ids_prices_and_inputs_of_the_answer(bench):
    answer = bench.post(_houses(1000, 2000), headers={"X-Request-ID": "r-42"}).json
    assert bench.ingest() == 2
    for index, prediction in enumerate(answer["predictions"]):
        taken = bench.store.prediction(UUID(prediction["id"])).capture
        assert (taken.request_id, taken.row_index, taken.live) == ("r-42", index, ModelRef("plain", "1"))
        assert taken.prediction_dollars == prediction["price_dollars"] == [100_000.0, 200_000.0][index]
        assert taken.inputs == _houses(1000, 2000)[index]


def test_a_refused_request_leaves_no_capture(bench):
    assert bench.post([*_houses(1000), {"living_area": "big"}]).status_code == 422
    assert bench.ingest() == 0


@pytest.mark.parametrize("client_id", ["a", "A-Z.0_9:x", "x" * 128, "0198c0de-7a11-7000-8000-0123456789ab"])
def test_a_good_request_id_is_taken_over(bench, client_id):
    answer = bench.post(headers={"X-Request-ID": client_id})
    assert answer.headers["X-Request-ID"] == answer.json["request_id"] == client_id


@pytest.mark.parametrize("client_id", ["", "x" * 129, "a b", "é", 'a"b', "a\tb", "<script>"])
def test_a_bad_request_id_is_replaced(bench, client_id):
    answer = bench.post(headers={"X-Request-ID": client_id})
    assert answer.status_code == 200
    request_id = answer.headers["X-Request-ID"]
    assert request_id != client_id
    assert UUID(request_id).version == 7
    assert answer.json["request_id"] == request_id


class _Refusing:
    """A recorder whose journal takes nothing."""

    def __init__(self, reason):
        self.result = CaptureResult(reason)

    def record(self, **_):
        return self.result

    def close(self):
        """Nothing to close."""


@pytest.mark.parametrize("reason", ["full", "disk", "stalled", "closed"])
def test_a_capture_that_is_dropped_changes_no_status_and_no_byte_but_is_counted(bench, reason):
    components = replace(bench.app.extensions["umbra"], recorder=_Refusing(reason))
    client = build(components).test_client()
    dropped, taken = client.post("/v1/predictions", json=_houses(900, 1000)), bench.post(_houses(900, 1000))
    assert dropped.status_code == taken.status_code == 200
    assert _without_ids(dropped.json) == _without_ids(taken.json)
    assert set(dropped.headers.keys()) == set(taken.headers.keys())
    assert bench.value("umbra_captures_dropped_total", reason=reason) == 2
    assert bench.value("umbra_captures_written_total") == 2


def _without_ids(body):
    return [body["model"], [prediction["price_dollars"] for prediction in body["predictions"]]]


def test_requests_predictions_and_prices_are_counted(bench):
    bench.post(_houses(1000, 2000))
    bench.post({"nothing": 1})
    route = {"method": "POST", "route": "/v1/predictions"}
    assert bench.value("umbra_requests_total", status="200", **route) == 1
    assert bench.value("umbra_requests_total", status="422", **route) == 1
    assert bench.value("umbra_requests_refused_total", problem="invalid-rows") == 1
    assert bench.value("umbra_request_duration_seconds_count", route="/v1/predictions") == 2
    assert bench.value("umbra_predictions_total", role="live", model="plain@1") == 2
    assert bench.value("umbra_prediction_price_dollars_sum", role="live") == 300_000
    assert bench.value("umbra_prediction_duration_seconds_count", role="live") == 1
    assert bench.value("umbra_request_rows_sum") == 2
    assert bench.value("umbra_requests_in_flight") == 0


def test_a_made_up_path_or_method_makes_no_new_series(bench):
    for number in range(30):
        bench.client.get(f"/made-up-{number}")
        bench.client.open("/livez", method=f"VERB{number}")
    series = {
        sample.labels["route"] + sample.labels["method"]
        for family in bench.registry.collect()
        if family.name == "umbra_requests"
        for sample in family.samples
    }
    assert "unmatchedGET" in series
    assert not any("made-up" in name or "VERB" in name for name in series)


def test_a_model_that_answers_nonsense_is_our_fault_and_is_not_sent(bench):
    serving = bench.live.serving()
    for wrong in ([np.nan], [np.inf], [1.0, 2.0], []):
        scorer = lambda _, wrong=wrong: np.array(wrong)  # noqa: E731
        bench.live.swap(Serving(serving.deployment, replace(serving.model, scorer=scorer)))
        answer = bench.post()
        assert answer.status_code == 500
        assert answer.json["type"] == "urn:umbra:problem:internal"
    assert bench.ingest() == 0


def test_a_swap_between_two_requests_changes_model_and_price_together(bench):
    serving = bench.live.serving()
    first = bench.post().json
    twice = replace(serving.model, version="2", scorer=lambda matrix: 2 * serving.model.scorer(matrix))
    bench.live.swap(Serving(replace(serving.deployment, live=ModelRef("plain", "2")), twice))
    second = bench.post().json
    assert (first["model"]["version"], first["predictions"][0]["price_dollars"]) == ("1", 135_000.0)
    assert (second["model"]["version"], second["predictions"][0]["price_dollars"]) == ("2", 270_000.0)


def test_a_prediction_can_be_looked_up_with_its_observations(bench):
    answer = bench.post(_houses(1000, 2000), headers={"X-Request-ID": "r-9"}).json
    bench.ingest()
    first, second = (prediction["id"] for prediction in answer["predictions"])
    stored = bench.client.get(f"/v1/predictions/{second}").json
    assert stored["id"] == second
    assert stored["request_id"] == "r-9"
    assert stored["row_index"] == 1
    assert stored["model"] == {"name": "plain", "version": "1"}
    assert stored["price_dollars"] == 200_000.0
    assert stored["inputs"] == _houses(2000)[0]
    assert stored["captured_at"].startswith(capture_time(UUID(second)).isoformat()[:19])
    assert (stored["observations"], stored["outcome"]) == ([], None)
    assert bench.client.get(f"/v1/predictions/{first}").json["row_index"] == 0


def test_a_looked_up_prediction_shows_what_every_candidate_said_or_why_it_failed(bench):
    prediction = UUID(bench.post().json["predictions"][0]["id"])
    bench.ingest()
    bench.observe(
        ModelRef("gbm", "2"), NewObservation(prediction, prediction_dollars=140_000.0, latency_seconds=0.002)
    )
    bench.observe(ModelRef("gbm", "3"), NewObservation(prediction, reason="raised", detail="ValueError"))
    observations = bench.client.get(f"/v1/predictions/{prediction}").json["observations"]
    by_version = {
        observation["model"]["version"]: (
            observation["state"],
            observation["price_dollars"],
            observation["reason"],
        )
        for observation in observations
    }
    assert by_version == {"2": ("scored", 140_000.0, None), "3": ("failed", None, "raised")}
    assert all(observation["observed_at"] for observation in observations)


def test_an_id_nobody_has_is_404_and_says_that_it_may_still_come(bench):
    answer = bench.client.get("/v1/predictions/0198c0de-7a11-7000-8000-0123456789ab")
    assert answer.status_code == 404
    assert answer.json["type"] == "urn:umbra:problem:unknown-prediction"
    assert "on its way" in answer.json["detail"]


@pytest.mark.parametrize("wrong", ["1", "x" * 5000, "0198c0de7a1170008000 0123456789ab", "%00", "é", "{}"])
def test_an_id_that_is_none_is_400(bench, wrong):
    answer = bench.client.get(f"/v1/predictions/{wrong}")
    assert answer.status_code == 400
    assert answer.json["type"] == "urn:umbra:problem:invalid-identifier"
