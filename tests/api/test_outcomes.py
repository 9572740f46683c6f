"""POST /v1/outcomes: taken when the journal has them; GET tells what is known. And which house it was."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from threading import Event

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from patience import PATIENCE_SECONDS

from api.app import build
from model_package.schema import EXAMPLE, NAMES
from shadow.bounded import NotAnswered, Refreshed
from shadow.journal import journal_file
from shadow.journal.capture_result import CaptureResult
from shadow.journal.recorder import open_recorder
from shadow.outcomes import EXPECTED
from shadow.store import StoreUnavailable

DAY = "2026-01-31"


def _priced(bench, *houses):
    answer = bench.post(list(houses) or [dict(EXAMPLE)])
    assert answer.status_code == 200, answer.text
    return [prediction["id"] for prediction in answer.json["predictions"]]


def _report(bench, rows, **more):
    return bench.client.post("/v1/outcomes", **({"json": rows} | more))


def _sale(name, price=183_000, **more):
    return {"prediction_id": name, "price_dollars": price, "sold_at": DAY} | more


def _problem(answer, status, code):
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    assert answer.json["type"] == f"urn:umbra:problem:{code}"
    assert answer.json["request_id"] == answer.headers["X-Request-ID"]
    return answer.json


def _shown(bench, name):
    answer = bench.client.get(f"/v1/predictions/{name}")
    assert answer.status_code == 200, answer.text
    return answer.json


def test_outcomes_are_acknowledged_with_counts_and_stored(bench):
    first, second, third = _priced(bench, *[dict(EXAMPLE)] * 3)
    rows = [
        _sale(first, source="registry"),
        {"prediction_id": second, "state": "withdrawn"},
        _sale(third),
        _sale(first, 190_000),
    ]
    answer = _report(bench, rows, headers={"X-Request-ID": "r-7"})
    assert answer.status_code == 202
    assert answer.json == {"request_id": "r-7", "accepted": 4, "sold": 3, "withdrawn": 1, "repeated": 1}
    assert bench.ingest() == 3 + 4
    stored = _shown(bench, first)
    assert stored["outcome"] == stored["outcome_history"][0]
    assert [outcome["price_dollars"] for outcome in stored["outcome_history"]] == [190_000, 183_000]
    assert [outcome["source"] for outcome in stored["outcome_history"]] == [None, "registry"]
    assert stored["outcome"]["sold_at"] == "2026-01-31T00:00:00+00:00"
    assert stored["outcome"]["received_at"] <= stored["outcome"]["recorded_at"]
    assert _shown(bench, second)["outcome"]["state"] == "withdrawn"
    known = bench.client.get("/v1/outcomes").json
    assert datetime.fromisoformat(known.pop("counted_at")) <= datetime.now(UTC)
    assert known == {"matched": 3, "sold": 2, "withdrawn": 1, "unmatched": 0, "corrections": 1}


def test_one_outcome_alone_and_a_table_are_taken_too(bench):
    first, second = _priced(bench, dict(EXAMPLE), dict(EXAMPLE))
    assert _report(bench, _sale(first)).json["accepted"] == 1
    table = f"prediction_id,price_dollars,sold_at,state\r\n{second},,,withdrawn\r\n{first},5e5,{DAY},sold\r\n"
    answer = _report(bench, None, json=None, data=table, content_type="text/csv; charset=utf-8")
    assert (answer.status_code, answer.json["accepted"], answer.json["withdrawn"]) == (202, 2, 1)
    bench.ingest()
    assert _shown(bench, first)["outcome"]["price_dollars"] == 500_000


def test_a_prediction_without_an_outcome_says_so(bench):
    (name,) = _priced(bench)
    bench.ingest()
    stored = _shown(bench, name)
    assert (stored["outcome"], stored["outcome_history"], stored["entity_id"]) == (None, [], None)


def test_an_unknown_prediction_is_kept_and_counted_as_unmatched(bench):
    assert _report(bench, _sale("0198c0de-7a11-7000-8000-0123456789ab")).status_code == 202
    bench.ingest()
    known = bench.client.get("/v1/outcomes").json
    assert (known["matched"], known["unmatched"]) == (0, 1)


def test_one_wrong_row_refuses_all_and_every_fault_is_named(bench):
    (name,) = _priced(bench)
    rows = [_sale(name), _sale(name, -5, colour="red"), {"prediction_id": "x", "state": "withdrawn"}]
    body = _problem(_report(bench, rows), 422, "invalid-rows")
    assert [(fault["row"], fault["field"]) for fault in body["errors"]] == [
        (1, "colour"),
        (1, "price_dollars"),
        (2, "prediction_id"),
    ]
    assert all(fault["expected"] and fault["got"] for fault in body["errors"])
    assert bench.ingest() == 1


@pytest.mark.parametrize(
    ("given_", "status", "code"),
    [
        ({"data": b"[", "content_type": "application/json"}, 400, "malformed-body"),
        ({"data": b"[]", "content_type": "application/json"}, 422, "invalid-rows"),
        ({"data": b" " * 100_001, "content_type": "application/json"}, 413, "body-too-large"),
        ({"data": b"[{}" + b",{}" * 50 + b"]", "content_type": "application/json"}, 413, "too-many-rows"),
        ({"data": b"[{}]", "content_type": "text/plain"}, 415, "unsupported-content"),
        ({"data": b"", "content_type": "text/csv"}, 400, "malformed-body"),
        ({"data": b"a,b\n1,2\n", "content_type": "text/csv"}, 422, "invalid-rows"),
    ],
)
def test_other_bodies_are_refused_as_they_are_for_predictions(bench, given_, status, code):
    _problem(bench.client.post("/v1/outcomes", **given_), status, code)
    assert bench.value("umbra_requests_refused_total", problem=code) == 1
    assert bench.value("umbra_requests_total", method="POST", route="/v1/outcomes", status=str(status)) == 1


def test_there_is_nothing_else_to_do_with_outcomes(bench):
    answer = bench.client.delete("/v1/outcomes")
    _problem(answer, 405, "method-not-allowed")
    assert {"GET", "POST"} <= set(answer.headers["Allow"].split(", "))


def test_what_a_full_journal_cannot_take_is_refused_and_may_be_sent_again(bench):
    names = _priced(bench, *[dict(EXAMPLE)] * 2)
    small = open_recorder(
        replace(bench.settings, journal_max_bytes=journal_file.size_bytes(bench.settings.journal_dir))
    )
    bench.client = build(replace(bench.app.extensions["umbra"], recorder=small)).test_client()
    answer = _report(bench, [_sale(name) for name in names])
    body = _problem(answer, 503, "outcome-not-kept")
    assert "send all of them again" in body["detail"]
    assert int(answer.headers["Retry-After"]) > 0
    assert bench.value("umbra_captures_dropped_total", reason="full") == 0
    bench.client = bench.app.test_client()
    assert _report(bench, [_sale(name) for name in names]).status_code == 202
    bench.ingest()
    assert bench.client.get("/v1/outcomes").json["matched"] == 2


class _Slow:
    """A recorder whose disk is still at it."""

    def record_outcomes(self, _request_id, _outcomes):
        return CaptureResult.LATE


def test_what_is_late_is_not_acknowledged(bench):
    bench.client = build(replace(bench.app.extensions["umbra"], recorder=_Slow())).test_client()
    _problem(_report(bench, _sale("0198c0de-7a11-7000-8000-0123456789ab")), 503, "outcome-not-kept")


def test_the_line_of_a_report_names_the_houses_it_is_about(bench, caplog):
    caplog.set_level("INFO")
    names = _priced(bench, *[dict(EXAMPLE)] * 25)
    caplog.clear()
    _report(bench, [_sale(name) for name in names])
    (record,) = [record for record in caplog.records if record.getMessage() == "request"]
    assert record.fields["rows"] == 25
    assert record.fields["capture_ids"] == names[:20]


def test_no_price_source_or_entity_reaches_a_log_line(bench, caplog):
    caplog.set_level("DEBUG")
    names = _priced(bench, dict(EXAMPLE, entity_id="house-of-somebody"))
    _report(bench, [_sale(names[0], 987_654, source="somebody")])
    _report(bench, [_sale(names[0], "987654", source="some\nbody")])
    bench.ingest()
    _shown(bench, names[0])
    logged = " ".join(str(vars(record)) for record in caplog.records)
    assert "outcomes_stored" in logged
    for private in ("987654", "987_654", "somebody", "some\\nbody"):
        assert private not in logged


values = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70) | st.just([]) | st.just({})
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.dictionaries(st.sampled_from([*EXPECTED]), values), max_size=3))
def test_whatever_is_reported_is_never_answered_with_a_fault_of_ours(bench, rows):
    answer = bench.client.post("/v1/outcomes", data=json.dumps(rows), content_type="application/json")
    assert answer.status_code in (400, 422)


# -- which house it was


def test_who_asks_may_say_which_house_it_is_and_the_models_do_not_see_it(bench):
    first, second = _priced(bench, dict(EXAMPLE, entity_id="parcel-7.B_x"), dict(EXAMPLE))
    lines = [",".join([*NAMES, "entity_id"])]
    lines += [",".join([*(str(EXAMPLE[name]) for name in NAMES), name_]) for name_ in ("parcel-7.B_x", "")]
    answer = bench.post(
        data="\n".join(lines), content_type="text/csv", headers={"Accept": "application/json"}
    )
    third, fourth = (prediction["id"] for prediction in answer.json["predictions"])
    bench.ingest()
    for name, entity in ((first, "parcel-7.B_x"), (second, None), (third, "parcel-7.B_x"), (fourth, None)):
        stored = _shown(bench, name)
        assert (stored["entity_id"], stored["inputs"]) == (entity, EXAMPLE)


@pytest.mark.parametrize("given_", ["", " ", "a b", "a:b", "x" * 65, "é", 5, True, [], "a\n"])
def test_a_name_that_is_none_is_refused(bench, given_):
    body = _problem(bench.post([dict(EXAMPLE), dict(EXAMPLE, entity_id=given_)]), 422, "invalid-rows")
    (fault,) = body["errors"]
    assert (fault["row"], fault["field"]) == (1, "entity_id")
    assert "A-Z" in fault["expected"]


def test_a_name_that_comes_twice_is_a_fault(bench):
    twice = json.dumps(dict(EXAMPLE, entity_id="a"))[:-1] + ', "entity_id": "b"}'
    body = _problem(bench.post(data=twice, content_type="application/json"), 422, "invalid-rows")
    assert [(fault["field"], fault["got"]) for fault in body["errors"]] == [("entity_id", "2 times")]


# -- counting, which may take long


def test_while_it_is_counted_the_last_count_is_given_and_nothing_waits():
    going, clock = Event(), iter(range(1000))
    counts = iter([1, 2])

    def ask():
        going.wait(PATIENCE_SECONDS)
        return next(counts)

    count = Refreshed(ask, wait_seconds=0.01, clock=lambda: next(clock))
    with pytest.raises(NotAnswered):
        count.latest()
    going.set()
    count._refresh.result_within(PATIENCE_SECONDS, "the count")
    assert count.latest() == 1  # it took long, so it is not counted again at once


def test_a_count_that_failed_is_tried_again():
    answers = iter([StoreUnavailable("away"), 5])

    def ask():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    count = Refreshed(ask, wait_seconds=20, clock=lambda: 0.0)
    with pytest.raises(StoreUnavailable):
        count.latest()
    assert count.latest() == 5
