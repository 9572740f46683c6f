"""Places: what differs at one place of the values of all rows, and by how much."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from differential_tests.comparison.rows import Rows
from differential_tests.comparison.table import Column, Table, Type
from differential_tests.findings import Kind
from differential_tests.terms import Tolerance

Floats = NDArray[np.float64]
Positions = NDArray[np.int64]
Mask = NDArray[np.bool_]

ABSENT = object()
"""The value of the side that has nothing at a place: null is something."""
_NOTHING = Column(np.empty(0, np.int32), np.empty(0, np.uint8), np.empty(0, np.float64), ())


@dataclass(frozen=True, slots=True)
class Differences:
    """What differs in one way at one place: arrays of shape (n,), `rows` being positions in Rows.

    `differences` are b - a, `percents` of the larger one; both are NaN where there are not two numbers.
    """

    kind: Kind
    rows: Positions
    a: Sequence[Any]
    b: Sequence[Any]
    differences: Floats
    percents: Floats

    def only(self, chosen: Mask) -> Differences:
        """Some of them."""
        at = np.flatnonzero(chosen).tolist()
        return Differences(
            self.kind,
            self.rows[at],
            [self.a[one] for one in at],
            [self.b[one] for one in at],
            self.differences[at],
            self.percents[at],
        )


@dataclass(frozen=True, slots=True)
class Numbers:
    """Where both sides have a number: arrays of shape (n,); NaN and the infinities only if both have them.

    `sizes` are the absolute differences, `percents` those of the larger one, `beyond` says where the
    tolerance is exceeded.
    """

    rows: Positions
    a: Floats
    b: Floats
    sizes: Floats
    percents: Floats
    beyond: Mask


@dataclass(frozen=True, slots=True)
class Place:
    """One place compared in `rows` rows, in which either side has something there."""

    path: str
    rows: int
    differences: Sequence[Differences]
    numbers: Numbers


def compared(a: Table, b: Table, rows: Rows, tolerance: Tolerance) -> Iterator[Place]:
    """Every place of either table, in alphabetical order."""
    to_rows = _positions(rows.a, len(a.ids)), _positions(rows.b, len(b.ids))
    for path in sorted(a.columns.keys() | b.columns.keys()):
        one = _Side.of(a.columns.get(path, _NOTHING), to_rows[0])
        other = _Side.of(b.columns.get(path, _NOTHING), to_rows[1])
        yield _place(path, one, other, tolerance)


def _positions(places: Positions, count: int) -> Positions:
    """The position in Rows of each row of a table, -1 for none."""
    found = np.full(count, -1, np.int64)
    found[places] = np.arange(len(places))
    return found


@dataclass(frozen=True, slots=True)
class _Side:
    """Entries of one column, `rows` being positions in Rows."""

    column: Column
    entries: Positions
    rows: Positions

    @classmethod
    def of(cls, column: Column, positions: Positions) -> _Side:
        rows = positions[column.rows]
        entries = np.flatnonzero(rows >= 0)
        return cls(column, entries, rows[entries])

    def only(self, chosen: Any) -> _Side:
        return _Side(self.column, self.entries[chosen], self.rows[chosen])

    @property
    def types(self) -> NDArray[np.uint8]:
        """A whole number is a number, however large."""
        types = self.column.types[self.entries]
        return np.where(types == Type.WHOLE, np.uint8(Type.NUMBER), types)

    @property
    def whole(self) -> Mask:
        return np.asarray(self.column.types[self.entries] == Type.WHOLE)

    @property
    def codes(self) -> Positions:
        return self.column.numbers[self.entries].astype(np.int64)

    def numbers(self) -> Floats:
        found = self.column.numbers[self.entries]
        for at in np.flatnonzero(self.whole):
            found[at] = _float(Fraction(self.column.value(self.entries[at])))
        return found

    def values(self) -> list[Any]:
        if bool((self.column.types[self.entries] == Type.NUMBER).all()):
            return list(self.column.numbers[self.entries].tolist())
        return [self.column.value(entry) for entry in self.entries]


def _place(path: str, a: _Side, b: _Side, tolerance: Tolerance) -> Place:
    if np.array_equal(a.rows, b.rows):
        alone = [_alone(a.only(slice(0)), b.only(slice(0)))]
        both_a, both_b = a, b
    else:
        _, at_a, at_b = np.intersect1d(a.rows, b.rows, assume_unique=True, return_indices=True)
        both_a, both_b = a.only(at_a), b.only(at_b)
        alone = [_alone(a.only(_others(at_a, len(a.rows))), b.only(_others(at_b, len(b.rows))))]
    same_type = both_a.types == both_b.types
    two_numbers = same_type & (both_a.types == Type.NUMBER)
    numbers, found = _numbers(path, both_a.only(two_numbers), both_b.only(two_numbers), tolerance)
    exact = same_type & ~two_numbers
    found = [
        *alone,
        _unlike(Kind.TYPE, both_a.only(~same_type), both_b.only(~same_type)),
        *found,
        _texts(both_a.only(exact), both_b.only(exact)),
    ]
    rows = len(both_a.rows) + len(alone[0].rows)
    return Place(path, rows, [one for one in found if len(one.rows)], numbers)


def _others(taken: Positions, count: int) -> Positions:
    free = np.ones(count, np.bool_)
    free[taken] = False
    return np.flatnonzero(free)


def _alone(a: _Side, b: _Side) -> Differences:
    rows = np.concatenate([a.rows, b.rows])
    nothing_a, nothing_b = [ABSENT] * len(a.rows), [ABSENT] * len(b.rows)
    none = np.full(len(rows), np.nan)
    return Differences(Kind.PATH, rows, [*a.values(), *nothing_b], [*nothing_a, *b.values()], none, none)


def _unlike(kind: Kind, a: _Side, b: _Side) -> Differences:
    none = np.full(len(a.rows), np.nan)
    return Differences(kind, a.rows, a.values(), b.values(), none, none)


def _texts(a: _Side, b: _Side) -> Differences:
    """Texts and booleans; where null, or an empty list, is on both sides, the codes are 0."""
    known = {text: code for code, text in enumerate(a.column.texts)}
    same = np.array([known.get(text, -1) for text in b.column.texts], np.int64)
    codes, are_texts = b.codes, b.types == Type.TEXT
    codes[are_texts] = same[codes[are_texts]]
    differ = a.codes != codes
    return _unlike(Kind.TEXT, a.only(differ), b.only(differ))


def _numbers(path: str, a: _Side, b: _Side, tolerance: Tolerance) -> tuple[Numbers, list[Differences]]:
    x, y = a.numbers(), b.numbers()
    kinds = {
        Kind.NAN: np.isnan(x) != np.isnan(y),
        Kind.INFINITE: (np.isinf(x) | np.isinf(y)) & (x != y) & ~(np.isnan(x) | np.isnan(y)),
    }
    odd = kinds[Kind.NAN] | kinds[Kind.INFINITE]
    found = [_unlike(kind, a.only(these), b.only(these)) for kind, these in kinds.items()]
    a, b, x, y = a.only(~odd), b.only(~odd), x[~odd], y[~odd]
    differences = _differences(a, b, x, y)
    sizes = np.abs(differences)
    larger = np.maximum(np.abs(x), np.abs(y))
    percents = _percents(sizes, larger)
    allowed = tolerance.at(path)
    with np.errstate(over="ignore", invalid="ignore"):
        beyond = sizes > allowed.dollars + allowed.percent / 100 * larger
        signs = np.sign(x) * np.sign(y) < 0
    for kind, these in ((Kind.SIGN, signs), (Kind.NUMBER, beyond & ~signs)):
        one, other = a.only(these), b.only(these)
        found.append(
            Differences(kind, one.rows, one.values(), other.values(), differences[these], percents[these])
        )
    return Numbers(a.rows, x, y, sizes, percents, beyond | signs), found


def _differences(a: _Side, b: _Side, x: Floats, y: Floats) -> Floats:
    """b - a; 0 where both are NaN or the same infinity."""
    with np.errstate(over="ignore", invalid="ignore"):
        found = np.where(np.isfinite(x), y - x, 0.0)
    for at in np.flatnonzero((a.whole | b.whole) & np.isfinite(x)):
        one, other = a.column.value(a.entries[at]), b.column.value(b.entries[at])
        found[at] = _float(Fraction(other) - Fraction(one))
    return found


def _percents(sizes: Floats, larger: Floats) -> Floats:
    """At most 200, also where the difference is too large for a float."""
    with np.errstate(over="ignore", invalid="ignore"):
        share = np.divide(sizes, larger, out=np.zeros_like(sizes), where=sizes > 0)
    return 100 * np.minimum(share, 2)


def _float(exact: Fraction) -> float:
    """The nearest float; beyond them all the largest."""
    try:
        return float(exact)
    except OverflowError:
        return sys.float_info.max if exact > 0 else -sys.float_info.max
