"""Histogram edges. They are an interface: changing one breaks every quantile across the change."""

from __future__ import annotations

from math import ceil, floor, log10

DURATION_SECONDS = (
    0.001,
    0.002,
    0.003,
    0.005,
    0.0075,
    0.01,
    0.015,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
)
"""Near-geometric, with an edge exactly at every latency an objective may name."""

MODEL_SECONDS = (1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0)
"""Time of a model alone: a folded linear model takes microseconds, a batch of a large one seconds."""

BATCH_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

ROWS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000)


def geometric(low: float, high: float, per_decade: int) -> tuple[float, ...]:
    """Edges from `low` to at least `high`, rounded to 3 significant digits, plus one below and one above.

    >>> geometric(10, 100, 2)
    (3.16, 10.0, 31.6, 100.0, 316.0)
    """
    steps = ceil(log10(high / low) * per_decade - 1e-9)
    return tuple(_three_digits(low * 10 ** (i / per_decade)) for i in range(-1, steps + 2))


def _three_digits(value: float) -> float:
    return round(value, 2 - floor(log10(value)))


PRICE_DOLLARS = geometric(10_000, 2_000_000, per_decade=8)
"""Shared by the drift figures: a price inside a bucket is known to within 17 %."""

_DIFFERENCES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
DIFFERENCE_RATIO = (*(-edge for edge in reversed(_DIFFERENCES)), 0.0, *_DIFFERENCES)
"""Symmetric about no difference, with an edge at every share that agreement is reported for."""
