"""Weight: differences as findings, in the order in which a reader should see them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from differential_tests.comparison.differences import ABSENT, Differences
from differential_tests.comparison.rows import Rows
from differential_tests.findings import Finding, FindingKind

# As Kind has them, but numbers after all that is of another kind.
_ORDER = {
    kind: place for place, kind in enumerate(sorted(FindingKind, key=lambda kind: kind is FindingKind.NUMBER))
}

LocatedDifferences = Sequence[tuple[str, Differences]]
"""Differences, each with its path."""


def by_weight(found: LocatedDifferences, rows: Rows) -> list[Finding]:
    """By kind, then the largest in percent, then the largest; what weighs the same by path and row."""
    found = [(path, one) for path, one in found if len(one)]
    if not found:
        return []
    made = [finding for path, one in found for finding in _findings(path, one, rows)]
    groups = [one for _, one in found]
    kinds = np.repeat([_ORDER[one.kind] for one in groups], [len(one) for one in groups])
    places = np.repeat(np.arange(len(groups)), [len(one) for one in groups])
    numbers = np.concatenate([one.rows for one in groups])
    percents = np.nan_to_num(np.concatenate([one.percents for one in groups]))
    sizes = np.nan_to_num(np.abs(np.concatenate([one.differences for one in groups])))
    return [made[at] for at in np.lexsort((numbers, places, -sizes, -percents, kinds)).tolist()]


def _findings(path: str, found: Differences, rows: Rows) -> Iterator[Finding]:
    sizes: Sequence[float | None] = [None] * len(found)
    percents = sizes
    if found.kind in (FindingKind.NUMBER, FindingKind.SIGN):
        sizes, percents = found.differences.tolist(), found.percents.tolist()
    for row, a, b, size, percent in zip(found.rows.tolist(), found.a, found.b, sizes, percents, strict=True):
        yield Finding(
            found.kind,
            rows.ids[row],
            path,
            _told(a),
            _told(b),
            size,
            percent,
            rows.segments[row],
            _only(a, b),
        )


def _told(value: object) -> object:
    return None if value is ABSENT else value


def _only(a: object, b: object) -> str:
    if a is ABSENT:
        return "only in b"
    return "only in a" if b is ABSENT else ""
