"""Made-up streams of houses on the border of the margin, and the gate that looks at them day by day.

Many streams at once: arrays of shape (streams, days, houses a day). A gain is d + margin; a null has mean
gain 0: the candidate is worse by exactly the margin, so that every opening of the gate is wrong. The keys are
those of `monitoring.statistics.sequential`. Method: docs/statistics.md, "The two keys", "Segments" and "Late
outcomes".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitoring.statistics.sequential import ln_e_many, lower_bounds
from monitoring.statistics.sums import Terms, log_factors

Numbers: TypeAlias = NDArray[np.float64]
Looks: TypeAlias = NDArray[np.bool_]
Null: TypeAlias = Callable[[np.random.Generator, int], Numbers]

TERMS = Terms(cap=0.5, margin=0.003)
SEGMENT_TERMS = Terms(cap=0.5, margin=0.02)
ALPHA = 0.05
DAYS, HOUSES = 200, 25
LEAST_DAYS = 28
SD = 0.058
MOST_LOST = TERMS.cap - TERMS.margin
MEAN_DELAY_DAYS, WATERMARK_DAYS = 30.0, 90
DELAYS_AT_LEAST, DELAY_QUANTILE, COVERAGE = 200, 0.95, 0.8
"""Of the default policy: how many delays tell the watermark, which quantile, and how many outcomes."""


def noise(rng: np.random.Generator, streams: int, sd: float = SD) -> Numbers:
    return rng.normal(0.0, sd, (streams, DAYS, HOUSES))


def gaussian(rng: np.random.Generator, streams: int) -> Numbers:
    return noise(rng, streams)


def heavy_tails(rng: np.random.Generator, streams: int) -> Numbers:
    """As the differences of two models of the Ames houses: sd 0.058, kurtosis 6.8; capped."""
    freedom = 4 + 6 / (6.8 - 3)
    spread = SD / np.sqrt(freedom / (freedom - 2))
    return np.clip(rng.standard_t(freedom, (streams, DAYS, HOUSES)) * spread, -MOST_LOST, MOST_LOST)


def disasters(rng: np.random.Generator, streams: int, rate: float, *, whole_days: bool = False) -> Numbers:
    """Now and then a house, or each of a day, loses all that it can; the others win a little."""
    struck = rng.random((streams, DAYS, 1 if whole_days else HOUSES)) < rate
    return np.where(struck, -MOST_LOST, MOST_LOST * rate / (1 - rate) + noise(rng, streams, sd=0.01))


def clusters(rng: np.random.Generator, streams: int, correlation: float) -> Numbers:
    """Houses of one day err alike."""
    days = rng.normal(0.0, SD, (streams, DAYS, 1))
    return np.sqrt(correlation) * days + np.sqrt(1 - correlation) * noise(rng, streams)


def autoregressive(rng: np.random.Generator, streams: int, phi: float) -> Numbers:
    """Each house errs like the one before it."""
    fresh = noise(rng, streams).reshape(streams, -1)
    rows = fresh.copy()
    for place in range(1, rows.shape[1]):
        rows[:, place] = phi * rows[:, place - 1] + np.sqrt(1 - phi**2) * fresh[:, place]
    return rows.reshape(streams, DAYS, HOUSES)


NULLS: dict[str, Null] = {
    "gaussian": gaussian,
    "heavy tails": heavy_tails,
    "disaster 1 %": lambda rng, streams: disasters(rng, streams, 0.01),
    "disaster 0.2 %": lambda rng, streams: disasters(rng, streams, 0.002),
    "day clusters 0.1": lambda rng, streams: clusters(rng, streams, 0.1),
    "day clusters 0.3": lambda rng, streams: clusters(rng, streams, 0.3),
    "autoregressive 0.5": lambda rng, streams: autoregressive(rng, streams, 0.5),
}
WHOLE_DAYS = "whole-day disasters 2 %"
EIGHT_NULLS = NULLS | {WHOLE_DAYS: lambda rng, streams: disasters(rng, streams, 0.02, whole_days=True)}


@dataclass(frozen=True, slots=True)
class Keys:
    """Both keys at each look, arrays of shape (streams, looks), and whether there are days enough to look."""

    ln_e: Numbers
    lower: Numbers
    enough: Looks

    @property
    def houses(self) -> Looks:
        """Where key A has turned."""
        return (self.ln_e >= np.log(1 / ALPHA)) & self.enough

    @property
    def days(self) -> Looks:
        """Where key B has turned."""
        return (self.lower > 0) & self.enough

    @property
    def both(self) -> Looks:
        """Where the gate is open."""
        return self.houses & self.days


def at_every_day(gains: Numbers) -> Keys:
    """Look at the end of each day."""
    return keys_of_days(log_factors(TERMS.gaining, gains), gains.sum(axis=-1))


def keys_of_days(factors: Numbers, blocks: Numbers) -> Keys:
    """Look at the end of each day: log factors (streams, days, bets) and gains (streams, days) of days."""
    counts = np.arange(1, blocks.shape[1] + 1)
    means = blocks.cumsum(axis=1) / counts
    squares = (blocks**2).cumsum(axis=1) - counts * means**2
    sds = np.sqrt(np.maximum(squares, 0) / np.maximum(counts - 1, 1))
    lower = lower_bounds(counts, means, sds, ALPHA)
    return Keys(ln_e_many(factors.cumsum(axis=1)), lower, counts >= LEAST_DAYS)


def naive(gains: Numbers, least: int = 50, rows: int = 4_000) -> Looks:
    """What everybody does: a one-sided t-test at 5 %, looked at after every house; shape (streams, looks)."""
    flat = gains.reshape(len(gains), -1)[:, :rows]
    counts = np.arange(1, rows + 1)
    means = flat.cumsum(axis=1) / counts
    variances = ((flat**2).cumsum(axis=1) / counts - means**2)[:, least:]
    return means[:, least:] > 1.645 * np.sqrt(variances / counts[least:])


def rate(looks: Looks) -> float:
    """The share of streams in which it ever happened."""
    return float(looks.any(axis=1).mean())


def with_segment(rng: np.random.Generator, streams: int, houses: int, mean: float) -> tuple[Numbers, Numbers]:
    """Differences d of all houses, and of a segment of so many a day; the candidate is better elsewhere."""
    d = noise(rng, streams)
    d[..., :houses] += mean
    d[..., houses:] += 0.01
    return d, d[..., :houses]


def segment_passes(d: Numbers) -> Looks:
    """Where key A proves of a segment that it is not worse by more than its margin."""
    factors = log_factors(SEGMENT_TERMS.gaining, d + SEGMENT_TERMS.margin)
    return ln_e_many(factors.cumsum(axis=1)) >= np.log(1 / ALPHA)


def segment_vetoes(d: Numbers, segments: int) -> Looks:
    """Where key A proves of one of so many segments that it is worse by more than its margin."""
    factors = log_factors(SEGMENT_TERMS.losing, -d - SEGMENT_TERMS.margin)
    return ln_e_many(factors.cumsum(axis=1)) >= np.log(segments / ALPHA)


def late(rng: np.random.Generator, streams: int, slope: float) -> tuple[Numbers, NDArray[np.int64]]:
    """Gains with mean 0 whose outcomes arrive the earlier the better they look; and the days they arrive."""
    delays = rng.exponential(MEAN_DELAY_DAYS, (streams, DAYS, HOUSES))
    arrivals = (np.arange(DAYS)[:, np.newaxis] + delays).astype(np.int64)
    return slope * (1 - delays / MEAN_DELAY_DAYS) + noise(rng, streams), arrivals


def in_order_of_arrival(gains: Numbers, arrivals: NDArray[np.int64]) -> Keys:
    """The shortcut: every outcome counts on the day it comes in."""
    return keys_of_days(_factors_by_day(gains, arrivals, DAYS), _by_day(gains, arrivals, DAYS))


def behind_the_watermark(gains: Numbers, arrivals: NDArray[np.int64]) -> Keys:
    """Days enter whole, once nearly all of their outcomes are in; what comes later corrects its own day."""
    mature = np.arange(DAYS)[:, np.newaxis] + WATERMARK_DAYS
    entered = np.maximum(arrivals, mature) - WATERMARK_DAYS
    moments = []
    for look in range(1, DAYS):
        blocks = (gains[:, : look + 1] * (entered[:, : look + 1] <= look)).sum(axis=-1)
        moments.append((blocks.mean(axis=1), blocks.std(axis=1, ddof=1)))
    means, sds = np.moveaxis(np.array(moments), 0, -1)
    counts = np.arange(2, DAYS + 1)
    ln_e = ln_e_many(_factors_by_day(gains, entered, DAYS).cumsum(axis=1))[:, 1:]
    return Keys(ln_e, lower_bounds(counts, means, sds, ALPHA), counts >= LEAST_DAYS)


def behind_the_watermark_seen(gains: Numbers, arrivals: NDArray[np.int64]) -> Keys:
    """Look behind the watermark that a verdict takes: a quantile of the delays that have been seen so far.

    While a stream is young its long delays have not been seen, so days count too early; the coverage that a
    policy demands stops only the worst of it. A day that counts once goes on to count.
    """
    newest = np.maximum.accumulate(_mature_days(arrivals), axis=1)
    days = np.maximum(newest, 0)
    since = _first_looks(newest)[..., np.newaxis]
    entered = np.where(since < DAYS, np.maximum(arrivals, since), DAYS)
    blocks = _table(gains, _answered(gains), entered).cumsum(axis=2)
    counts = np.maximum(days + 1, 2)
    means = blocks.sum(axis=1) / counts
    squares = (blocks**2).sum(axis=1) - counts * means**2
    sds = np.sqrt(np.maximum(squares, 0) / (counts - 1))
    known = _by_day(np.ones(gains.shape), entered, DAYS).cumsum(axis=1)
    covered = known >= COVERAGE * HOUSES * (newest + 1)
    ln_e = ln_e_many(_factors_by_day(gains, entered, DAYS).cumsum(axis=1))
    return Keys(ln_e, lower_bounds(counts, means, sds, ALPHA), (newest + 1 >= LEAST_DAYS) & covered)


def _mature_days(arrivals: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the newest mature day at the end of each day, below 0 for none: shape (streams, looks)."""
    seen = _table(np.ones(arrivals.shape), arrivals, arrivals - _answered(arrivals))
    so_far = seen.cumsum(axis=1).cumsum(axis=2)
    number = so_far[..., -1]
    quantile = (so_far >= DELAY_QUANTILE * number[..., np.newaxis]).argmax(axis=-1) + 1
    return np.arange(DAYS) - np.where(number >= DELAYS_AT_LEAST, quantile, WATERMARK_DAYS)


def _first_looks(newest: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the first look at which each day is mature: shape (streams, days); DAYS for never."""
    mature = newest[:, np.newaxis, :] >= np.arange(DAYS)[:, np.newaxis]
    return np.where(mature.any(axis=-1), mature.argmax(axis=-1), DAYS)


def _answered(houses: NDArray[Any]) -> NDArray[np.int64]:
    """Return the day on which each house was answered."""
    return np.broadcast_to(np.arange(DAYS)[:, np.newaxis], houses.shape)


def _table(values: Numbers, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Numbers:
    """Add up (streams, ...) by two kinds of day: shape (streams, DAYS, DAYS), later days left out."""
    stream = np.arange(len(values)).reshape(-1, *[1] * (values.ndim - 1))
    cells = (stream * DAYS + rows) * DAYS + columns
    inside = (rows < DAYS) & (columns < DAYS)
    sums = np.bincount(cells[inside], values[inside], minlength=len(values) * DAYS * DAYS)
    return sums.reshape(len(values), DAYS, DAYS)


def _factors_by_day(gains: Numbers, days: NDArray[np.int64], count: int) -> Numbers:
    by_bet = [_by_day(np.log1p(stake * gains), days, count) for stake in TERMS.gaining]
    return np.stack(by_bet, axis=-1)


def _by_day(values: Numbers, days: NDArray[np.int64], count: int) -> Numbers:
    """Sums of (streams, ...) by day: shape (streams, count). Days that are too late are left out."""
    streams = np.arange(len(values)).reshape(-1, *[1] * (values.ndim - 1))
    places = np.where(days < count, streams * (count + 1) + days, streams * (count + 1) + count)
    sums = np.bincount(places.ravel(), values.ravel(), minlength=len(values) * (count + 1))
    return sums.reshape(len(values), count + 1)[:, :count]
