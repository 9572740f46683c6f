"""Replies: what came back, as one answer for each question."""

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
MOST_KEYS = 3
_ENCODINGS = {"utf-8-sig": "byte order mark"}
OF_ANY_QUESTION = frozenset({401, 403, 404, 405})
"""Refused is who asks, or where: no question has anything to do with it."""


class Unanswered(Exception):
    """No answer: `word` says what happened instead, `detail` more.

    timeout, unreachable, broken (the connection), redirect, too-large, not-json, no-answer (none where they
    should be), row-count; by the ids that answers
    repeat row-missing, row-doubled, row-extra, row-order; crashed (a model in this process).
    """

    def __init__(self, word: str, detail: str, status: int = 0) -> None:
        super().__init__(f"{word}: {detail}")
        self.word, self.detail, self.status = word, detail, status


def failure(question: Question, fault: Unanswered) -> SideAnswer:
    """That there is no answer, as one."""
    return answer(question, fault.status, failure=fault.word, detail=fault.detail[:SHOWN_CHARACTERS])


def answer(question: Question, status: int, **told: Any) -> SideAnswer:
    """An answer to this question."""
    return SideAnswer(question.id, question.kind, question.segment, status, **told)


def document(data: bytes, status: int) -> tuple[Any, str]:
    """The JSON of a reply, and what many clients cannot read of it: another encoding, a mark, a key twice.

    NaN and the infinities are read. Raises Unanswered.
    """
    encoding, twice = json.detect_encoding(data), dict[str, None]()

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        read = dict(found)
        if len(read) < len(found):
            counts = Counter(key for key, _ in found)
            twice.update((key, None) for key, times in counts.items() if times > 1)
        return read

    try:
        value = json.loads(data.decode(encoding, "surrogatepass"), object_pairs_hook=pairs)
    except (ValueError, RecursionError) as fault:
        raise Unanswered("not-json", f"{fault}; it began with {_began(data)!r}", status) from fault
    odd = [_ENCODINGS.get(encoding, encoding)] if encoding != "utf-8" else []
    odd += [f"key {key!r:.40} twice" for key in sorted(twice)[:MOST_KEYS]]
    return value, ", ".join(odd)


def _began(data: bytes) -> str:
    return data[:SHOWN_CHARACTERS].decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer for each question, in their order, and who gave them, if that was said: NAME@VERSION."""

    answers: list[SideAnswer]
    model: str = ""


def read(
    questions: Sequence[Question], rows: int | None, status: int, data: bytes, told: ResponseMapping
) -> Reply:
    """What was replied to these questions; raises Unanswered when there is an answer to none of them."""
    if status >= REFUSED:
        return Reply(_refusals(questions, status, data, told))
    if status >= REDIRECT:
        raise Unanswered("redirect", "to another address, which is not followed", status)
    content, odd = document(data, status)
    model = reference(told.model, told.version, content)
    answers = _answers(questions, rows, status, _found(content, rows, status, told), told)
    return Reply([replace(one, code=odd) for one in answers] if odd else answers, model)


def _answers(
    questions: Sequence[Question], rows: int | None, status: int, found: list[Any], response: ResponseMapping
) -> list[SideAnswer]:
    if rows is None:
        return [answer(questions[0], status, value=[_kept(one, response) for one in found])]
    if response.id:
        return _joined(questions, found, status, response)
    if len(found) != rows:
        raise Unanswered("row-count", f"{len(found)} answers to {rows} rows", status)
    return [
        answer(question, status, value=_kept(one, response))
        for question, one in zip(questions, found, strict=True)
    ]


def _refusals(
    questions: Sequence[Question], status: int, data: bytes, response: ResponseMapping
) -> list[SideAnswer]:
    """A refusal is of the whole request. Where no place of a code is known, the status is all there is.

    `detail` tells of one that need not come from the service that was meant.
    """
    told, odd = document(data, status) if response.code else ({}, "")
    code = text_at(response.code, told).removeprefix(response.code_prefix)
    faults = {key: told[key] for key in response.faults if key in told} if isinstance(told, dict) else {}
    doubtful = not code and (response.code or status in OF_ANY_QUESTION or status >= BROKEN)
    detail = f"no error code; it began with {_began(data)!r}" if doubtful else ""
    shown, code = detail[:SHOWN_CHARACTERS], ", ".join(filter(None, (code, odd)))
    return [answer(question, status, code=code, value=faults, detail=shown) for question in questions]


def _found(told: Any, rows: int | None, status: int, response: ResponseMapping) -> list[Any]:
    """The answers in a document, as many as came."""
    alone = response.one and (rows == 1 or not response.many)
    place = response.one if alone else response.many
    try:
        found = value_at(place, told)
    except LookupError:
        raise Unanswered("no-answer", f"nothing at {place}", status) from None
    return found if isinstance(found, list) and not alone else [found]


def _kept(told: Any, response: ResponseMapping) -> Any:
    if not isinstance(told, dict):
        return told
    return {key: value for key, value in told.items() if key not in response.omit}


def _joined(
    questions: Sequence[Question], found: Sequence[Any], status: int, response: ResponseMapping
) -> list[SideAnswer]:
    """By the id that each answer repeats."""
    ids = [_id(one, response.id) for one in found]
    named = dict(zip(ids, found, strict=True))
    faults = _misplaced([question.id for question in questions], ids, status, ordered=response.ordered)
    return [
        failure(question, faults[question.id])
        if question.id in faults
        else answer(question, status, value=_kept(named[question.id], response))
        for question in questions
    ]


def _misplaced(
    asked: Sequence[str], came: Sequence[str], status: int, *, ordered: bool
) -> dict[str, Unanswered]:
    """What is wrong with rows, by their id; raises Unanswered for answers to what was not asked."""
    if strange := set(came) - set(asked):
        raise Unanswered("row-extra", f"answers with ids nobody asked about: {sorted(strange)}", status)
    times = Counter(came)
    faults = {
        name: Unanswered("row-missing", "no answer has its id", status) for name in set(asked) - set(came)
    }
    for name in times:
        if times[name] > 1:
            faults[name] = Unanswered("row-doubled", f"{times[name]} answers have its id", status)
    if ordered and not faults:
        places = {name: place for place, name in enumerate(came)}
        for place, name in enumerate(asked):
            if places[name] != place:
                words = f"asked as row {place}, answered as row {places[name]}"
                faults[name] = Unanswered("row-order", words, status)
    return faults


def _id(told: Any, place: str) -> str:
    try:
        return str(value_at(place, told))
    except LookupError:
        return ""
