"""The mapping: what the section [service] says, refused where it cannot be right."""

from __future__ import annotations

from typing import Any

import pytest

from differential_tests.questions import Question
from differential_tests.settings.tolerances import InvalidTolerances
from differential_tests.sides import bodies, mapping, replies
from differential_tests.sides.mapping import RequestMapping, ResponseMapping
from differential_tests.sides.replies import Unanswered

ROWS = [
    Question("r1", "given", row={"area": 70, "zone": "a"}),
    Question("r2", "given", row={"zone": "b", "area": None}),
]
NESTED = {"a": [{"it's": {"b c": 7}}], "0": 8, "x": None}


@pytest.mark.parametrize(
    ("key", "section"),
    [
        ("service.metod", {"metod": "POST"}),
        ("service.method", {"method": "DELETE"}),
        ("service.request.rows", {"request": {"rows": []}}),
        ("service.request", {"request": 7}),
        ("service.request", {"request": {"one": "", "many": ""}}),
        ("service.request.many", {"request": {"many": {"in": ["$row"]}}}),
        ("service.response.many", {"response": {"many": "predictions"}}),
        ("service.response.id", {"response": {"id": "$..id"}}),
        ("service.response.code", {"response": {"code": "$.errors[*].code"}}),
        ("service.headers.X", {"headers": {"X": 7}}),
        ("service.b", {"b": 7}),
        ("service.c", {"c": {"path": "/"}}),
        ("service.path", {"b": {"path": 7}}),
        ("service.path", {"path": "v1/predictions"}),
        ("service.path", {"path": "/v1/predictions?key=7"}),
        ("service.path", {"path": "/v1/\n"}),
        ("service.about.path", {"about": {"path": "v1/models"}}),
    ],
)
def test_what_cannot_be_right_is_refused_with_its_key(key: str, section: dict[str, Any]):
    with pytest.raises(InvalidTolerances) as told:
        mapping.read(section, "b")
    assert told.value.key == key
    assert told.value.expected


def test_without_a_section_it_is_umbra():
    service = mapping.read({}, "a")
    assert (service.method, service.path, service.response.many) == (
        "POST",
        "/v1/predictions",
        "$.predictions",
    )


def test_each_side_has_its_own_over_what_both_share():
    section = {
        "path": "/both",
        "headers": {"A": "1", "B": "1"},
        "request": {"one": {"x": "$row"}, "id": "n"},
        "b": {"path": "/b", "headers": {"B": "2"}, "request": {"one": {"y": "$row"}}},
    }
    a, b = mapping.read(section, "a"), mapping.read(section, "b")
    assert (a.path, a.headers, a.request.single) == ("/both", {"A": "1", "B": "1"}, {"x": "$row"})
    assert (b.path, b.headers, b.request.single) == ("/b", {"A": "1", "B": "2"}, {"y": "$row"})
    assert a.request.id == b.request.id == "n"


@pytest.mark.parametrize(
    ("request_terms", "asked", "body"),
    [
        ({}, ROWS, b'[{"area": 70, "zone": "a"}, {"zone": "b", "area": null}]'),
        ({}, ROWS[:1], b'{"area": 70, "zone": "a"}'),
        ({"one": ""}, ROWS[:1], b'[{"area": 70, "zone": "a"}]'),
        ({"one": {"x": [1, "$cells"]}}, ROWS[:1], b'{"x": [1, [70, "a"]]}'),
        ({"many": ["$names", "$table"]}, ROWS, b'[["area", "zone"], [[70, "a"], [null, "b"]]]'),
        ({"many": "$table", "columns": ("zone", "none")}, ROWS, b'[["a", null], ["b", null]]'),
        ({"fields": {"area": "LotArea"}, "id": "n"}, ROWS[:1], b'{"LotArea": 70, "zone": "a", "n": "r1"}'),
        ({"one": "$table", "columns": ("area",), "fields": {"area": "LotArea"}}, ROWS[:1], b"[[70]]"),
        ({"one": "about $row"}, ROWS[:1], b'"about $row"'),
    ],
)
def test_rows_become_the_body_that_the_template_says(request_terms, asked, body):
    assert bodies.body(asked, RequestMapping(**request_terms)).data == body


def test_where_a_service_takes_one_row_each_is_asked_alone():
    assert [len(group) for group in bodies.requests(ROWS, RequestMapping(many=""))] == [1, 1]
    assert [len(group) for group in bodies.requests(ROWS, RequestMapping())] == [2]


@pytest.mark.parametrize(
    ("text", "data"),
    [("ü", b"\xc3\xbc"), ("a\udcffb", b"a\xffb"), ("a\ud800b", b"a\xed\xa0\x80b")],
)
def test_a_body_may_be_no_utf_8(text, data):
    assert bodies.body([Question("b", "malformed", body=text)], RequestMapping()).data == data


@pytest.mark.parametrize(
    ("place", "found"),
    [("$.a[0]['it\\'s']['b c']", 7), ("$['0']", 8), ("$", NESTED), ("", NESTED), ("$.x", None)],
)
def test_a_value_is_found_at_its_place(place, found):
    assert mapping.value_at(place, NESTED) == found


@pytest.mark.parametrize("place", ["$.b", "$.a[1]", "$.a.b", "$[0]", "$.x.y"])
def test_nothing_is_found_where_nothing_is(place):
    with pytest.raises(LookupError):
        mapping.value_at(place, NESTED)


def read(said: bytes, response: ResponseMapping, rows: int | None = 2) -> list[tuple[str, Any]]:
    asked = ROWS[: rows or 1]
    found = replies.read(asked, rows, 200, said, response).answers
    return [(one.failure, one.value) for one in found]


BY_ID = ResponseMapping(many="$", id="$.n", omit=("n",))


def test_answers_with_ids_are_joined_by_them():
    assert read(b'[{"n": "r1", "p": 1}, {"n": "r2", "p": 2}]', BY_ID) == [("", {"p": 1}), ("", {"p": 2})]


def test_a_row_that_is_dropped_doubled_or_moved_is_seen():
    assert read(b'[{"n": "r2", "p": 2}]', BY_ID) == [("row-missing", None), ("", {"p": 2})]
    doubled = b'[{"n": "r1", "p": 1}, {"n": "r1", "p": 1}, {"n": "r2", "p": 2}]'
    assert read(doubled, BY_ID) == [("row-doubled", None), ("", {"p": 2})]
    moved = b'[{"n": "r2", "p": 2}, {"n": "r1", "p": 1}]'
    assert read(moved, BY_ID) == [("row-order", None), ("row-order", None)]
    free = BY_ID.model_copy(update={"ordered": False})
    assert read(moved, free) == [("", {"p": 1}), ("", {"p": 2})]


def test_answers_to_rows_nobody_asked_about_are_seen():
    strange = b'[{"n": "r1", "p": 1}, {"n": "r2", "p": 2}, {"n": "r3", "p": 3}]'
    with pytest.raises(Unanswered, match=r"row-extra: .*r3"):
        read(strange, BY_ID)


def test_one_answer_may_be_elsewhere_and_may_be_a_list():
    response = ResponseMapping(one="$.shares", many="")
    assert read(b'{"shares": [0.1, 0.9]}', response, rows=1) == [("", [0.1, 0.9])]


def test_where_no_code_is_known_a_refusal_need_not_be_json():
    (found,) = replies.read(ROWS[:1], 1, 404, b"Not Found", ResponseMapping(code="")).answers
    assert (found.status, found.code, found.value, found.failure) == (404, "", {}, "")
