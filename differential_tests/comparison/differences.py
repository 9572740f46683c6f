"""Differences of two sides at one path, row by row, and the distance of their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from differential_tests.comparison.entries import Entries, Floats, Mask, Positions, nearest
from differential_tests.comparison.table import Type
from differential_tests.findings import FindingKind
from differential_tests.settings.tolerances import AllowedDifference

ABSENT = object()
"""The value of the side that has nothing at a place: null is something."""


@dataclass(frozen=True, slots=True)
class Differences:
    """Differences of one kind at one path: arrays of shape (n,); `rows` are positions in Rows.

    `differences` are b - a, `percents` of the larger one; both are NaN where there are not two numbers.
    """

    kind: FindingKind
    rows: Positions
    a: Sequence[Any]
    b: Sequence[Any]
    differences: Floats
    percents: Floats

    def __len__(self) -> int:
        return len(self.rows)

    def only(self, chosen: Mask) -> Differences:
        """Select some entries."""
        at = np.flatnonzero(chosen).tolist()
        a, b = [self.a[position] for position in at], [self.b[position] for position in at]
        return Differences(self.kind, self.rows[at], a, b, self.differences[at], self.percents[at])


@dataclass(frozen=True, slots=True)
class Numbers:
    """Numbers of both sides: arrays of shape (n,); NaN and the infinities only if both have them.

    `differences` are b - a, `percents` of the larger one (200 at most), `beyond` says where they are too far
    apart: beyond the tolerance, or of opposite sign.
    """

    rows: Positions
    a: Floats
    b: Floats
    differences: Floats
    percents: Floats
    beyond: Mask

    def __len__(self) -> int:
        return len(self.rows)


def one_sided(a: Entries, b: Entries) -> Differences:
    """Return the entries of one side only as differences."""
    rows = np.concatenate([a.rows, b.rows])
    values = [*a.values(), *[ABSENT] * len(b)], [*[ABSENT] * len(a), *b.values()]
    none = np.full(len(rows), np.nan)
    return Differences(FindingKind.PATH, rows, *values, none, none)


def differing(a: Entries, b: Entries, allowed: AllowedDifference) -> tuple[list[Differences], Numbers]:
    """Compare entries of the same rows; return the differences and all numbers."""
    same_type = a.types == b.types
    two_numbers = same_type & (a.types == Type.NUMBER)
    exactly = same_type & ~two_numbers
    of_numbers, numbers = _of_numbers(a.only(two_numbers), b.only(two_numbers), allowed)
    types = _without_size(FindingKind.TYPE, a.only(~same_type), b.only(~same_type))
    return [types, *of_numbers, _of_texts(a.only(exactly), b.only(exactly))], numbers


def _without_size(kind: FindingKind, a: Entries, b: Entries) -> Differences:
    none = np.full(len(a), np.nan)
    return Differences(kind, a.rows, a.values(), b.values(), none, none)


def _of_texts(a: Entries, b: Entries) -> Differences:
    """Compare texts and booleans; nulls and empty lists of both sides have the same code."""
    known = {text: code for code, text in enumerate(a.column.texts)}
    in_a = np.array([known.get(text, -1) for text in b.column.texts], np.int64)
    codes, are_texts = b.codes, b.types == Type.TEXT
    codes[are_texts] = in_a[codes[are_texts]]
    differ = a.codes != codes
    return _without_size(FindingKind.TEXT, a.only(differ), b.only(differ))


def _of_numbers(a: Entries, b: Entries, allowed: AllowedDifference) -> tuple[list[Differences], Numbers]:
    x, y = a.numbers(), b.numbers()
    nan = np.isnan(x) != np.isnan(y)
    infinite = (np.isinf(x) | np.isinf(y)) & (x != y) & ~np.isnan(x) & ~np.isnan(y)
    like = ~(nan | infinite)
    numbers = _numbers(a.only(like), b.only(like), allowed)
    signs = np.sign(numbers.a) * np.sign(numbers.b) < 0
    differences = [
        _without_size(FindingKind.NAN, a.only(nan), b.only(nan)),
        _without_size(FindingKind.INFINITE, a.only(infinite), b.only(infinite)),
        _with_size(FindingKind.SIGN, a.only(like), b.only(like), numbers, signs),
        _with_size(FindingKind.NUMBER, a.only(like), b.only(like), numbers, numbers.beyond & ~signs),
    ]
    return differences, numbers


def _with_size(kind: FindingKind, a: Entries, b: Entries, numbers: Numbers, chosen: Mask) -> Differences:
    values = a.only(chosen).values(), b.only(chosen).values()
    return Differences(
        kind, numbers.rows[chosen], *values, numbers.differences[chosen], numbers.percents[chosen]
    )


def _numbers(a: Entries, b: Entries, allowed: AllowedDifference) -> Numbers:
    x, y = a.numbers(), b.numbers()
    larger = np.maximum(np.abs(x), np.abs(y))
    # What overflows is infinitely far apart; 0 % of infinity is NaN, beyond which nothing is.
    with np.errstate(over="ignore", invalid="ignore"):
        differences = _differences(a, b, x, y)
        sizes = np.abs(differences)
        share = np.divide(sizes, larger, out=np.zeros_like(sizes), where=sizes > 0)
        beyond = sizes > allowed.dollars + allowed.percent / 100 * larger
        signs = np.sign(x) * np.sign(y) < 0
    return Numbers(a.rows, x, y, differences, 100 * np.minimum(share, 2), beyond | signs)


def _differences(a: Entries, b: Entries, x: Floats, y: Floats) -> Floats:
    """Return b - a, with 0 where both are NaN or the same infinity."""
    finite = np.isfinite(x)
    differences = np.where(finite, y - x, 0.0)
    for position in np.flatnonzero((a.whole | b.whole) & finite).tolist():
        differences[position] = nearest(b.exact(position) - a.exact(position))
    return differences
