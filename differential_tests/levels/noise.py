"""D0: one side against itself. A difference here is noise, and hides as much at higher levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from differential_tests.comparison import compare
from differential_tests.comparison.table import AnswerTable
from differential_tests.findings import Check, Level
from differential_tests.levels.prices import add_price_gaps
from differential_tests.questions import Question
from differential_tests.recording.strategies import (
    Strategy,
    answer_table,
    at_once,
    in_requests,
    one_by_one,
    shuffled,
)
from differential_tests.settings.tolerances import Tolerances
from differential_tests.sides import Side

PERCENT = 1e-10
"""Of the price: |ln ratio| <= 1e-12. Measured: exactly 0 for trees, 1.8e-15 for the ridge."""
WAYS: Mapping[str, Strategy] = {
    "second call": in_requests,
    "one by one": one_by_one,
    "shuffled": shuffled,
    "other workers": at_once,
}


def noise(
    side: Side,
    houses: Sequence[Question],
    tolerances: Tolerances,
    *,
    dataset: str = "",
    strategies: Mapping[str, Strategy] = WAYS,
) -> list[Check]:
    """Ask with every strategy and compare each with one call of all rows."""
    first = answer_table(side, houses, tolerances)
    return [
        _check(first, answer_table(side, houses, tolerances, strategy), tolerances, name, dataset)
        for name, strategy in strategies.items()
    ]


def pair(
    side: Side, questions: Sequence[Question], tolerances: Tolerances
) -> tuple[AnswerTable, AnswerTable]:
    """Ask twice: the noise that a comparison with another side has to exceed."""
    return answer_table(side, questions, tolerances), answer_table(side, questions, tolerances)


def _check(first: AnswerTable, second: AnswerTable, tolerances: Tolerances, name: str, dataset: str) -> Check:
    check = compare(
        first, second, tolerances.within(percent=PERCENT), level=Level.D0, name=name, dataset=dataset
    )
    return add_price_gaps(check, first, second, tolerances)
