"""The reader of KQL that the other tests trust."""

from __future__ import annotations

import pytest
from reading import kql

X, Y = {"match": {"a": "x"}}, {"match": {"a": "y"}}
HIGH = {"range": {"a": {"gte": 4}}}
LOW = {"range": {"b": {"lt": -0.5}}}


def either(*parts: kql.Query) -> kql.Query:
    return {"bool": {"should": list(parts), "minimum_should_match": 1}}


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("", {"match_all": {}}),
        ("a.b: *", {"exists": {"field": "a.b"}}),
        ('a: "x y"', {"match_phrase": {"a": "x y"}}),
        ("a: (x or y)", either(X, Y)),
        ("not a: x", {"bool": {"must_not": [X]}}),
        ("a >= 4 and b < -0.5", {"bool": {"filter": [HIGH, LOW]}}),
        ("a: x or a: y and a >= 4", either(X, {"bool": {"filter": [Y, HIGH]}})),
        ("(a: x or a: y) and a >= 4", {"bool": {"filter": [either(X, Y), HIGH]}}),
    ],
)
def test_kql_is_read_as_kibana_reads_it(text: str, query: kql.Query) -> None:
    assert kql.read(text).query == query


def test_a_query_names_its_fields() -> None:
    assert kql.read("a: x or not (b.c >= 1 and d: *)").fields == {"a", "b.c", "d"}


@pytest.mark.parametrize("text", ["a:", "a: x b: y", "a: (x or", "a", "and a: x", "a = 4", "a: x*"])
def test_kql_that_is_not_understood_is_an_error(text: str) -> None:
    with pytest.raises(kql.NotUnderstood):
        kql.read(text)
