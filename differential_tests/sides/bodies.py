"""Request bodies: questions as bytes."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from differential_tests.questions import JSON, Question
from differential_tests.sides.mapping import RequestMapping


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a request. `rows` answers are expected; None if only the author of the body knows."""

    data: bytes
    content_type: str
    rows: int | None


def requests(questions: Sequence[Question], request: RequestMapping) -> Iterator[Sequence[Question]]:
    """Group questions into requests: neighbouring rows if the service takes many, a body always alone."""
    for is_row, group in itertools.groupby(questions, lambda question: question.body is None):
        if is_row and request.many:
            yield tuple(group)
        else:
            yield from ((question,) for question in group)


def body(questions: Sequence[Question], request: RequestMapping) -> Body:
    """Build the body of one request."""
    first = questions[0]
    if first.body is not None:
        content_type = first.content_type.encode("ascii", "backslashreplace").decode()
        return Body(_encode(first.body), content_type, None)
    template = request.single if len(questions) == 1 and request.single else request.many
    rows = [_row(question, request) for question in questions]
    return Body(json.dumps(_fill(template, _values(rows, request))).encode(), JSON, len(rows))


def _row(question: Question, request: RequestMapping) -> dict[str, Any]:
    row = {request.fields.get(name, name): value for name, value in (question.row or {}).items()}
    return row | {request.id: question.id} if request.id else row


def _values(rows: Sequence[Mapping[str, Any]], request: RequestMapping) -> dict[str, Any]:
    """Return the value of each placeholder."""
    names = [request.fields.get(name, name) for name in request.columns] or list(rows[0])
    table = [[row.get(name) for name in names] for row in rows]
    return {"$row": rows[0], "$rows": rows, "$cells": table[0], "$table": table, "$names": names}


def _fill(template: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(template, str):
        return values.get(template, template)
    if isinstance(template, list):
        return [_fill(child, values) for child in template]
    return {k: _fill(v, values) for k, v in template.items()} if isinstance(template, dict) else template


def _encode(text: str) -> bytes:
    r"""Encode as UTF-8; a lone "\udc80" to "\udcff" becomes that one byte."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
