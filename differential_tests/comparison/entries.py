"""Entries: those of one side at one place, in rows that both sides answered alike."""

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
        """All that are in Rows; `to_rows` has the position there of each row of the table, or -1."""
        column = column or NO_COLUMN
        rows = to_rows[column.rows]
        at = np.flatnonzero(rows >= 0)
        return cls(column, at, rows[at])

    def __len__(self) -> int:
        return len(self.at)

    def only(self, chosen: Mask | Positions) -> Entries:
        """Some of them."""
        return Entries(self.column, self.at[chosen], self.rows[chosen])

    @property
    def types(self) -> NDArray[np.uint8]:
        """Of each: a whole number is a number, however large."""
        found = self.column.types[self.at]
        return np.where(found == Type.WHOLE, np.uint8(Type.NUMBER), found)

    @property
    def whole(self) -> Mask:
        """Which are whole numbers that are too large for float64 to be exact."""
        return np.asarray(self.column.types[self.at] == Type.WHOLE)

    @property
    def codes(self) -> Positions:
        """Positions in the column's texts; 0 or 1 for booleans; 0 for the others that are no numbers."""
        return self.column.numbers[self.at].astype(np.int64)

    def numbers(self) -> Floats:
        """Where all are numbers."""
        found = self.column.numbers[self.at]
        for place in np.flatnonzero(self.whole).tolist():
            found[place] = nearest(self.exact(place))
        return found

    def exact(self, place: int) -> Fraction:
        """One of them, if it is a number and finite."""
        return Fraction(self.column.value(int(self.at[place])))

    def values(self) -> list[Any]:
        """As JSON."""
        if bool((self.column.types[self.at] == Type.NUMBER).all()):
            return list(self.column.numbers[self.at].tolist())
        return [self.column.value(place) for place in self.at.tolist()]


def paired(a: Entries, b: Entries) -> tuple[Entries, Entries, Entries, Entries]:
    """Those of rows in which both sides have one, and what is left of each."""
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
    """The nearest float; beyond them all the largest, since no number is infinite."""
    try:
        return float(exact)
    except OverflowError:
        return sys.float_info.max if exact > 0 else -sys.float_info.max
