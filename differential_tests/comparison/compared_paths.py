"""Places: two tables compared place by place, so that the arrays of one place at a time are in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from differential_tests.comparison.differences import Differences, Numbers, alone, unlike
from differential_tests.comparison.entries import Entries, Positions, paired
from differential_tests.comparison.rows import Rows
from differential_tests.comparison.table import AnswerTable
from differential_tests.settings.tolerances import Tolerance


@dataclass(frozen=True, slots=True)
class ComparedPath:
    """One place compared in `rows` rows, in which either side has something there."""

    path: str
    rows: int
    differences: Sequence[Differences]
    numbers: Numbers


def compare_paths(a: AnswerTable, b: AnswerTable, rows: Rows, tolerance: Tolerance) -> Iterator[ComparedPath]:
    """Every place of either table, in alphabetical order."""
    from_a, from_b = to_rows(rows.a, len(a.ids)), to_rows(rows.b, len(b.ids))
    for path in sorted(a.columns.keys() | b.columns.keys()):
        one, other = Entries.of(a.columns.get(path), from_a), Entries.of(b.columns.get(path), from_b)
        if len(one) or len(other):
            yield _place(path, one, other, tolerance)


def to_rows(places: Positions, count: int) -> Positions:
    """The position in Rows of each row of a table, or -1."""
    found = np.full(count, -1, np.int64)
    found[places] = np.arange(len(places))
    return found


def _place(path: str, a: Entries, b: Entries, tolerance: Tolerance) -> ComparedPath:
    both_a, both_b, only_a, only_b = paired(a, b)
    found, numbers = unlike(both_a, both_b, tolerance.at(path))
    found = [one for one in (alone(only_a, only_b), *found) if len(one)]
    return ComparedPath(path, len(both_a) + len(only_a) + len(only_b), found, numbers)
