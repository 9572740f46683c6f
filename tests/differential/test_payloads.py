"""Payloads: questions as this tool writes them, and rows as people have them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from differential_tests import questions
from differential_tests.questions import InvalidQuestions, Question, corpus
from differential_tests.questions.payloads import Payloads


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "payloads"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def rows(path: Path) -> list[tuple[str, object]]:
    return [(question.id, question.row) for question in Payloads(path)]


def test_questions_are_read_as_they_were_written(tmp_path):
    questions.write(tmp_path / "q.jsonl", corpus.questions(ordinary=2))
    read = Payloads(tmp_path / "q.jsonl")
    assert len(read) == len(list(read)) == len(list(read))
    assert questions.digest(read) == questions.digest(corpus.questions(ordinary=2))


@pytest.mark.parametrize(
    "text",
    [
        '{"area": 7, "zone": "a"}\n\n{"id": "x", "area": null}\n',
        '[{"area": 7, "zone": "a"},\n {"id": "x", "area": null}]',
        '\ufeff{"area": 7, "zone": "a"}\n{"id": "x", "area": null}\n',
    ],
)
def test_bare_rows_have_their_own_id_or_their_number(tmp_path, text):
    (first, row), (second, other) = rows(written(tmp_path, text))
    assert row == {"area": 7, "zone": "a"}
    assert (first, second, other) == ("row-1", "x", {"area": None})


def test_csv_has_numbers_texts_and_nulls_and_codes_stay_texts(tmp_path):
    text = '\ufeffid,area,rooms,zone,zoning,note\r\n007,70.5,-3,,7,"a, ""b"""\r\n\r\n8,1e3,07,NaN,RL,x\r\n'
    assert rows(written(tmp_path, text)) == [
        ("007", {"area": 70.5, "rooms": -3, "zone": None, "zoning": "7", "note": 'a, "b"'}),
        ("8", {"area": 1000.0, "rooms": "07", "zone": "NaN", "zoning": "RL", "note": "x"}),
    ]


def test_rows_that_people_bring_may_share_a_request(tmp_path):
    (question,) = Payloads(written(tmp_path, '{"a": 1}'))
    assert question == Question("row-1", "given", row={"a": 1})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "at least one row"),
        ("a,b\n", "at least one row"),
        ("[]", "at least one row"),
        ('{"a": 1}\n{"a": \n', ":2: expected JSON"),
        ('[{"a": 1}, 7]', "row 2: expected an object, got 7"),
        ("[" * 9000, "expected JSON"),
        ("a,b\n1\n", ":2: expected 2 cells, got 1"),
        ("a,a\n1,2\n", "each column once"),
        ("id,a\nx,1\nx,2\n", "each id once, got 'x' again"),
        ('a\n"torn\n', "expected JSON lines, JSON or CSV"),
        (b"a\n\xff\n", "in UTF-8"),
        ('{"id": "x", "kind": "o", "row": {"a": 1}}\n7\n', ":2"),
        ('{"id": "x", "kind": "o", "row": [7]}\n', ":1: expected"),
        ('{"id": "x", "kind": 7, "row": {"a": 1}}\n', ":1: expected"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_its_place(tmp_path, text, told):
    with pytest.raises(InvalidQuestions) as fault:
        Payloads(written(tmp_path, text))
    assert told in str(fault.value)
    assert "payloads" in str(fault.value)


def test_a_folder_or_nothing_is_no_file(tmp_path):
    with pytest.raises(InvalidQuestions, match="plain file"):
        Payloads(tmp_path)
    with pytest.raises(FileNotFoundError):
        Payloads(tmp_path / "nothing")


def test_rows_with_a_field_called_row_are_rows(tmp_path):
    path = written(tmp_path, json.dumps({"id": "x", "row": 7, "body": "steel"}))
    assert rows(path) == [("x", {"row": 7, "body": "steel"})]
