"""The corpus: everything the schema allows and forbids, made from nothing but the schema."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from differential_tests import questions
from differential_tests.questions import Question, corpus
from model_package.schema import BY_NAME, EXAMPLE, FIELDS, InvalidRows, MalformedBody, parse_csv, parse_json

CORPUS = corpus.questions(ordinary=20)
BY_ID = {question.id: question for question in CORPUS}
REFUSED = (InvalidRows, MalformedBody)
# What is malformed elsewhere and allowed here: a strange number inside the bounds, and bodies that are right.
ALLOWED = {
    *(f"number-{field.name}-{word}" for field in FIELDS for word in ("minus-zero", "tiny")),
    *(f"body-json-{word}" for word in ("one", "list", "list-of-one", "spaced")),
    *(f"body-csv-{word}" for word in ("one", "table", "newlines", "byte-order-mark")),
}


def accepted(question: Question) -> bool:
    """Whether the schema takes it."""
    body = json.dumps(question.row) if question.body is None else question.body
    parse = parse_csv if question.content_type == corpus.CSV else parse_json
    try:
        parse(body.encode("utf-8", "surrogateescape"), 1000)
    except REFUSED:
        return False
    return True


def test_ids_are_different_and_the_same_seed_gives_the_same_corpus():
    assert len(BY_ID) == len(CORPUS)
    assert questions.digest(corpus.questions(ordinary=20)) == questions.digest(CORPUS)
    assert questions.digest(corpus.questions(seed=8, ordinary=20)) != questions.digest(CORPUS)


@pytest.mark.parametrize("kind", ["ordinary", "category", "boundary", "null"])
def test_what_the_schema_allows_is_accepted(kind):
    asked = [question for question in CORPUS if question.kind == kind]
    assert asked
    assert [question.id for question in asked if not accepted(question)] == []


@pytest.mark.parametrize("kind", ["outside", "unseen", "malformed"])
def test_what_the_schema_forbids_is_refused(kind):
    asked = [question for question in CORPUS if question.kind == kind and question.id not in ALLOWED]
    assert asked
    types = [question for question in asked if question.id.startswith("body-type-")]
    assert [question.id for question in asked if question not in types and accepted(question)] == []
    assert all(
        question.content_type not in ("application/json", "text/csv") or not accepted(question)
        for question in types
    )


def test_every_code_of_every_category_is_asked():
    for field in FIELDS:
        for code in field.categories:
            assert BY_ID[f"category-{field.name}-{code}"].row == {**EXAMPLE, field.name: code}


def test_both_ends_of_every_number_are_asked_and_what_is_just_outside():
    for field in FIELDS:
        if not field.categories:
            found = {
                word: BY_ID[f"boundary-{field.name}-{word}"].row[field.name]
                for word in ("below-min", "min", "above-min", "below-max", "max", "above-max")
            }
            assert (found["min"], found["max"]) == (field.minimum, field.maximum)
            assert list(found.values()) == sorted(found.values())
            one = 1 if field.kind == "whole" else math.ulp(field.maximum)
            assert found["above-max"] - found["max"] == one


def test_every_nullable_field_is_null_and_left_out_and_every_other_one_missing():
    nullable = {field.name for field in FIELDS if field.nullable}
    for name in BY_NAME:
        if name in nullable:
            assert BY_ID[f"null-{name}"].row == {**EXAMPLE, name: None}
            assert name not in BY_ID[f"left-out-{name}"].row
        else:
            assert name not in BY_ID[f"missing-{name}"].row
    assert not nullable & BY_ID["left-out-all"].row.keys()
    assert {BY_ID["null-all"].row[name] for name in nullable} == {None}


def test_strange_numbers_reach_the_body_as_they_are():
    text = json.dumps(BY_ID["number-lot_area-nan"].row) + json.dumps(BY_ID["number-lot_area-infinity"].row)
    assert '"lot_area": NaN' in text
    assert '"lot_area": Infinity' in text
    assert '"lot_area": -0.0' in json.dumps(BY_ID["number-lot_area-minus-zero"].row)


def test_it_is_made_from_the_schema_alone_so_a_new_field_is_asked_about():
    heat = replace(BY_NAME["zoning"], name="heat", categories=("gas", "wood"), nullable=True)
    pool = replace(BY_NAME["lot_area"], name="pool", minimum=-3.0, maximum=4.0)
    made = corpus.questions(
        ordinary=1,
        fields=[heat, pool],
        example={"heat": "gas", "pool": 1.5},
        houses=lambda n, _: [{"pool": 2}] * n,
    )
    ids = {question.id for question in made}
    wanted = ["category-heat-wood", "null-heat", "boundary-pool-min", "missing-pool", "type-pool-text"]
    assert ids >= {*wanted, "ordinary-00000", "unseen-heat-code"}
    assert not any("lot_area" in name for name in ids)


def test_it_comes_back_from_a_file_as_it_was(tmp_path):
    questions.write(tmp_path / "corpus.jsonl", CORPUS)
    again = list(questions.read(tmp_path / "corpus.jsonl"))
    assert questions.digest(again) == questions.digest(CORPUS)
