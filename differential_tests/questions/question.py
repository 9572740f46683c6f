"""Questions for both sides, each with an id that joins the answers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from model_package.tables import InvalidTable, text_lines

JSON = "application/json"
MEANT_TO_BE_ANSWERED = frozenset({"ordinary", "category", "boundary", "null", "harvested", "given"})
"""Kinds of rows that a side should answer with a value. Of others each may be refused."""


class InvalidQuestions(ValueError):
    """A file of questions that cannot be read."""


@dataclass(frozen=True, slots=True)
class Question:
    """One `row` to predict, or one `body` to send exactly as it is.

    `kind` says why it is asked (ordinary, category, boundary, outside, null, unseen,
    malformed, harvested, given), `segment`
    what differences are grouped by. Exactly one of `row` and `body` is set.
    """

    id: str
    kind: str
    segment: str = ""
    row: Mapping[str, Any] | None = None
    body: str | None = None
    content_type: str = JSON


def write(path: Path, questions: Iterable[Question]) -> None:
    """Write one JSON object per line."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(_line(question) for question in questions)


def read(path: Path) -> Iterator[Question]:
    """Read the questions of a file in order; raise InvalidQuestions naming file and line."""
    with path.open("rb") as file:
        yield from of_lines(file, path)


def of_lines(file: BinaryIO, path: Path) -> Iterator[Question]:
    """Read the questions of an open file; raise InvalidQuestions naming `path` and line."""
    try:
        for number, line in enumerate(text_lines(file), start=1):
            if line.strip():
                yield _question(line, f"{path}:{number}")
    except InvalidTable as fault:
        raise InvalidQuestions(f"{path}:{fault.line or 1}: {fault.words}") from fault


def digest(questions: Iterable[Question]) -> str:
    """Return the SHA-256 of the questions; runs over other questions are not compared."""
    hashed = sha256()
    for question in questions:
        hashed.update(_line(question).encode())
    return hashed.hexdigest()


def _line(question: Question) -> str:
    return json.dumps({key: value for key, value in asdict(question).items() if value is not None}) + "\n"


def _question(line: str, location: str) -> Question:
    try:
        question = Question(**json.loads(line))
    except (ValueError, TypeError) as error:
        raise InvalidQuestions(
            f'{location}: expected a line like {{"id": "r1", "kind": "ordinary", "row": {{...}}}}, '
            f"got {error}"
        ) from error
    if not isinstance(question.id, str) or (question.row is None) == (question.body is None):
        raise InvalidQuestions(
            f"{location}: expected a text `id` and either `row` or `body`, got {line[:80]!r}"
        )
    return question
