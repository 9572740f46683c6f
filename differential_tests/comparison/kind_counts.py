"""Counts of answers and refusals for each kind of question; a refusal by both sides is no agreement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from http import HTTPStatus

import numpy as np

from differential_tests.comparison.compared_paths import to_rows
from differential_tests.comparison.entries import Entries, Mask, Positions
from differential_tests.comparison.rows import Rows, status_text
from differential_tests.comparison.table import AnswerTable, Type
from differential_tests.findings import KindCounts

_EMPTY = (Type.EMPTY_LIST, Type.EMPTY_OBJECT)


def by_kind(a: AnswerTable, b: AnswerTable, rows: Rows) -> tuple[KindCounts, ...]:
    """Count the questions of each kind, in alphabetical order."""
    kinds = dict(zip(b.ids, b.kinds, strict=True)) | dict(zip(a.ids, a.kinds, strict=True))
    of_rows = [a.kinds[row] for row in rows.a.tolist()]
    answered = np.array([a.statuses[row] < HTTPStatus.BAD_REQUEST for row in rows.a.tolist()], np.bool_)
    empty = answered & ~_rows_with_value(a, b, rows, answered)
    totals = Counter(kinds.values())
    yes, no, nothing = (_count_kinds(of_rows, chosen) for chosen in (answered, ~answered, empty))
    refusals = _frequent_refusals(a, rows)
    return tuple(
        KindCounts(kind, totals[kind], yes[kind], no[kind], nothing[kind], refusals.get(kind, ""))
        for kind in sorted(totals)
    )


def _frequent_refusals(a: AnswerTable, rows: Rows) -> dict[str, str]:
    """Return the most frequent refusal of each kind."""
    codes: dict[str, Counter[str]] = {}
    for row in rows.a.tolist():
        if a.statuses[row] >= HTTPStatus.BAD_REQUEST:
            codes.setdefault(a.kinds[row], Counter())[status_text(a, row)] += 1
    return {kind: counts.most_common(1)[0][0] for kind, counts in codes.items()}


def _count_kinds(kinds: Sequence[str], chosen: Mask) -> Counter[str]:
    return Counter(kinds[row] for row in np.flatnonzero(chosen).tolist())


def _rows_with_value(a: AnswerTable, b: AnswerTable, rows: Rows, answered: Mask) -> Mask:
    """Return the rows in which either side has a value.

    Where a place has nothing but null and NaN in all rows, what is the same in all of them (a currency, a
    name) says nothing either.
    """
    filled = np.zeros(len(answered), np.bool_)
    paths = [
        [_SideValues(table, path, positions, answered) for table, positions in ((a, rows.a), (b, rows.b))]
        for path in sorted(a.columns.keys() | b.columns.keys())
    ]
    silent = any(
        any(side.missing for side in sides) and not any(len(side.filled) for side in sides) for sides in paths
    )
    for sides in paths:
        if not (silent and all(side.is_constant for side in sides)):
            for side in sides:
                filled[side.filled] = True
    return filled


class _SideValues:
    """The values of one side at one path, in the answered rows."""

    def __init__(self, table: AnswerTable, path: str, positions: Positions, answered: Mask) -> None:
        entries = Entries.of(table.columns.get(path), to_rows(positions, len(table.ids)))
        entries = entries.only(answered[entries.rows])
        numbers = entries.column.numbers[entries.at]
        types = entries.types
        missing = (types == Type.NULL) | ((types == Type.NUMBER) & ~np.isfinite(numbers))
        self.filled = entries.rows[~missing & ~np.isin(types, _EMPTY)]
        self.missing = int(missing.sum())
        everywhere = len(self.filled) == int(answered.sum()) > 1
        alike = everywhere and (numbers == numbers[0]).all() and (types == types[0]).all()
        self.is_constant = not len(self.filled) or bool(alike)
