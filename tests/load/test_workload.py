"""The workload: committed as it would be made now, its houses real ones, its mistakes mistakes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from load_tests import visits, workload
from load_tests.answers import fault, ids
from load_tests.workload import WorkloadRequest, filled, marker
from model_package import schema
from shadow import outcomes

NOW = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)
PLAN = workload.read()
ALL = [request for kind in PLAN.kinds for visit in kind.visits for request in visit]
ID = "0198c0de-7a11-7000-8000-0123456789ab"
ANSWER = {"predictions": [{"id": ID, "price_dollars": 1.5}, {"id": ID, "price_dollars": 2}]}


def parsed(request: WorkloadRequest) -> int:
    """How many houses or outcomes the API's own parsers find in a body; raises what they raise."""
    is_json = request.headers["Content-Type"] == "application/json"
    if request.path == visits.OUTCOMES:
        return len((outcomes.parse_json if is_json else outcomes.parse_csv)(request.body.encode(), 1000, NOW))
    return len((schema.parse_json if is_json else schema.parse_csv)(request.body.encode(), 1000).rows)


def with_ids(request: WorkloadRequest) -> WorkloadRequest:
    return filled(request, [ID] * visits.MOST_SOLD, NOW)


def test_the_committed_file_is_what_the_visits_say_now(tmp_path: Path) -> None:
    visits.main.main([str(tmp_path / "made.json")], standalone_mode=False)
    assert (tmp_path / "made.json").read_bytes() == workload.FILE.read_bytes(), visits.__doc__
    assert visits.workload() == PLAN


def test_what_is_to_be_answered_can_be_read_and_what_is_to_be_refused_cannot() -> None:
    for request in ALL:
        if request.checked != "type":
            assert parsed(with_ids(request)) == request.expected
        elif request.status != 415:
            wrong = schema.MalformedBody if request.status == 400 else schema.InvalidRows
            with pytest.raises(wrong):
                parsed(request)


def test_every_user_has_something_of_its_own_to_ask() -> None:
    assert {kind.name: kind.weight for kind in PLAN.kinds} == {
        "single": 16,
        "batch": 1,
        "csv": 1,
        "invalid": 1,
        "outcomes": 1,
    }
    houses = [
        row
        for request in ALL
        if request.checked in ("prices", "lines") and request.houses == 1
        for row in schema.parse_json(request.body.encode(), 1).rows
    ]
    assert len({json.dumps(house) for house in houses}) == len(houses) > 100


def test_an_outcome_is_of_a_house_priced_just_before_or_of_none() -> None:
    named = 0
    for visit in (visit for kind in PLAN.kinds for visit in kind.visits):
        assert marker(0) not in visit[0].body
        for priced, later in pairwise([visit[0], *visit[1:]]):
            named += marker(0) in later.body
            assert marker(visit[0].houses) not in later.body
            assert priced.path in (visits.PREDICTIONS, visits.OUTCOMES)
    names = {request.name for request in ALL}
    assert named > 10
    assert names >= {"sale", "correction", "withdrawal", "sale of no house", "table of sales"}


def test_markers_become_ids_and_the_day_in_utc() -> None:
    (request,) = [request for request in PLAN.kinds[-1].visits[1] if request.name == "correction"]
    outcomes = json.loads(with_ids(request).body)
    assert [(sale["prediction_id"], sale["sold_at"]) for sale in outcomes] == [(ID, "2026-11-21")]


# -- what is a right answer


def asked(told: str, expected: int | str, status: int = 200) -> WorkloadRequest:
    return WorkloadRequest("a", "POST", "/", {}, "", status, told, expected)


@pytest.mark.parametrize(
    ("request_", "right", "wrong"),
    [
        (asked("prices", 2), json.dumps(ANSWER), json.dumps(ANSWER).replace("1.5", "-1.5")),
        (asked("lines", 2), "id,price_dollars\r\na,1.5\r\nb,2\r\n", "id,price_dollars\r\na,1.5\r\nb\r\n"),
        (asked("accepted", 3), '{"accepted": 3}', '{"accepted": 2}'),
        (asked("type", "urn:x"), '{"type": "urn:x"}', '{"type": "urn:y"}'),
    ],
)
def test_the_right_answer_is_right_and_no_other(request_: WorkloadRequest, right: str, wrong: str) -> None:
    assert fault(request_, 200, right) is None
    for text in (wrong, "", "{}", "[]", "null", "<html>"):
        assert str(fault(request_, 200, text)).startswith(
            f"expected {request_.checked} {request_.expected}, got "
        )
    refusal = '{"type": "urn:y", "request_id": "another one each time"}'
    assert fault(request_, 503, refusal) == "expected status 200, got 503: urn:y"


def test_a_price_too_few_or_of_nothing_is_wrong() -> None:
    assert fault(asked("prices", 3), 200, json.dumps(ANSWER)) == "expected prices 3, got 2"
    assert fault(asked("lines", 1), 200, "prediction_id,price_dollars\r\na,0.0\r\n") is not None
    assert ids(json.dumps(ANSWER)) == [ID, ID]
