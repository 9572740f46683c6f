"""D0: one side against itself. What differs here is noise, and hides as much in the level above."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from differential_tests.comparison import compare
from differential_tests.comparison.table import Table
from differential_tests.findings import Check, Level
from differential_tests.levels.prices import measured
from differential_tests.questions import Question
from differential_tests.recording.strategies import Way, asked, at_once, in_requests, one_by_one, shuffled
from differential_tests.settings.tolerances import Terms
from differential_tests.sides import Side

PERCENT = 1e-10
"""Of the price: |ln ratio| <= 1e-12. Measured: exactly 0 for trees, 1.8e-15 for the ridge."""
WAYS: Mapping[str, Way] = {
    "second call": in_requests,
    "one by one": one_by_one,
    "shuffled": shuffled,
    "other workers": at_once,
}


def noise(
    side: Side, houses: Sequence[Question], terms: Terms, *, dataset: str = "", ways: Mapping[str, Way] = WAYS
) -> list[Check]:
    """Ask the same in every way: a check for each, against one call with all rows."""
    first = asked(side, houses, terms)
    return [
        _check(first, asked(side, houses, terms, way), terms, name, dataset) for name, way in ways.items()
    ]


def pair(side: Side, questions: Sequence[Question], terms: Terms) -> tuple[Table, Table]:
    """Two calls: the noise that a comparison of this side with another has to exceed."""
    return asked(side, questions, terms), asked(side, questions, terms)


def _check(first: Table, again: Table, terms: Terms, name: str, dataset: str) -> Check:
    check = compare(first, again, terms.within(percent=PERCENT), level=Level.D0, name=name, dataset=dataset)
    return measured(check, first, again, terms)
