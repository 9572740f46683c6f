"""Rank differences as findings, in the order in which a reader should see them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from differential_tests.comparison.differences import ABSENT, Differences
from differential_tests.comparison.rows import Rows
from differential_tests.findings import Finding, FindingKind

# As Kind has them, but numbers after all that is of another kind.
_ORDER = {
    kind: rank for rank, kind in enumerate(sorted(FindingKind, key=lambda kind: kind is FindingKind.NUMBER))
}

LocatedDifferences = Sequence[tuple[str, Differences]]
"""Differences, each with its path."""


def by_weight(located: LocatedDifferences, rows: Rows) -> list[Finding]:
    """Sort findings by kind, percent and size, then by path and row."""
    located = [(path, differences) for path, differences in located if len(differences)]
    if not located:
        return []
    findings = [finding for path, differences in located for finding in _findings(path, differences, rows)]
    groups = [differences for _, differences in located]
    kinds = np.repeat([_ORDER[group.kind] for group in groups], [len(group) for group in groups])
    path_order = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    numbers = np.concatenate([group.rows for group in groups])
    percents = np.nan_to_num(np.concatenate([group.percents for group in groups]))
    sizes = np.nan_to_num(np.abs(np.concatenate([group.differences for group in groups])))
    return [findings[at] for at in np.lexsort((numbers, path_order, -sizes, -percents, kinds)).tolist()]


def _findings(path: str, differences: Differences, rows: Rows) -> Iterator[Finding]:
    sizes: Sequence[float | None] = [None] * len(differences)
    percents = sizes
    if differences.kind in (FindingKind.NUMBER, FindingKind.SIGN):
        sizes, percents = differences.differences.tolist(), differences.percents.tolist()
    for row, a, b, size, percent in zip(
        differences.rows.tolist(), differences.a, differences.b, sizes, percents, strict=True
    ):
        yield Finding(
            differences.kind,
            rows.ids[row],
            path,
            _value_or_none(a),
            _value_or_none(b),
            size,
            percent,
            rows.segments[row],
            _only_in(a, b),
        )


def _value_or_none(value: object) -> object:
    return None if value is ABSENT else value


def _only_in(a: object, b: object) -> str:
    if a is ABSENT:
        return "only in b"
    return "only in a" if b is ABSENT else ""
