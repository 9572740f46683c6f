"""Quantiles of numeric differences, in all and by segment, and a sample for plots."""

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
    """The segment of each row as a code; -1 without a segment."""

    def __init__(self, of_rows: Sequence[str]) -> None:
        self.names = sorted(set(of_rows) - {""})
        codes = {name: code for code, name in enumerate(self.names)} | {"": -1}
        self.codes = np.array([codes[name] for name in of_rows], np.int64)


def spreads(compared: ComparedPath, segments: RowSegments) -> Iterator[Spread]:
    """Yield the spread of all rows, then of each segment in alphabetical order."""
    numbers = compared.numbers
    if not len(numbers):
        return
    everything = np.zeros(len(numbers), np.int64)
    yield from _spreads_by_group(compared.path, numbers, everything, [""])
    codes = segments.codes[numbers.rows]
    if (codes >= 0).any():
        yield from _spreads_by_group(compared.path, numbers, codes, segments.names)


def _spreads_by_group(
    path: str, numbers: Numbers, codes: NDArray[np.int64], names: Sequence[str]
) -> Iterator[Spread]:
    """Compute quantiles by nearest rank, so that each is an observed difference."""
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


def pairs(compared: ComparedPath, ids: Sequence[str]) -> Pairs:
    """Sample the numbers of at most SAMPLE rows: the WORST differences, the others evenly from all rows."""
    order = np.argsort(compared.numbers.rows)
    finite = order[np.isfinite(compared.numbers.a[order])]
    percents = compared.numbers.percents[finite]
    worst = finite[np.argsort(-percents, kind="stable")[:WORST]]
    evenly = finite[np.linspace(0, len(finite) - 1, min(len(finite), SAMPLE - WORST)).astype(np.int64)]
    chosen = np.union1d(worst, evenly)
    rows = compared.numbers.rows[chosen]
    return Pairs(
        compared.path, tuple(ids[row] for row in rows), compared.numbers.a[chosen], compared.numbers.b[chosen]
    )
