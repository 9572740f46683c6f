"""JSON paths: what a path names, and that nothing is taken for one that is none."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from differential_tests.settings import json_path
from differential_tests.settings.json_path import InvalidPath

KEYS = st.one_of(
    st.text(), st.sampled_from(["a", "price", "0", "", "it's", "a.b", "[0]", "\\", "\n", "..", "*"])
)


@pytest.mark.parametrize(
    ("path", "meant", "not_meant"),
    [
        ("$", ["$"], ["$.a", "$[0]"]),
        ("$.a", ["$.a"], ["$", "$.b", "$.a.a", "$.A"]),
        ("$.a.b", ["$.a.b"], ["$.a", "$.b", "$.a.c.b"]),
        ("$.a[0]", ["$.a[0]"], ["$.a[1]", "$.a['0']", "$.a"]),
        ("$['a']", ["$.a"], ["$.b"]),
        ('$["request-id"]', ["$['request-id']"], ["$.request"]),
        ("$['it\\'s']", ["$['it\\'s']"], ["$.its"]),
        ("$['\\u000a\\t']", ["$['\\n\\t']"], ["$.n"]),
        ("$[*]", ["$[0]", "$[12]", "$.a"], ["$", "$[0].a"]),
        ("$.*", ["$[0]", "$.a"], ["$", "$.a.b"]),
        ("$.a[*].id", ["$.a[0].id", "$.a[9].id"], ["$.a.id", "$.b[0].id", "$.a[0].id.x"]),
        ("$..id", ["$.id", "$.a.id", "$[3].id", "$.id.id"], ["$.a", "$.id.a", "$.ids"]),
        ("$..['my id']", ["$['my id']", "$.a['my id']"], ["$.my"]),
        ("$..a.b", ["$.a.b", "$.x.a.b", "$.a.a.b"], ["$.a.x.b", "$.b"]),
        ("$.a..b", ["$.a.b", "$.a.x[0].b"], ["$.b", "$.x.b"]),
        ("$..a..b", ["$.a.b", "$.x.a.y.b"], ["$.b.a"]),
        ("$.größe", ["$.größe"], ["$.gr"]),
    ],
)
def test_a_path_means_these_places_and_not_those(path: str, meant: list[str], not_meant: list[str]) -> None:
    found = json_path.pattern(path)
    assert [place for place in meant if not found.matches(json_path.steps(place))] == []
    assert [place for place in not_meant if found.matches(json_path.steps(place))] == []


@pytest.mark.parametrize(
    "path",
    [
        "",
        "a",
        ".a",
        "a.b",
        "$a",
        "$.",
        "$..",
        "$...a",
        "$.a.",
        "$. a",
        "$.a b",
        "$ .a",
        "$..*",
        "$..[*]",
        "$..[0]",
        "$[]",
        "$[-1]",
        "$[01]",
        "$[1:2]",
        "$[0,1]",
        "$['a','b']",
        "$[?@.a]",
        "$[?(@.a > 1)]",
        "$['a",
        "$[a]",
        "$.1a",
        "$['a'",
        "$.a-b",
        "$.a\n",
        "@.a",
        "$.length()",
        "$['a\"]",
        "$.a[*",
        "$**",
    ],
)
def test_anything_else_is_refused_naming_the_path(path: str) -> None:
    with pytest.raises(InvalidPath) as refused:
        json_path.pattern(path)
    assert refused.value.path == path
    assert repr(path) in str(refused.value)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("$.meta.request-id", "['request-id']"),
        ("$..request-id", "['request-id']"),
        ("$.my key[0]", "['my key']"),
        ("$.1a", "['1a']"),
        ("$.it's", "['it\\'s']"),
    ],
)
def test_a_name_that_needs_brackets_is_told_how_to_write_it(path: str, name: str) -> None:
    with pytest.raises(InvalidPath) as refused:
        json_path.pattern(path)
    assert refused.value.expected.endswith(f" {name}")


@given(st.lists(st.one_of(KEYS, st.integers(0, 10**6)), max_size=5))
@settings(max_examples=200, deadline=None)
def test_every_place_is_a_path_that_means_it_alone(keys: list[str | int]) -> None:
    steps = [json_path.member(key) if isinstance(key, str) else json_path.element(key) for key in keys]
    place = json_path.ROOT + "".join(steps)
    assert json_path.steps(place) == steps
    assert json_path.pattern(place).matches(steps)
    assert not json_path.pattern(place).matches([*steps, ".a"])
    assert not steps or not json_path.pattern(place).matches(steps[:-1])


@given(KEYS, KEYS)
@settings(max_examples=200, deadline=None)
def test_two_names_are_never_written_alike(one: str, other: str) -> None:
    assert (json_path.member(one) == json_path.member(other)) == (one == other)


def test_the_examples_in_the_docstrings_are_true() -> None:
    result = doctest.testmod(json_path)
    assert result.attempted >= 3
    assert result.failed == 0
