"""Entries of one side at one path, in rows that both sides answered alike."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from differential_tests.comparison.table import AnswerColumn, Type

Floats = NDArray[np.float64]
Positions = NDArray[np.int64]
Mask = NDArray[np.bool_]

NO_COLUMN = AnswerColumn(np.empty(0, np.int32), np.empty(0, np.uint8), np.empty(0, np.float64), ())


@dataclass(frozen=True, slots=True)
class Entries:
    """Some entries of a column: arrays of shape (n,); `at` are positions in it, `rows` positions in Rows."""

    column: AnswerColumn
    at: Positions
    rows: Positions

    @classmethod
    def of(cls, column: AnswerColumn | None, to_rows: Positions) -> Entries:
        """Select the entries in Rows; `to_rows` maps each row of the table to a position there, or -1."""
        column = column or NO_COLUMN
        rows = to_rows[column.rows]
        at = np.flatnonzero(rows >= 0)
        return cls(column, at, rows[at])

    def __len__(self) -> int:
        return len(self.at)

    def only(self, chosen: Mask | Positions) -> Entries:
        """Select some entries."""
        return Entries(self.column, self.at[chosen], self.rows[chosen])

    @property
    def types(self) -> NDArray[np.uint8]:
        """Return the type of each entry; a whole number of any size is a number."""
        types = self.column.types[self.at]
        return np.where(types == Type.WHOLE, np.uint8(Type.NUMBER), types)

    @property
    def whole(self) -> Mask:
        """Return which entries are whole numbers too large for an exact float64."""
        return np.asarray(self.column.types[self.at] == Type.WHOLE)

    @property
    def codes(self) -> Positions:
        """Return positions in the column's texts; 0 or 1 for booleans; 0 for other types."""
        return self.column.numbers[self.at].astype(np.int64)

    def numbers(self) -> Floats:
        """Return the numbers; every entry has to be a number."""
        numbers = self.column.numbers[self.at]
        for position in np.flatnonzero(self.whole).tolist():
            numbers[position] = nearest(self.exact(position))
        return numbers

    def exact(self, position: int) -> Fraction:
        """Return an entry, which has to be a finite number, exactly."""
        return Fraction(self.column.value(int(self.at[position])))

    def values(self) -> list[Any]:
        """Return the entries as JSON values."""
        if bool((self.column.types[self.at] == Type.NUMBER).all()):
            return list(self.column.numbers[self.at].tolist())
        return [self.column.value(entry) for entry in self.at.tolist()]


def paired(a: Entries, b: Entries) -> tuple[Entries, Entries, Entries, Entries]:
    """Split entries into those of rows on both sides, and the rest of each side."""
    if np.array_equal(a.rows, b.rows):
        nothing = np.empty(0, np.int64)
        return a, b, a.only(nothing), b.only(nothing)
    _, in_a, in_b = np.intersect1d(a.rows, b.rows, assume_unique=True, return_indices=True)
    return a.only(in_a), b.only(in_b), a.only(_others(in_a, len(a))), b.only(_others(in_b, len(b)))


def _others(taken: Positions, count: int) -> Mask:
    free = np.ones(count, np.bool_)
    free[taken] = False
    return free


def nearest(exact: Fraction) -> float:
    """Round to the nearest float; a number beyond the floats becomes the largest one, never infinity."""
    try:
        return float(exact)
    except OverflowError:
        return sys.float_info.max if exact > 0 else -sys.float_info.max
