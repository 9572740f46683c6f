"""Compare two tables path by path, so that only the arrays of one path are in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from differential_tests.comparison.differences import Differences, Numbers, differing, one_sided
from differential_tests.comparison.entries import Entries, Positions, paired
from differential_tests.comparison.rows import Rows
from differential_tests.comparison.table import AnswerTable
from differential_tests.settings.tolerances import Tolerance


@dataclass(frozen=True, slots=True)
class ComparedPath:
    """One path compared in the `rows` rows in which either side has a value there."""

    path: str
    rows: int
    differences: Sequence[Differences]
    numbers: Numbers


def compare_paths(a: AnswerTable, b: AnswerTable, rows: Rows, tolerance: Tolerance) -> Iterator[ComparedPath]:
    """Compare two tables path by path, in alphabetical order."""
    from_a, from_b = to_rows(rows.a, len(a.ids)), to_rows(rows.b, len(b.ids))
    for path in sorted(a.columns.keys() | b.columns.keys()):
        entries_a, entries_b = (
            Entries.of(a.columns.get(path), from_a),
            Entries.of(b.columns.get(path), from_b),
        )
        if len(entries_a) or len(entries_b):
            yield _compare_path(path, entries_a, entries_b, tolerance)


def to_rows(positions: Positions, count: int) -> Positions:
    """Map each row of a table to its position in Rows, or to -1."""
    rows = np.full(count, -1, np.int64)
    rows[positions] = np.arange(len(positions))
    return rows


def _compare_path(path: str, a: Entries, b: Entries, tolerance: Tolerance) -> ComparedPath:
    both_a, both_b, only_a, only_b = paired(a, b)
    differences, numbers = differing(both_a, both_b, tolerance.at(path))
    differences = [difference for difference in (one_sided(only_a, only_b), *differences) if len(difference)]
    return ComparedPath(path, len(both_a) + len(only_a) + len(only_b), differences, numbers)
