"""An artifact in this process: it gets the bytes of a service's request, read by the schema's parser."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from differential_tests.questions import JSON, Question
from differential_tests.run_file import RunHeader, SideAnswer
from differential_tests.sides import bodies, replies
from differential_tests.sides.bodies import Body
from differential_tests.sides.mapping import ServiceMapping
from differential_tests.sides.replies import Unanswered
from model_package import artifact
from model_package.schema import Houses, InvalidRows, MalformedBody, TooManyRows, parse_csv, parse_json

MANIFEST = "manifest.json"
MOST_ROWS = 1000  # in one request, as the API has it if not told otherwise
ANSWERED = 200
UNSUPPORTED = (415, "unsupported-content")
REFUSALS: dict[type[Exception], tuple[int, str]] = {
    MalformedBody: (400, "malformed-body"),
    TooManyRows: (413, "too-many-rows"),
    InvalidRows: (422, "invalid-rows"),
}
PARSERS: dict[str, Callable[[bytes, int], Houses]] = {JSON: parse_json, "text/csv": parse_csv}


class ArtifactSide:
    """One model, loaded and verified; refusals have the statuses and codes that the API gives them."""

    def __init__(self, directory: Path, service: ServiceMapping) -> None:
        self._model = artifact.load(directory.resolve())
        self._request = service.request
        self._source = str(directory)

    def ask(self, questions: Sequence[Question]) -> list[SideAnswer]:
        """See Side."""
        return [
            answer for group in bodies.requests(questions, self._request) for answer in self._answer(group)
        ]

    def header(self, questions_sha256: str, now: datetime) -> RunHeader:
        """See Side."""
        return RunHeader(
            source=self._source,
            questions_sha256=questions_sha256,
            recorded_at=now.isoformat(),
            model=f"{self._model.name}@{self._model.version}",
            artifact_sha256=self._model.digest,
            facts={"python": platform.python_version(), "machine": platform.machine()},
        )

    def close(self) -> None:
        """See Side."""

    def _answer(self, questions: Sequence[Question]) -> list[SideAnswer]:
        body = bodies.body(questions, self._request)
        try:
            values = self._values(body)
        except tuple(REFUSALS) as fault:
            status, code = REFUSALS[type(fault)]
            return [_refusal(question, status, code, _fault_details(fault)) for question in questions]
        except _Unsupported:
            return [_refusal(question, *UNSUPPORTED, {}) for question in questions]
        except Exception as fault:  # noqa: BLE001 (whatever a model raises is what it has to say)
            crashed = Unanswered("crashed", f"{type(fault).__name__}: {fault}")
            return [replies.failure(question, crashed) for question in questions]
        if body.rows is None:
            return [replies.answer(questions[0], ANSWERED, value=values)]
        if len(values) != body.rows:
            short = Unanswered("row-count", f"{len(values)} answers to {body.rows} rows")
            return [replies.failure(question, short) for question in questions]
        return [
            replies.answer(question, ANSWERED, value=value)
            for question, value in zip(questions, values, strict=True)
        ]

    def _values(self, body: Body) -> list[dict[str, float]]:
        parser = PARSERS.get(body.content_type.partition(";")[0].strip().lower())
        if parser is None:
            raise _Unsupported
        dollars = self._model.predict(parser(body.data, MOST_ROWS).rows)
        return [{"price_dollars": price} for price in dollars.tolist()]


class _Unsupported(Exception):
    """A body of an unsupported content type."""


def _refusal(question: Question, status: int, code: str, faults: dict[str, Any]) -> SideAnswer:
    return replies.answer(question, status, code=code, value=faults)


def _fault_details(fault: Exception) -> dict[str, Any]:
    return (
        {"errors": [asdict(row_fault) for row_fault in fault.faults]}
        if isinstance(fault, InvalidRows)
        else {}
    )
