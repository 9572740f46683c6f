"""Cover the features of many houses by few houses.

What is to occur: every code of every category, every part of every number's range (each value, if there are
few; else tenths), its least and its largest value, every field and pair of fields without a value, and every
segment. Houses stream by; of each of these things a few houses are held, so memory does not grow with them.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from itertools import combinations, pairwise

import numpy as np

from differential_tests.questions.harvest.masking import content
from model_package.schema import FIELDS, Row, Value

FEW = 20  # different values, that is
_TENTHS = np.arange(1, 10) / 10
_NUMBERS = tuple(field.name for field in FIELDS if field.kind != "category")
_NULLABLE = tuple(field.name for field in FIELDS if field.nullable)
_ORDINARY = "any"
Edges = Mapping[str, list[float]]
RankedRow = tuple[float, str, Row]
"""A house by what it is ranked: a number (the lowest first), then its content."""


def edges(rows: Iterable[Row]) -> dict[str, list[float]]:
    """Return the inner edges of each numeric field's bins."""
    columns: dict[str, list[float]] = {name: [] for name in _NUMBERS}
    for row in rows:
        for name, column in columns.items():
            if isinstance(value := row[name], int | float):
                column.append(float(value))
    return {name: _bin_edges(column) for name, column in columns.items()}


def _bin_edges(column: list[float]) -> list[float]:
    values = sorted(set(column))
    if len(values) <= FEW:
        return [(low + high) / 2 for low, high in pairwise(values)]
    return sorted({float(edge) for edge in np.quantile(column, _TENTHS)})


def features(row: Row, edges: Edges, segment: str) -> Iterator[str]:
    """Yield the features of a row, but for extremes."""
    for name, value in row.items():
        if name in edges and value is not None:
            yield f"{name} {bisect_right(edges[name], float(value))}"
        else:
            yield f"{name} {value}"
    nulls = [name for name in _NULLABLE if row[name] is None]
    yield from (f"{first} {second}" for first, second in combinations(nulls, 2))
    yield f"segment {segment}"


@dataclass(slots=True)
class Cover:
    """Rows kept so far: `each` of every feature that occurs, and `ordinary` of all.

    Which these are depends on the houses alone, not on the order in which they come.
    """

    edges: Edges
    each: int
    ordinary: int
    _kept: dict[str, list[RankedRow]] = field(default_factory=dict)

    def add(self, row: Row, segment: str) -> None:
        """Add a house."""
        key = content(row)
        self._keep(_ORDINARY, (0.0, key, row), self.ordinary)
        for feature in features(row, self.edges, segment):
            self._keep(feature, (0.0, key, row), self.each)
        for name in _NUMBERS:
            if (value := row[name]) is not None:
                self._keep(f"{name} least", (_number(value), key, row), 1)
                self._keep(f"{name} largest", (-_number(value), key, row), 1)

    def _keep(self, feature: str, house: RankedRow, most: int) -> None:
        held = self._kept.setdefault(feature, [])
        if len(held) == most and not (held and house[:2] < held[-1][:2]):
            return
        # Twice the same house is one: equal numbers and contents, and no order of rows is asked for.
        if not any(house[:2] == kept_row[:2] for kept_row in held):
            insort(held, house, key=_rank)
            del held[most:]

    def chosen(self) -> Iterator[Row]:
        """Yield houses until every feature has occurred, the one that adds most first; then ordinary ones.

        Greedy: at most ln(n) times as many as would be needed (Chvatal 1979).
        """
        rows, adds = self._rows_and_features()
        ordinary = [row for _, _, row in self._kept.pop(_ORDINARY, [])]
        waiting = [(-len(features_of_row), key) for key, features_of_row in adds.items()]
        heapify(waiting)
        occurred: set[str] = set()
        while waiting:
            expected, key = heappop(waiting)
            gain = len(adds[key] - occurred)
            if gain and gain < -expected:  # others have come first meanwhile: what it adds has become less
                heappush(waiting, (-gain, key))
            elif gain:
                occurred |= adds[key]
                yield rows[key]
        yield from ordinary

    def _rows_and_features(self) -> tuple[dict[str, Row], dict[str, set[str]]]:
        rows: dict[str, Row] = {}
        adds: dict[str, set[str]] = {}
        for feature, held in self._kept.items():
            for _, key, row in held:
                rows[key] = row
                adds.setdefault(key, set()).add(feature)
        return rows, adds


def _rank(house: RankedRow) -> tuple[float, str]:
    return house[:2]


def _number(value: Value) -> float:
    return float(value)  # type: ignore[arg-type]
