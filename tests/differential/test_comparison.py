"""Comparison: whatever is different between two runs is found and named, and nothing else is."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from differential_tests.comparison import compare
from differential_tests.comparison.table import AnswerTable, table
from differential_tests.findings import Check, Finding, FindingKind
from differential_tests.run_file import RunHeader, SideAnswer
from differential_tests.settings import tolerances

EXACT = tolerances.parse("")
HEADER = RunHeader("a", "0" * 64, "2026-01-01T00:00:00Z")
TEN = range(10)

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.integers(2**53 - 2, 2**53 + 2),
    st.sampled_from([2**63, 10**30, -(10**400)]),
    st.sampled_from([0.0, -0.0, 1.0, float(2**53), 5e-324, 1.7e308, -1.7e308, 1e30]),
    st.floats(),
    st.sampled_from(["", "1", "NaN", "null", "true", "a"]),
)
VALUES = st.recursive(
    LEAVES,
    lambda parts: st.one_of(
        st.lists(parts, max_size=3), st.dictionaries(st.sampled_from("ab0"), parts, max_size=3)
    ),
    max_leaves=6,
)


def priced(row: int) -> SideAnswer:
    """Build an answer with values of every type; every third is a refusal."""
    if row % 3 == 2:
        told = {"errors": [{"row": row, "field": "living_area", "got": -1}]}
        return SideAnswer(f"r{row}", "malformed", "refused", 422, "invalid-rows", told)
    value = {
        "price_dollars": 100_000.0 + row,
        "parts": [{"name": "land", "dollars": 10_000 * row}, {"name": "house", "dollars": 1.5}],
        "fine": True,
        "note": None,
        "none": [],
        "nan": math.nan,
        "big": 2**60 + row,
        "infinite": math.inf,
    }
    return SideAnswer(f"r{row}", "ordinary", f"s{row % 2}", 200, value=value)


def asked(answers: Iterable[SideAnswer], ignore: Iterable[str] = ()) -> AnswerTable:
    return table(answers, ignore, HEADER)


def of_values(*values: Any) -> AnswerTable:
    return asked(
        SideAnswer(f"r{row}", "ordinary", status=200, value=value) for row, value in enumerate(values)
    )


def found(
    a: AnswerTable, b: AnswerTable, wanted: tolerances.Tolerances = EXACT
) -> list[tuple[FindingKind, str, str]]:
    return [(one.kind, one.row, one.path) for one in compared(a, b, wanted).findings]


def compared(a: AnswerTable, b: AnswerTable, wanted: tolerances.Tolerances = EXACT) -> Check:
    check = compare(a, b, wanted, clock=lambda: 0.0)
    assert check.error == ""
    return check


def changed(path: list[str | int], value: Any) -> Callable[[SideAnswer], SideAnswer]:
    """With another value at one place."""

    def change(answer: SideAnswer) -> SideAnswer:
        told = copy.deepcopy(answer.value)
        holder = told
        for step in path[:-1]:
            holder = holder[step]
        if value is _GONE:
            del holder[path[-1]]
        else:
            holder[path[-1]] = value
        return replace(answer, value=told)

    return change


_GONE = object()
PLANTED = [
    (FindingKind.NUMBER, "$.price_dollars", changed(["price_dollars"], 100_000.5)),
    (FindingKind.NUMBER, "$.price_dollars", changed(["price_dollars"], 0)),
    (FindingKind.NUMBER, "$.parts[1].dollars", changed(["parts", 1, "dollars"], math.nextafter(1.5, 2))),
    (FindingKind.NUMBER, "$.big", changed(["big"], 2**60 - 1)),
    (FindingKind.SIGN, "$.price_dollars", changed(["price_dollars"], -100_000.0)),
    (FindingKind.NAN, "$.price_dollars", changed(["price_dollars"], math.nan)),
    (FindingKind.NAN, "$.nan", changed(["nan"], 0.0)),
    (FindingKind.NAN, "$.infinite", changed(["infinite"], math.nan)),
    (FindingKind.INFINITE, "$.price_dollars", changed(["price_dollars"], math.inf)),
    (FindingKind.INFINITE, "$.infinite", changed(["infinite"], -math.inf)),
    (FindingKind.INFINITE, "$.infinite", changed(["infinite"], 1e308)),
    (FindingKind.TYPE, "$.price_dollars", changed(["price_dollars"], "100000.0")),
    (FindingKind.TYPE, "$.price_dollars", changed(["price_dollars"], None)),
    (FindingKind.TYPE, "$.price_dollars", changed(["price_dollars"], False)),
    (FindingKind.TYPE, "$.fine", changed(["fine"], 1)),
    (FindingKind.TYPE, "$.note", changed(["note"], [])),
    (FindingKind.TYPE, "$.none", changed(["none"], {})),
    (FindingKind.TYPE, "$.nan", changed(["nan"], None)),
    (FindingKind.TYPE, "$.nan", changed(["nan"], "NaN")),
    (FindingKind.TYPE, "$.big", changed(["big"], str(2**60))),
    (FindingKind.TEXT, "$.fine", changed(["fine"], False)),
    (FindingKind.TEXT, "$.parts[0].name", changed(["parts", 0, "name"], "Land")),
    (FindingKind.PATH, "$.note", changed(["note"], _GONE)),
    (FindingKind.PATH, "$.none", changed(["none"], _GONE)),
    (FindingKind.PATH, "$.parts[1].name", changed(["parts", 1, "name"], _GONE)),
    (FindingKind.PATH, "$['new one']", changed(["new one"], None)),
    (FindingKind.PATH, "$.parts[1].extra", changed(["parts", 1, "extra"], 0)),
    (FindingKind.REFUSAL, "", lambda answer: replace(answer, status=500)),
    (FindingKind.REFUSAL, "", lambda answer: replace(answer, status=422, code="another")),
    (FindingKind.FAILURE, "", lambda answer: replace(answer, code="unreadable")),
    (FindingKind.FAILURE, "", lambda answer: replace(answer, failure="timeout", value=None, status=0)),
]


@pytest.mark.parametrize(("kind", "path", "change"), PLANTED)
def test_a_single_change_is_found_in_whichever_row_it_is_and_named(
    kind: FindingKind, path: str, change: Callable[[SideAnswer], SideAnswer]
) -> None:
    before = [priced(row) for row in TEN]
    answered = [row for row in TEN if row % 3 != 2]
    for row in answered:
        after = [*before[:row], change(before[row]), *before[row + 1 :]]
        assert found(asked(before), asked(after)) == [(kind, f"r{row}", path)]
        assert found(asked(after), asked(before)) == [(kind, f"r{row}", path)]


@pytest.mark.parametrize("row", TEN)
def test_a_row_that_is_missing_extra_or_doubled_is_found(row: int) -> None:
    whole = [priced(one) for one in TEN]
    less = [*whole[:row], *whole[row + 1 :]]
    assert found(asked(whole), asked(less)) == [(FindingKind.MISSING, f"r{row}", "")]
    assert found(asked(less), asked(whole)) == [(FindingKind.EXTRA, f"r{row}", "")]
    assert found(asked(whole), asked([*whole, whole[row]])) == [(FindingKind.DOUBLED, f"r{row}", "")]
    assert found(asked([*whole, whole[row]]), asked(whole)) == [(FindingKind.DOUBLED, f"r{row}", "")]


def test_a_row_that_is_there_twice_on_both_sides_is_a_finding() -> None:
    twice = asked([priced(0), priced(1), priced(0)])
    assert found(twice, twice) == [(FindingKind.DOUBLED, "r0", "")]


def test_of_a_row_that_is_there_twice_the_first_answer_is_compared() -> None:
    answers = [SideAnswer("r0", "ordinary", status=200, value=price) for price in (1.0, 2.0)]
    once = compared(asked(answers[:1]), asked(answers))
    assert [(one.kind, one.a, one.b) for one in once.findings] == [(FindingKind.DOUBLED, 1, 2)]
    assert found(asked(answers[1:]), asked(answers)) == [
        (FindingKind.DOUBLED, "r0", ""),
        (FindingKind.NUMBER, "r0", "$"),
    ]


def test_a_row_that_both_sides_failed_to_answer_is_a_finding() -> None:
    lost = SideAnswer("r0", "ordinary", failure="unreachable", detail="refused on port 1")
    half = asked([lost, SideAnswer("r1", "ordinary", status=200, value=1.0)])
    (finding,) = compared(half, half).findings
    assert (finding.kind, finding.a, finding.b) == (FindingKind.FAILURE, "unreachable", "unreachable")
    assert finding.detail == "a: refused on port 1; b: refused on port 1"


def test_the_body_of_a_refusal_is_compared_when_both_refuse_alike() -> None:
    other = changed(["errors", 0, "field"], "lot_area")(priced(2))
    assert found(asked([priced(2)]), asked([other])) == [(FindingKind.TEXT, "r2", "$.errors[0].field")]


def test_what_is_there_on_one_side_only_says_on_which_even_if_it_is_null() -> None:
    a, b = of_values({"p": 1, "x": None}), of_values({"p": 1, "y": None})
    told = [(one.path, one.a, one.b, one.detail) for one in compared(a, b).findings]
    assert told == [("$.x", None, None, "only in a"), ("$.y", None, None, "only in b")]


def same(one: Any, other: Any) -> bool:
    """Another way to say that two values are the same JSON, exactly."""
    if isinstance(one, bool) or isinstance(other, bool) or one is None or other is None:
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other or (one != one and other != other)  # noqa: PLR0124 (NaN)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


@given(VALUES, VALUES)
@settings(max_examples=200, deadline=None)
def test_of_any_two_values_there_are_findings_exactly_if_they_are_not_the_same(one: Any, other: Any) -> None:
    assert (found(of_values(one), of_values(other)) == []) == same(one, other)


@given(st.lists(VALUES, min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
def test_any_run_is_the_same_as_itself_read_again_from_its_file(values: list[Any]) -> None:
    again = json.loads(json.dumps(values))
    assert found(of_values(*values), of_values(*again)) == []


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=5), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_neither_the_order_of_rows_nor_that_of_keys_matters(pairs: list[Any], random: Any) -> None:
    def shuffled(side: int) -> AnswerTable:
        rows = list(enumerate(pairs))
        random.shuffle(rows)
        return asked(
            SideAnswer(f"r{row}", "ordinary", status=200, value=reordered(pair[side])) for row, pair in rows
        )

    def reordered(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: reordered(value[key]) for key in random.sample(sorted(value), len(value))}
        return [reordered(one) for one in value] if isinstance(value, list) else value

    straight = compared(of_values(*(one for one, _ in pairs)), of_values(*(other for _, other in pairs)))
    other = compared(shuffled(0), shuffled(1))
    assert repr(other) == repr(straight)


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
def test_compared_the_other_way_round_the_same_is_found_with_the_other_sign(pairs: list[Any]) -> None:
    a, b = of_values(*(one for one, _ in pairs)), of_values(*(other for _, other in pairs))

    def told(finding: Finding, turned: bool) -> str:
        size = finding.difference
        if turned:
            return repr((finding.kind, finding.row, finding.path, finding.b, finding.a, size and -size))
        return repr((finding.kind, finding.row, finding.path, finding.a, finding.b, size))

    there, back = compared(a, b), compared(b, a)
    assert sorted(told(one, False) for one in there.findings) == sorted(
        told(one, True) for one in back.findings
    )
    assert there.spreads == back.spreads


@pytest.mark.parametrize("ignored", ["$.meta", "$..id", "$.meta.*", "$.meta.id"])
def test_what_is_ignored_is_not_compared_with_all_that_is_below_it(ignored: str) -> None:
    def side(name: str, meta: Any) -> AnswerTable:
        return asked([SideAnswer("r0", "o", status=200, value={"p": name, "meta": meta})], [ignored])

    assert found(side("x", {"id": 1}), side("x", {"id": {"deep": [2]}})) == []
    assert found(side("x", {"id": 1}), side("x", {})) == []
    assert found(side("x", {"id": 1}), side("y", {"id": 1})) == [(FindingKind.TEXT, "r0", "$.p")]


def test_an_empty_list_is_not_a_missing_one_and_a_missing_element_is_found() -> None:
    assert found(of_values({"a": []}), of_values({})) == [
        (FindingKind.PATH, "r0", "$"),
        (FindingKind.PATH, "r0", "$.a"),
    ]
    assert found(of_values({"a": [], "b": 1}), of_values({"b": 1})) == [(FindingKind.PATH, "r0", "$.a")]
    assert found(of_values({"a": [1, 2]}), of_values({"a": [1]})) == [(FindingKind.PATH, "r0", "$.a[1]")]


def test_findings_come_by_weight_rows_first_then_the_largest_differences() -> None:
    a = asked([*(priced(row) for row in TEN), SideAnswer("x", "o"), SideAnswer("y", "o", status=200)])
    factors = {0: 1.001, 1: 1.5, 3: 0.5, 4: 1.2}
    b = [
        changed(["price_dollars"], priced(row).value["price_dollars"] * factors[row])(priced(row))
        if row in factors
        else priced(row)
        for row in TEN
        if row != 9
    ]
    b[6] = changed(["fine"], 1)(b[6])
    told = found(a, asked([*b, SideAnswer("x", "o"), SideAnswer("y", "o", status=503)]))
    assert told == [
        (FindingKind.MISSING, "r9", ""),
        (FindingKind.REFUSAL, "y", ""),
        (FindingKind.TYPE, "r6", "$.fine"),
        (FindingKind.NUMBER, "r3", "$.price_dollars"),
        (FindingKind.NUMBER, "r1", "$.price_dollars"),
        (FindingKind.NUMBER, "r4", "$.price_dollars"),
        (FindingKind.NUMBER, "r0", "$.price_dollars"),
    ]


def test_a_number_is_told_with_its_difference_in_its_unit_and_in_percent_and_its_segment() -> None:
    a = asked([SideAnswer("r0", "o", "north", 200, value={"p": 80.0})])
    b = asked([SideAnswer("r0", "o", "north", 200, value={"p": 100.0})])
    assert compared(a, b).findings == (
        Finding(FindingKind.NUMBER, "r0", "$.p", 80.0, 100.0, 20.0, 20.0, "north"),
    )


def test_a_table_is_as_large_as_what_was_answered_whatever_its_form() -> None:
    every_row_its_own_key = [{f"house {row}": 1.0} for row in range(3000)]
    columns = of_values(*every_row_its_own_key).columns.values()
    entries = sum(one.rows.nbytes + one.types.nbytes + one.numbers.nbytes for one in columns)
    assert entries == 3000 * (4 + 1 + 8)


def test_a_value_nested_as_deep_as_python_reads_it_is_compared() -> None:
    deep: Any = 1.0
    for _ in range(900):
        deep = [deep]
    other = json.loads(json.dumps(deep).replace("1.0", "2.0"))
    ((kind, _, path),) = found(of_values(deep), of_values(other))
    assert (kind, path) == (FindingKind.NUMBER, "$" + "[0]" * 900)
