"""Payloads: questions of a user, as this tool writes them, or as plain rows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from differential_tests.questions import question as questions
from differential_tests.questions.question import InvalidQuestions, Question
from model_package import tables
from model_package.schema import BY_NAME
from model_package.spool import Spool
from model_package.tables import InvalidTable, number, text_lines

ID, GIVEN = "id", "given"
Read = Callable[[BinaryIO, Path], Iterator[Question]]


class Payloads:
    """Questions of a file, read again on each iteration, for there may be millions.

    JSON lines of questions; or rows: JSON lines, a JSON list, or CSV with a header. What a row's `id` says is
    its id and no part of the row; without one it is `row-` and its number, from 1. A pipe is copied first.
    """

    def __init__(self, path: Path, waiting: Callable[[str], None] = lambda _: None) -> None:
        """Read the file once; raise InvalidQuestions or OSError.

        `waiting` is told in words when it is a pipe.
        """
        self._path = path
        try:
            self._file = Spool(path, waiting)
            with self._file.reading() as file:
                self._read = _reader(file)
        except InvalidTable as fault:
            raise _refusal(path, fault) from fault
        self._count = _count(self, path)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Question]:
        try:
            with self._file.reading() as file:
                yield from self._read(file, self._path)
        except InvalidTable as fault:
            raise _refusal(self._path, fault) from fault


def _refusal(path: Path, fault: InvalidTable) -> InvalidQuestions:
    line = "" if fault.line is None else f":{fault.line}"
    return InvalidQuestions(f"{path}{line}: {fault.words} (expected JSON lines, JSON or CSV, in UTF-8)")


def _count(questions_of_file: Iterable[Question], path: Path) -> int:
    """Count the questions; refuse a repeated id."""
    seen: set[str] = set()
    for question in questions_of_file:
        if question.id in seen:
            raise InvalidQuestions(f"{path}: expected each id once, got {question.id!r} again")
        seen.add(question.id)
    if not seen:
        raise InvalidQuestions(f"{path}: expected at least one row, got none")
    return len(seen)


def _reader(file: BinaryIO) -> Read:
    """Choose the reader by how the file begins, not by its name."""
    first = next((line.strip() for line in text_lines(file) if line.strip()), "")
    if not first.startswith(("{", "[")):
        return _of_csv
    return _of_list if first.startswith("[") else _questions if _is_question(first) else _of_lines


def _is_question(line: str) -> bool:
    try:
        keys = json.loads(line).keys()
    except (ValueError, RecursionError):
        return False
    return ID in keys and len(keys & {"row", "body"}) == 1


def _questions(file: BinaryIO, path: Path) -> Iterator[Question]:
    """Read questions as `questions` and `harvest` write them."""
    for number_of, question in enumerate(questions.of_lines(file, path), start=1):
        texts = (question.kind, question.segment, question.content_type, question.body or "")
        if not all(isinstance(text, str) for text in texts) or not isinstance(question.row or {}, dict):
            raise InvalidQuestions(
                f"{path}:{number_of}: expected texts and an object as `row`, got {question!r:.200}"
            )
        yield question


def _of_lines(file: BinaryIO, path: Path) -> Iterator[Question]:
    for line_number, line in enumerate(text_lines(file), start=1):
        if line.strip():
            yield _question(_parsed(line, f"{path}:{line_number}"), line_number, path)


def _of_list(file: BinaryIO, path: Path) -> Iterator[Question]:
    rows = _parsed("".join(text_lines(file)), str(path))
    return (_question(row, row_number, path) for row_number, row in enumerate(rows, start=1))


def _parsed(text: str, location: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as fault:
        raise InvalidQuestions(f"{location}: expected JSON: {fault}") from fault


def _of_csv(file: BinaryIO, path: Path) -> Iterator[Question]:
    table = tables.from_file(file)
    for name, times in Counter(table.header).items():
        if times > 1 or not name:
            repeated = f"{name!r:.100}, {times} times"
            raise InvalidQuestions(f"{path}:1: expected each column once, with a name, got {repeated}")
    for row_number, line in enumerate(table, start=1):
        table.require_fit(line)
        named = zip(table.header, line.cells, strict=True)
        yield _question({name: _cell(name, text) for name, text in named}, row_number, path)


def _cell(name: str, text: str) -> float | int | str | None:
    """Parse a cell: a number where it is one, else the text; codes of categories are always texts."""
    if text == "":
        return None
    if name == ID or (name in BY_NAME and BY_NAME[name].categories):
        return text
    parsed = number(text)
    return int(text) if isinstance(parsed, float) and text.removeprefix("-").isdigit() else parsed


def _question(row: Any, row_number: int, path: Path) -> Question:
    if not isinstance(row, Mapping):
        raise InvalidQuestions(f"{path}: row {row_number}: expected an object, got {row!r:.80}")
    name = row.get(ID)
    rest = {key: value for key, value in row.items() if key != ID}
    return Question(f"row-{row_number}" if name is None else str(name), GIVEN, row=rest)
