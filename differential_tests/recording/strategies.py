"""Strategies for asking a side; the answers must not depend on the strategy."""

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
    """Ask so many rows in each request; raise recording.SideDead."""
    return list(recording.answers(side, questions, rows_per_request=rows, concurrency=1))


def one_by_one(side: Side, questions: Sequence[Question]) -> list[SideAnswer]:
    """Ask each question alone."""
    return in_requests(side, questions, rows=1)


def at_once(side: Side, questions: Sequence[Question]) -> list[SideAnswer]:
    """Ask each question alone, several at a time, so that every worker of a service answers some."""
    return list(recording.answers(side, questions, rows_per_request=1, concurrency=AT_ONCE))


def shuffled(side: Side, questions: Sequence[Question], seed: int = 0) -> list[SideAnswer]:
    """Ask in another order, which is the order of the answers."""
    return in_requests(side, Random(seed).sample(questions, len(questions)))  # noqa: S311  # no secret


def doubled(side: Side, questions: Sequence[Question]) -> list[SideAnswer]:
    """Ask each question twice in a request; return the answers to the copies."""
    half = ROWS // 2
    chunks = (questions[first : first + half] for first in range(0, len(questions), half))
    return [answer for chunk in chunks for answer in side.ask([*chunk, *chunk])[len(chunk) :]]


def answer_table(
    side: Side, questions: Sequence[Question], tolerances: Tolerances, strategy: Strategy = in_requests
) -> AnswerTable:
    """Ask a side and return its answers as a table."""
    return table(strategy(side, questions), tolerances.ignore)
