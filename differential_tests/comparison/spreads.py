"""Spreads: how large the differences of numbers are, in all and by segment, and a sample for plots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from differential_tests.comparison.compared_paths import ComparedPath
from differential_tests.comparison.differences import Numbers
from differential_tests.findings import Pairs, Spread

SHARES = (0.5, 0.9, 0.99, 1.0)
WORST = 50
SAMPLE = 2000


class RowSegments:
    """The segment of each row as a number: those without one are in none."""

    def __init__(self, of_rows: Sequence[str]) -> None:
        self.names = sorted(set(of_rows) - {""})
        places = {name: place for place, name in enumerate(self.names)} | {"": -1}
        self.codes = np.array([places[name] for name in of_rows], np.int64)


def spreads(place: ComparedPath, segments: RowSegments) -> Iterator[Spread]:
    """Of all rows, then by segment in alphabetical order; nothing where there are no two numbers."""
    numbers = place.numbers
    if not len(numbers):
        return
    everything = np.zeros(len(numbers), np.int64)
    yield from _grouped(place.path, numbers, everything, [""])
    codes = segments.codes[numbers.rows]
    if (codes >= 0).any():
        yield from _grouped(place.path, numbers, codes, segments.names)


def _grouped(path: str, numbers: Numbers, codes: NDArray[np.int64], names: Sequence[str]) -> Iterator[Spread]:
    """Quantiles by nearest rank: each is a difference that was seen."""
    all_sizes = np.abs(numbers.differences)
    in_one = np.flatnonzero(codes >= 0)
    codes = codes[in_one]
    groups, counts = np.unique(codes, return_counts=True)
    ends = np.cumsum(counts)
    ranks = [ends - counts + np.ceil(share * counts).astype(np.int64) - 1 for share in SHARES]
    sizes, percents = (
        np.stack([values[in_one][np.lexsort((values[in_one], codes))][rank] for rank in ranks], axis=1)
        for values in (all_sizes, numbers.percents)
    )
    differing = np.bincount(codes, all_sizes[in_one] > 0)
    beyond = np.bincount(codes, numbers.beyond[in_one])
    for at, group in enumerate(groups):
        yield Spread(
            path,
            names[group],
            int(counts[at]),
            int(differing[group]),
            int(beyond[group]),
            tuple(sizes[at].tolist()),
            tuple(percents[at].tolist()),
        )


def pairs(place: ComparedPath, ids: Sequence[str]) -> Pairs:
    """The numbers of at most SAMPLE rows: the WORST that differ most, the others evenly among all rows."""
    order = np.argsort(place.numbers.rows)
    finite = order[np.isfinite(place.numbers.a[order])]
    percents = place.numbers.percents[finite]
    worst = finite[np.argsort(-percents, kind="stable")[:WORST]]
    evenly = finite[np.linspace(0, len(finite) - 1, min(len(finite), SAMPLE - WORST)).astype(np.int64)]
    chosen = np.union1d(worst, evenly)
    rows = place.numbers.rows[chosen]
    return Pairs(
        place.path, tuple(ids[row] for row in rows), place.numbers.a[chosen], place.numbers.b[chosen]
    )
