"""Ways of asking one side the same: whatever the way, the answers have to be the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from differential_tests import recording
from differential_tests.comparison.table import AnswerTable, table
from differential_tests.questions import Question
from differential_tests.run_file import SideAnswer
from differential_tests.settings.tolerances import Tolerances
from differential_tests.sides import Side

Strategy = Callable[[Side, Sequence[Question]], list[SideAnswer]]

ROWS = 500
"""Rows in one request, unless something else is said; what would be refused is always alone."""
AT_ONCE = 8


def in_requests(side: Side, questions: Sequence[Question], rows: int = ROWS) -> list[SideAnswer]:
    """So many rows in each request; raises recording.SideDead."""
    return list(recording.answers(side, questions, rows_per_request=rows, concurrency=1))


def one_by_one(side: Side, questions: Sequence[Question]) -> list[SideAnswer]:
    """Each alone."""
    return in_requests(side, questions, rows=1)


def at_once(side: Side, questions: Sequence[Question]) -> list[SideAnswer]:
    """Each alone, several at a time, so that every worker of a service answers some of them."""
    return list(recording.answers(side, questions, rows_per_request=1, concurrency=AT_ONCE))


def shuffled(side: Side, questions: Sequence[Question], seed: int = 0) -> list[SideAnswer]:
    """In another order; the answers come in that order, too."""
    return in_requests(side, Random(seed).sample(questions, len(questions)))  # noqa: S311  # no secret


def doubled(side: Side, questions: Sequence[Question]) -> list[SideAnswer]:
    """Each with a copy of itself in the same request: the answers to the copies."""
    half = ROWS // 2
    chunks = (questions[first : first + half] for first in range(0, len(questions), half))
    return [answer for chunk in chunks for answer in side.ask([*chunk, *chunk])[len(chunk) :]]


def answer_table(
    side: Side, questions: Sequence[Question], tolerances: Tolerances, way: Strategy = in_requests
) -> AnswerTable:
    """What a side answers, as a table."""
    return table(way(side, questions), tolerances.ignore)
