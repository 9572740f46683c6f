"""Runs in files: compared as they are in memory, and what cannot be compared is said."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from differential_tests import run_file
from differential_tests.comparison import compare
from differential_tests.comparison.table import table
from differential_tests.run_file import RunHeader, SideAnswer
from differential_tests.settings import tolerances

EXACT = tolerances.parse("")
HEADER = RunHeader("a", "0" * 64, "2026-01-01T00:00:00Z")


def answer(row: int) -> SideAnswer:
    return SideAnswer(f"r{row}", "ordinary", f"s{row % 2}", 200, value={"price_dollars": 100_000.0 + row})


def written(path: Path, answers: Iterable[SideAnswer], questions: str = "0" * 64) -> Path:
    run_file.write(path, replace(HEADER, source=path.stem, questions_sha256=questions), answers)
    return path


def test_files_are_compared_as_tables_are_and_say_who_answered(tmp_path: Path) -> None:
    before = [answer(row) for row in range(10)]
    after = [replace(one, value=1.0) if one.id == "r4" else one for one in before[:-1]]
    a, b = written(tmp_path / "a.jsonl", before), written(tmp_path / "b.jsonl", reversed(after))
    check = compare(a, b, EXACT, clock=lambda: 0.0)
    assert check.findings == compare(table(before), table(after), EXACT).findings
    assert check.a is not None
    assert check.b is not None
    assert (check.a.source, check.b.source, check.rows) == ("a", "b", 10)
    assert not check.passed


def test_what_the_terms_ignore_is_ignored_in_files(tmp_path: Path) -> None:
    a = written(tmp_path / "a.jsonl", [SideAnswer("r0", "o", status=200, value={"p": 1, "id": "x"})])
    b = written(tmp_path / "b.jsonl", [SideAnswer("r0", "o", status=200, value={"p": 1, "id": "y"})])
    assert compare(a, b, tolerances.parse('ignore = ["$.id"]')).passed
    assert not compare(a, b, EXACT).passed


def test_progress_is_told_up_to_the_end(tmp_path: Path) -> None:
    answers = [SideAnswer(f"r{row}", "o", status=200, value=1.0) for row in range(2500)]
    a, b = written(tmp_path / "a.jsonl", answers), written(tmp_path / "b.jsonl", answers)
    told: list[tuple[int, int]] = []
    compare(a, b, EXACT, progress=lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert len(told) >= 5
    assert told[-1] == (5000, 5000)


def test_runs_of_different_questions_are_not_compared(tmp_path: Path) -> None:
    a = written(tmp_path / "a.jsonl", [answer(0)], "a" * 64)
    b = written(tmp_path / "b.jsonl", [answer(0)], "b" * 64)
    check = compare(a, b, EXACT)
    assert not check.passed
    assert "different questions" in check.error
    assert "a" * 64 in check.error
    assert "b" * 64 in check.error
    assert "different questions" in compare(a, a, EXACT, noise=(a, b)).error


FIRST_LINE = json.dumps({"source": "x", "questions_sha256": "0" * 64, "recorded_at": "now"}) + "\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected a run"),
        ("[]\n", "expected a run"),
        (FIRST_LINE.replace("}", ', "umbra_run": 9}'), "expected format 1, got 9"),
        (FIRST_LINE + '{"id": "r0"', "b.jsonl:2"),
        (FIRST_LINE + '{"id": 7, "kind": "o"}\n', "answer 7"),
        (FIRST_LINE + '{"id": "r0", "kind": "o", "status": 200.5}\n', "200.5"),
        (FIRST_LINE + '{"id": "r0", "kind": "o", "value": ' + "[" * 100_000 + "\n", "recursion"),
        (FIRST_LINE + "\udcff\n", "utf-8"),
    ],
)
def test_what_is_no_run_is_said_not_raised(tmp_path: Path, text: str, said: str) -> None:
    a = written(tmp_path / "a.jsonl", [answer(0)])
    (tmp_path / "b.jsonl").write_text(text, encoding="utf-8", errors="surrogateescape")
    check = compare(a, tmp_path / "b.jsonl", EXACT)
    assert said in check.error
    assert not check.passed


def test_a_file_that_is_not_there_is_said_not_raised(tmp_path: Path) -> None:
    assert "none.jsonl" in compare(tmp_path / "none.jsonl", table([answer(1)]), EXACT).error


def test_two_runs_without_answers_are_not_the_same(tmp_path: Path) -> None:
    empty = written(tmp_path / "a.jsonl", [])
    assert compare(empty, empty, EXACT).error == "neither run has an answer"
    assert compare(table([answer(1)]), table([answer(1)]), EXACT, noise=(empty, empty)).error


def test_answers_with_keys_of_their_own_in_every_row_cannot_be_compared_but_for_what_is_ignored(
    tmp_path: Path,
) -> None:
    rows = [
        SideAnswer(
            f"r{row}", "o", status=200, value={"p": 1, "why": {f"k{row}-{key}": 1 for key in range(200)}}
        )
        for row in range(60)
    ]
    run = written(tmp_path / "a.jsonl", rows)
    assert compare(run, run, EXACT).error.startswith("answers with more than 10,000 places, the next one")
    assert compare(run, run, tolerances.parse('ignore = ["$.why.*"]')).passed


def test_what_differs_most_stands_first_and_what_was_refused_is_in_no_segment() -> None:
    refused = SideAnswer("r9", "malformed", "no such place", 422, "invalid-rows", {"errors": [{"row": 0}]})
    a = table([*(answer(row) for row in range(4)), refused])
    other = [replace(answer(row), value={"price_dollars": 1.0}) for row in range(4)]
    found = compare(a, table([*other, refused]), EXACT).spreads
    assert [(one.path, one.segment) for one in found] == [
        ("$.price_dollars", ""),
        ("$.price_dollars", "s0"),
        ("$.price_dollars", "s1"),
        ("$.errors[0].row", ""),
    ]
