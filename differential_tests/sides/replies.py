"""Turn a reply into one answer for each question."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from differential_tests.questions import Question
from differential_tests.run_file import SideAnswer
from differential_tests.sides.mapping import ResponseMapping, reference, text_at, value_at

SHOWN_CHARACTERS = 120
REDIRECT, REFUSED, BROKEN = 300, 400, 500
MAX_KEYS = 3
_ENCODINGS = {"utf-8-sig": "byte order mark"}
OF_ANY_QUESTION = frozenset({401, 403, 404, 405})
"""Refused is who asks, or where: no question has anything to do with it."""


class Unanswered(Exception):
    """A reply without an answer: `word` names the reason, `detail` says more.

    timeout, unreachable, broken (the connection), redirect, too-large, not-json, no-answer (none where they
    should be), row-count; by the ids that answers
    repeat row-missing, row-doubled, row-extra, row-order; crashed (a model in this process).
    """

    def __init__(self, word: str, detail: str, status: int = 0) -> None:
        super().__init__(f"{word}: {detail}")
        self.word, self.detail, self.status = word, detail, status


def failure(question: Question, fault: Unanswered) -> SideAnswer:
    """Return an answer that records a failure."""
    return answer(question, fault.status, failure=fault.word, detail=fault.detail[:SHOWN_CHARACTERS])


def answer(question: Question, status: int, **fields: Any) -> SideAnswer:
    """Build an answer to a question."""
    return SideAnswer(question.id, question.kind, question.segment, status, **fields)


def document(data: bytes, status: int) -> tuple[Any, str]:
    """Parse the JSON of a reply; name what many clients cannot read: encoding, mark, repeated key.

    NaN and the infinities are read. Raises Unanswered.
    """
    encoding, twice = json.detect_encoding(data), dict[str, None]()

    def pairs(members: list[tuple[str, Any]]) -> dict[str, Any]:
        read = dict(members)
        if len(read) < len(members):
            counts = Counter(key for key, _ in members)
            twice.update((key, None) for key, times in counts.items() if times > 1)
        return read

    try:
        value = json.loads(data.decode(encoding, "surrogatepass"), object_pairs_hook=pairs)
    except (ValueError, RecursionError) as fault:
        raise Unanswered("not-json", f"{fault}; it began with {_excerpt(data)!r}", status) from fault
    odd = [_ENCODINGS.get(encoding, encoding)] if encoding != "utf-8" else []
    odd += [f"key {key!r:.40} twice" for key in sorted(twice)[:MAX_KEYS]]
    return value, ", ".join(odd)


def _excerpt(data: bytes) -> str:
    return data[:SHOWN_CHARACTERS].decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer for each question, in order, and the model that gave them, if known: NAME@VERSION."""

    answers: list[SideAnswer]
    model: str = ""


def read(
    questions: Sequence[Question], rows: int | None, status: int, data: bytes, mapping: ResponseMapping
) -> Reply:
    """Read a reply to these questions; raise Unanswered if it answers none of them."""
    if status >= REFUSED:
        return Reply(_refusals(questions, status, data, mapping))
    if status >= REDIRECT:
        raise Unanswered("redirect", "to another address, which is not followed", status)
    content, odd = document(data, status)
    model = reference(mapping.model, mapping.version, content)
    answers = _answers(questions, rows, status, _values_in(content, rows, status, mapping), mapping)
    return Reply([replace(answer_of_row, code=odd) for answer_of_row in answers] if odd else answers, model)


def _answers(
    questions: Sequence[Question], rows: int | None, status: int, values: list[Any], response: ResponseMapping
) -> list[SideAnswer]:
    if rows is None:
        return [answer(questions[0], status, value=[_without_omitted(value, response) for value in values])]
    if response.id:
        return _join_by_id(questions, values, status, response)
    if len(values) != rows:
        raise Unanswered("row-count", f"{len(values)} answers to {rows} rows", status)
    return [
        answer(question, status, value=_without_omitted(value, response))
        for question, value in zip(questions, values, strict=True)
    ]


def _refusals(
    questions: Sequence[Question], status: int, data: bytes, response: ResponseMapping
) -> list[SideAnswer]:
    """Turn a refused request into a refusal of each question; without a code path only the status counts.

    `detail` tells of one that need not come from the service that was meant.
    """
    content, odd = document(data, status) if response.code else ({}, "")
    code = text_at(response.code, content).removeprefix(response.code_prefix)
    faults = (
        {key: content[key] for key in response.faults if key in content} if isinstance(content, dict) else {}
    )
    doubtful = not code and (response.code or status in OF_ANY_QUESTION or status >= BROKEN)
    detail = f"no error code; it began with {_excerpt(data)!r}" if doubtful else ""
    short_detail, code = detail[:SHOWN_CHARACTERS], ", ".join(filter(None, (code, odd)))
    return [answer(question, status, code=code, value=faults, detail=short_detail) for question in questions]


def _values_in(content: Any, rows: int | None, status: int, response: ResponseMapping) -> list[Any]:
    """Find the answers in a document."""
    alone = response.single and (rows == 1 or not response.many)
    path = response.single if alone else response.many
    try:
        values = value_at(path, content)
    except LookupError:
        raise Unanswered("no-answer", f"nothing at {path}", status) from None
    return values if isinstance(values, list) and not alone else [values]


def _without_omitted(value: Any, response: ResponseMapping) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: value for key, value in value.items() if key not in response.omit}


def _join_by_id(
    questions: Sequence[Question], values: Sequence[Any], status: int, response: ResponseMapping
) -> list[SideAnswer]:
    """Join answers to questions by the id that each answer repeats."""
    ids = [_id_of(value, response.id) for value in values]
    named = dict(zip(ids, values, strict=True))
    faults = _find_misplaced([question.id for question in questions], ids, status, ordered=response.ordered)
    return [
        failure(question, faults[question.id])
        if question.id in faults
        else answer(question, status, value=_without_omitted(named[question.id], response))
        for question in questions
    ]


def _find_misplaced(
    asked_ids: Sequence[str], answered_ids: Sequence[str], status: int, *, ordered: bool
) -> dict[str, Unanswered]:
    """Find misplaced rows by id; raise Unanswered for an answer to an unknown id."""
    if strange := set(answered_ids) - set(asked_ids):
        raise Unanswered("row-extra", f"answers with ids nobody asked about: {sorted(strange)}", status)
    times = Counter(answered_ids)
    faults = {
        name: Unanswered("row-missing", "no answer has its id", status)
        for name in set(asked_ids) - set(answered_ids)
    }
    for name in times:
        if times[name] > 1:
            faults[name] = Unanswered("row-doubled", f"{times[name]} answers have its id", status)
    if ordered and not faults:
        positions = {name: position for position, name in enumerate(answered_ids)}
        for position, name in enumerate(asked_ids):
            if positions[name] != position:
                detail = f"asked as row {position}, answered as row {positions[name]}"
                faults[name] = Unanswered("row-order", detail, status)
    return faults


def _id_of(value: Any, path: str) -> str:
    try:
        return str(value_at(path, value))
    except LookupError:
        return ""
