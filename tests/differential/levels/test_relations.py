"""Relations, their budgets, and the search for houses that break them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import count
from math import inf, nan
from pathlib import Path

import pytest

from differential_tests.findings import Check, FindingKind
from differential_tests.levels import relations
from differential_tests.levels.metamorphic import check_possible, check_refusal, check_relation
from differential_tests.levels.search import (
    MOST_HOUSES,
    search_company,
    search_disagreement,
    search_relations,
)
from differential_tests.questions import Question, corpus
from differential_tests.relations import ALWAYS, BUDGETED, REFUSED, Budget, Relation, budgets, increasing_in
from differential_tests.relations.relation import InvalidBudget
from differential_tests.run_file import RunHeader, SideAnswer
from model_package import artifact
from model_package.schema import EXAMPLE, FIELDS, Row, parse_csv, parse_json

HOUSES = [question for question in corpus.questions(ordinary=200) if question.id.startswith("ordinary-")]
ROWS = [dict(question.row or {}) for question in HOUSES[:20]]
EXAMPLES = 60
Price = Callable[[Row], float]


class Made:
    """A side that reads requests as the package does, and whose prices a function makes."""

    def __init__(self, price: Price) -> None:
        self._price = price

    def ask(self, questions: Sequence[Question]) -> list[SideAnswer]:
        return [self._answer(question) for question in questions]

    def _answer(self, question: Question) -> SideAnswer:
        try:
            rows = self._rows(question)
        except ValueError:
            return SideAnswer(question.id, question.kind, status=422, code="invalid-rows", value={})
        return SideAnswer(
            question.id, question.kind, status=200, value={"price_dollars": self._price(rows[0])}
        )

    def _rows(self, question: Question) -> list[Row]:
        if question.content_type == "text/csv":
            return parse_csv((question.body or "").encode(), 10).rows
        return parse_json((question.body or json.dumps(question.row)).encode(), 10).rows

    def header(self, questions_sha256: str, now: datetime) -> RunHeader:
        return RunHeader("made", questions_sha256, now.isoformat())

    def close(self) -> None:
        """Nothing is open."""


def _dollars(row: Row) -> float:
    return 1000 + 100 * float(row["living_area"] or 0)


def _failed(checks: Sequence[Check]) -> set[str]:
    return {check.name for check in checks if not check.passed}


def test_every_relation_is_a_check_of_its_own() -> None:
    checks = relations(Made(_dollars), HOUSES[:40], monotone=["living_area", "lot_area"])
    assert _failed(checks) == set()
    listed = {relation.name for relation in (*ALWAYS, *BUDGETED, *REFUSED)}
    assert {check.name for check in checks} == {"possible", "more lot_area", *listed}


def test_the_ridge_declares_what_it_weighs_above_nothing_and_the_trees_declare_nothing(models: Path) -> None:
    weights = json.loads((models / "linear" / "1" / "model.json").read_bytes())["numbers"]
    declared = {name: artifact.load(models / name / "1").card["monotone"] for name in ("linear", "gbm")}
    assert declared == {"linear": [name for name, weight in weights.items() if weight > 0], "gbm": []}
    assert "living_area" in declared["linear"]


FAULTS: dict[str, Price] = {
    "possible": lambda row: nan if row["year_built"] == row["year_remodeled"] else _dollars(row),
    "one square foot": lambda row: _dollars(row) * (1 + 0.2 * (float(row["living_area"] or 0) % 2)),
    "a year later": lambda row: _dollars(row) * (1 + (float(row["year_sold"] or 0) % 2)),
    "more living_area": lambda row: 1e9 / _dollars(row),
    "more overall_quality": lambda row: _dollars(row) * (20 - float(row["overall_quality"] or 0)),
    "more garage_cars": lambda row: _dollars(row) * (20 - float(row["garage_cars"] or 0)),
    "more full_baths": lambda row: _dollars(row) * (30 - float(row["full_baths"] or 0)),
    "more basement_full_baths": lambda row: _dollars(row) * (20 - float(row["basement_full_baths"] or 0)),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_side_that_breaks_a_relation_is_found(name: str) -> None:
    one = next((one for one in BUDGETED if one.name == name), None)
    side = Made(FAULTS[name])
    assert not (
        check_relation(side, HOUSES, one, budgets()[name]) if one else check_possible(side, HOUSES)
    ).passed


class Odd(Made):
    """A side that reads requests in a way of its own: a number comes of it that the price depends on."""

    def __init__(self, read: Callable[[Question], float]) -> None:
        super().__init__(_dollars)
        self._read = read

    def _rows(self, question: Question) -> list[Row]:
        return [EXAMPLE | {"living_area": 1000 + self._read(question)}]


ODD: dict[str, Callable[[Question], float]] = {
    "key order": lambda question: next(iter(question.row or EXAMPLE)) == "zoning",
    "entity id": lambda question: "entity_id" in (question.row or EXAMPLE),
    "missing and null": lambda question: len(question.row or EXAMPLE),
    "whole numbers": lambda question: isinstance((question.row or EXAMPLE)["lot_area"], int),
    "spelling": lambda question: question.body is None,
    "column order": lambda question: len((question.body or "\r\n").split("\r\n")[1].split(",")[0]),
}


@pytest.mark.parametrize("one", ALWAYS, ids=lambda relation: relation.name)
def test_a_side_that_reads_requests_in_a_way_of_its_own_is_found(one: Relation) -> None:
    assert not check_relation(Odd(ODD[one.name]), HOUSES[:5], one, Budget()).passed


@pytest.mark.parametrize("change", ALWAYS, ids=lambda relation: relation.name)
def test_each_relation_that_always_holds_changes_what_is_sent_and_nothing_else(change: Relation) -> None:
    changed = [change.changed(change.start(row)) for row in ROWS]
    assert all(request is not None for request in changed)
    sent = [json.dumps(change.start(row)) for row in ROWS]
    bodies = [request if isinstance(request, str) else json.dumps(request) for request in changed]
    assert sent != bodies
    read = Made(_dollars)._rows
    for row, request in zip(ROWS, changed, strict=True):
        body = (
            {"body": request, "content_type": change.content_type}
            if isinstance(request, str)
            else {"row": request}
        )
        assert read(Question("one", "ordinary", **body)) == read(
            Question("one", "ordinary", row=change.start(row))
        )


@pytest.mark.parametrize("spoiled", REFUSED, ids=lambda relation: relation.name)
def test_a_side_that_answers_what_it_should_refuse_is_found(spoiled: object) -> None:
    check = check_refusal(Odd(lambda _: 0), HOUSES[:5], spoiled)  # type: ignore[arg-type]
    assert [finding.kind for finding in check.findings] == [FindingKind.RELATION] * 5


def test_a_fault_of_the_service_itself_is_no_refusal() -> None:
    class Broken(Made):
        def _answer(self, question: Question) -> SideAnswer:
            return SideAnswer(question.id, question.kind, status=500, code="internal", value={})

    assert check_refusal(Broken(_dollars), HOUSES[:2], REFUSED[0]).findings


def test_a_relation_that_speaks_of_no_house_is_an_error_and_no_pass() -> None:
    bare = [Question("one", "ordinary", row=EXAMPLE | {"garage_cars": 0})]
    assert check_relation(Made(_dollars), bare, increasing_in("garage_cars"), Budget()).error


# -- budgets


def _cheaper_for(houses: int, by: float) -> Made:
    """Living area that grows makes the first houses cheaper by a log ratio, the others dearer."""
    areas = sorted({float(question.row["living_area"]) for question in HOUSES if question.row})[:houses]

    def price(row: Row) -> float:
        area = float(row["living_area"] or 0)
        return 100_000 * (2.718281828**-by if any(area == larger_area * 1.1 for larger_area in areas) else 1)

    return Made(price)


@pytest.mark.parametrize(
    ("houses", "by", "passes"), [(4, 0.02, True), (40, 0.02, False), (4, 0.2, False), (40, 0.004, True)]
)
def test_a_budget_is_a_share_and_a_worst_and_what_is_not_noticed(
    houses: int, by: float, *, passes: bool
) -> None:
    agreed = Budget(share=0.05, worst=0.1, unnoticed=0.005)
    assert (
        check_relation(_cheaper_for(houses, by), HOUSES, increasing_in("living_area"), agreed).passed
        is passes
    )


def test_what_a_model_declares_has_no_budget() -> None:
    checks = relations(_cheaper_for(4, 0.02), HOUSES, monotone=["living_area"], agreed=budgets())
    assert "more living_area" in _failed(checks)
    assert "more living_area" not in _failed(relations(_cheaper_for(2, 0.02), HOUSES))


def test_every_budgeted_relation_has_a_budget_and_no_other_has() -> None:
    assert set(budgets()) == {relation.name for relation in BUDGETED}


@pytest.mark.parametrize(
    "text", ["share = 2\nworst = 0\nunnoticed = 0", "share = 0.1", "share = 0.1\nworst = -1\nunnoticed = 0"]
)
def test_a_budget_that_cannot_be_right_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "budgets.toml"
    path.write_text(f'["more living_area"]\n{text}\n')
    with pytest.raises(InvalidBudget, match="more living_area"):
        budgets(path)


def test_a_gap_that_is_no_number_breaks_every_relation() -> None:
    assert increasing_in("living_area").violation(nan) == inf


# -- the search


def test_the_search_finds_the_one_house_that_breaks_and_makes_it_plain() -> None:
    """Above 3,000 square feet more is cheaper: an ordinary house with one other field shows it."""
    side = Made(lambda row: 1e9 - _dollars(row) if float(row["living_area"] or 0) > 3000 else _dollars(row))
    ordinary = [row for row in ROWS if float(row["living_area"] or 0) < 2000]
    result = search_relations(side, ordinary, monotone=["living_area"], examples=200)
    (finding,) = result.check.findings
    assert finding.detail == "10 % more living_area never means a lower answer"
    (house,) = result.houses
    assert any(len(set(dict(house.row or {}).items()) - set(row.items())) <= 1 for row in ordinary)


def test_the_same_search_tries_the_same_houses() -> None:
    def tried() -> list[Row]:
        rows: list[Row] = []
        search_relations(Made(lambda row: rows.append(row) or _dollars(row)), ROWS, examples=5)  # type: ignore[func-returns-value]
        return rows

    assert tried() == tried()


def test_an_answer_that_depends_on_the_company_is_found() -> None:
    class Crowded(Made):
        def ask(self, questions: Sequence[Question]) -> list[SideAnswer]:
            crowd = sum(float((question.row or EXAMPLE)["lot_area"]) for question in questions)  # type: ignore[arg-type]
            return [
                SideAnswer(question.id, question.kind, status=200, value={"price_dollars": crowd})
                for question in questions
            ]

    assert search_company(Crowded(_dollars), ROWS, examples=EXAMPLES).check.findings
    assert search_company(Made(_dollars), ROWS, examples=EXAMPLES).check.passed


def test_an_answer_that_was_wrong_once_is_found_although_it_is_right_again() -> None:
    calls = count()
    side = Made(lambda row: _dollars(row) + (300 <= next(calls) < 300 + MOST_HOUSES + 1))
    (finding,) = search_company(side, ROWS, examples=EXAMPLES).check.findings
    assert "broken only now and then; hypothesis: " in finding.detail


@pytest.mark.parametrize("every", [7, 97, 101])
def test_a_side_that_is_wrong_now_and_then_is_a_finding_whatever_hypothesis_makes_of_it(every: int) -> None:
    for search in (search_relations, search_company):
        calls = count(1)
        side = Made(lambda row, calls=calls: _dollars(row) * (1.01 if next(calls) % every == 0 else 1))  # type: ignore[misc]
        (finding,) = search(side, ROWS, examples=EXAMPLES).check.findings
        assert finding.kind is FindingKind.RELATION


def test_the_search_climbs_to_where_two_models_disagree_most() -> None:
    """The candidate is dearer by a fifth for each fireplace; 10 is the most that the schema allows."""

    def dearer(row: Row) -> float:
        return _dollars(row) * 1.2 ** float(row["fireplaces"] or 0)

    result = search_disagreement(Made(_dollars), Made(dearer), ROWS, examples=1000)
    assert result.check.passed
    assert result.houses[0].row is not None
    assert result.houses[0].row["fireplaces"] == 10


def test_hypothesis_makes_every_kind_of_value_of_every_field() -> None:
    seen: dict[str, set[object]] = {field.name: set() for field in FIELDS}

    def price(row: Row) -> float:
        for name, value in row.items():
            if name in seen:
                seen[name].add(value)
        return 1.0

    search_relations(Made(price), ROWS[:1], examples=200)
    assert all(None in seen[field.name] for field in FIELDS if field.nullable)
    assert all(len(seen[field.name]) > 1 for field in FIELDS)
