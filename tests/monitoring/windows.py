"""Simulate windows of fields that do not drift, counted into the bins of a reference.

Method: docs/statistics.md, "Drift".
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitoring.statistics import distances, drift

Numbers: TypeAlias = NDArray[np.float64]

FIELDS, BINS, REFERENCE = 79, 20, 2_500
REFERENCES, WINDOWS = 30, 60
"""How many references, each with edges of its own, and how many windows against each of them."""


def chances() -> list[Numbers]:
    """Return how likely a house is in each quantile bin of each reference: edges are estimates, too."""
    rng = np.random.default_rng(17)
    likely = []
    for _ in range(REFERENCES):
        values = np.sort(rng.random((FIELDS, REFERENCE)), axis=-1)
        edges = np.quantile(values, np.arange(1, BINS) / BINS, axis=-1).T
        likely.append(np.diff(edges, axis=-1, prepend=0, append=1))
    return likely


def false_alarms(size: int, likely: list[Numbers], *, floors: bool) -> float:
    """Return the share of windows of `size` houses in which any field is yellow or red."""
    rng = np.random.default_rng(size)
    reference = np.full(BINS, REFERENCE // BINS)
    alarms = []
    for chance in likely:
        windows = rng.multinomial(size, chance, (WINDOWS, FIELDS))
        psi = distances.psi(reference, windows)
        floor = distances.psi_floor(reference, windows, FIELDS) * floors
        for index, least in zip(psi, floor, strict=True):
            alarms.append(any(map(drift.state, index.tolist(), least.tolist())))
    return float(np.mean(alarms))


def null_indices(size: int, count: int, rng: np.random.Generator) -> Numbers:
    """Return the PSI of `count` windows of `size` houses, each of the same law as its reference."""
    reference, window = (rng.multinomial(n, [1 / BINS] * BINS, count) for n in (REFERENCE, size))
    return distances.psi(reference, window)
