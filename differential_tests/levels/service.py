"""D2: the package against the API over HTTP: the same rows answered and refused, with the same codes."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from differential_tests.comparison import compare
from differential_tests.comparison.table import AnswerTable
from differential_tests.findings import Check, Level
from differential_tests.levels.prices import add_price_gaps
from differential_tests.questions import Question
from differential_tests.recording import TOGETHER, requests
from differential_tests.recording.strategies import Strategy, answer_table, in_requests, one_by_one
from differential_tests.settings.tolerances import Tolerances
from differential_tests.sides import Side

PERCENT = 1e-7
"""Of the price: a relative 1e-9; JSON writes every float64 so that it is read again exactly."""
ROWS_OF_CSV = 100
ALONE = frozenset({"unseen", "outside"})


def service(
    package: Side,
    other: Side,
    questions: Sequence[Question],
    tolerances: Tolerances,
    *,
    noise: tuple[AnswerTable, AnswerTable] | None = None,
    dataset: str = "",
) -> list[Check]:
    """Compare rows in batches, one by one and as CSV; `noise` is the service twice, from D0.

    What is refused is asked alone in every way, so that it is not asked again one by one.
    """
    accepted = [question for question in questions if question.row is not None and question.kind in TOGETHER]
    variants: list[tuple[str, Sequence[Question], Strategy]] = [
        ("batches", questions, in_requests),
        ("one by one", accepted, one_by_one),
        ("CSV", csv_bodies(questions), in_requests),
    ]
    within = tolerances.within(percent=PERCENT)
    checks = []
    for name, asking, strategy in variants:
        packaged, served = (
            answer_table(package, asking, tolerances, strategy),
            answer_table(other, asking, tolerances, strategy),
        )
        floor = noise if name == "batches" else None
        check = compare(packaged, served, within, noise=floor, level=Level.D2, name=name, dataset=dataset)
        checks.append(add_price_gaps(check, packaged, served, tolerances))
    return checks


def csv_bodies(questions: Sequence[Question], rows: int = ROWS_OF_CSV) -> list[Question]:
    """Write rows as CSV bodies; a row with an unseen code or out of range is alone.

    Rows with lists, NaN and the like are of JSON alone.
    """
    written = [
        question for question in questions if question.row is not None and question.kind in TOGETHER | ALONE
    ]
    return [_csv(chunk) for chunk in requests(written, rows)]


def _csv(houses: Sequence[Question]) -> Question:
    """Write one CSV body; a null is an empty cell."""
    text = io.StringIO(newline="")
    rows = [house.row or {} for house in houses]
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)))
    writer.writeheader()
    writer.writerows(rows)
    return Question(
        f"csv {houses[0].id}",
        houses[0].kind,
        houses[0].segment,
        body=text.getvalue(),
        content_type="text/csv",
    )
