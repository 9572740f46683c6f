"""Runs: the answers of one side as JSON lines: a header, then one line per question."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

FORMAT = 1


class InvalidRun(ValueError):
    """A file that is no run, or of another format."""


@dataclass(frozen=True, slots=True)
class RunHeader:
    """Source, questions and time of a run. `facts` are versions and hashes for the reader of a report."""

    source: str
    questions_sha256: str
    recorded_at: str
    model: str = ""
    artifact_sha256: str = ""
    facts: dict[str, str] = field(default_factory=dict)
    umbra_run: int = FORMAT


@dataclass(frozen=True, slots=True)
class SideAnswer:
    """The answer of one side to one question: a value, a refusal with its `code`, or a `failure`.

    `value` is JSON: the answer to this row, or the body of the refusal; NaN and the infinities are kept.
    `failure` is a word of `sides.replies.Unanswered`, as timeout or row-count; `detail` says more.
    """

    id: str
    kind: str
    segment: str = ""
    status: int = 0
    code: str = ""
    value: Any = None
    failure: str = ""
    detail: str = ""


# `value` is always written: null is an answer, too.
_ALWAYS = object()
_DEFAULTS = {
    field_of_answer.name: field_of_answer.default
    for field_of_answer in fields(SideAnswer)
    if field_of_answer.name != "value"
}


def write(path: Path, header: RunHeader, answers: Iterable[SideAnswer]) -> int:
    """Write a run; returns the number of answers. NaN and Infinity are written as Python's json does."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(asdict(header)) + "\n")
        for count, answer in enumerate(answers, start=1):  # noqa: B007
            file.write(_line(answer))
    return count


def header(path: Path) -> RunHeader:
    """Read the header of a run; raise InvalidRun."""
    with path.open("rb") as file:
        return _header(file.readline(), path)


def read(path: Path) -> Iterator[SideAnswer]:
    """Read the answers in the order of the file; raise InvalidRun naming file and line."""
    with path.open("rb") as file:
        _header(file.readline(), path)
        for number, line in enumerate(file, start=2):
            try:
                yield SideAnswer(**json.loads(line))
            except (ValueError, TypeError) as error:
                raise InvalidRun(f"{path}:{number}: expected an answer to one question: {error}") from error


def _header(line: bytes, path: Path) -> RunHeader:
    try:
        header = RunHeader(**json.loads(line))
    except (ValueError, TypeError) as error:
        raise InvalidRun(
            f"{path}: expected a run of `python -m differential_tests record`: {error}"
        ) from error
    if header.umbra_run != FORMAT:
        raise InvalidRun(f"{path}: expected format {FORMAT}, got {header.umbra_run}: record it again")
    return header


def _line(answer: SideAnswer) -> str:
    values = {name: getattr(answer, name) for name in SideAnswer.__slots__}
    return (
        json.dumps({name: value for name, value in values.items() if value != _DEFAULTS.get(name, _ALWAYS)})
        + "\n"
    )
