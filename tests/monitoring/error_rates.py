"""Simulate how often the gate, and the shortcuts that it replaces, decide without cause.

    python tests/monitoring/error_rates.py 2000

prints the tables of docs/statistics.md, "Measured error rates", from 2,000 streams of each kind; without a
number from 300, as the tests do. Seeds are fixed: the same number of streams gives the same rates.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from monitoring.statistics.sequential import bernoulli_sums, ln_e_many, rows_needed
from monitoring.statistics.sums import Terms, log_factors

sys.path.insert(0, str(Path(__file__).parent))
import streams
import windows
from streams import ALPHA, EIGHT_NULLS, Null

Rates: TypeAlias = dict[str, float]
Measure: TypeAlias = Callable[[np.random.Generator, int], list[float]]

STREAMS = 300
AT_ONCE = 100
SEED = 20_261_121


def batches(count: int, seed: int) -> Iterator[tuple[np.random.Generator, int]]:
    """Yield generators for `count` streams in all, few at once: memory stays small."""
    for begin in range(0, count, AT_ONCE):
        yield np.random.default_rng([SEED, seed, begin]), min(AT_ONCE, count - begin)


def averaged(count: int, seed: int, measure: Measure) -> list[float]:
    """Average what `measure` returns for each batch over all streams."""
    measured = [(size, measure(rng, size)) for rng, size in batches(count, seed)]
    columns = range(len(measured[0][1]))
    return [sum(size * row[column] for size, row in measured) / count for column in columns]


@dataclass(frozen=True, slots=True)
class OfNull:
    """Shares of streams in which a test ever decided without cause."""

    naive: float
    key_a: float
    key_b: float
    both: float


@cache
def of_nulls(count: int) -> dict[str, OfNull]:
    """Measure the naive test, each key alone and the gate on each kind of stream."""
    return {name: _of_null(count, seed, null) for seed, (name, null) in enumerate(EIGHT_NULLS.items())}


def _of_null(count: int, seed: int, null: Null) -> OfNull:
    def measure(rng: np.random.Generator, size: int) -> list[float]:
        gains = null(rng, size)
        keys = streams.at_every_day(gains)
        looks = [streams.naive(gains), keys.houses, keys.days, keys.both]
        return [streams.rate(look) for look in looks]

    return OfNull(*averaged(count, seed, measure))


@cache
def of_segments(count: int) -> Rates:
    """Measure the rules of segments, and a test of the mean of all houses beside them."""
    margin = streams.SEGMENT_TERMS.margin
    return {
        **_of_segment(count, 20, "a segment at its margin", houses=5, mean=-margin),
        **_of_segment(count, 21, "8 % of the houses worse by 0.05", houses=2, mean=-0.05),
        "12 segments at their margin: any vetoed": _vetoed_without_cause(count),
        **{
            f"a segment at its margin, days alike by {share}: promoted": _of_alike_days(count, 23, share)
            for share in (0.1, 0.3)
        },
    }


def _of_segment(count: int, seed: int, name: str, houses: int, mean: float) -> Rates:
    def measure(rng: np.random.Generator, size: int) -> list[float]:
        d, segment = streams.with_segment(rng, size, houses, mean)
        gate = streams.at_every_day(d + streams.TERMS.margin).both
        vetoed = streams.segment_vetoes(segment, segments=12)
        looks = [gate, gate & streams.segment_passes(segment), vetoed]
        return [streams.rate(look) for look in looks]

    by_mean, promoted, vetoed = averaged(count, seed, measure)
    return {f"{name}: by the mean of all": by_mean, f"{name}: promoted": promoted, f"{name}: vetoed": vetoed}


def _vetoed_without_cause(count: int) -> float:
    def measure(rng: np.random.Generator, size: int) -> list[float]:
        houses = streams.noise(rng, size)[..., :24].reshape(size, streams.DAYS, 12, 2)
        d = houses - streams.SEGMENT_TERMS.margin
        vetoes = [streams.segment_vetoes(d[:, :, segment], segments=12) for segment in range(12)]
        return [streams.rate(np.logical_or.reduce(vetoes))]

    return averaged(count, 22, measure)[0]


def _of_alike_days(count: int, seed: int, share: float) -> float:
    """Measure a segment at its margin whose houses of one day err alike; all others are better."""

    def measure(rng: np.random.Generator, size: int) -> list[float]:
        d = streams.noise(rng, size) + 0.01
        d[..., :5] = streams.clusters(rng, size, share)[..., :5] - streams.SEGMENT_TERMS.margin
        gate = streams.at_every_day(d + streams.TERMS.margin).both
        return [streams.rate(gate & streams.segment_passes(d[..., :5]))]

    return averaged(count, seed, measure)[0]


@cache
def of_delays(count: int) -> Rates:
    """Measure three ways to count outcomes that come later the worse they look; slopes are per mean delay."""
    ways = {
        "in order of arrival": streams.in_order_of_arrival,
        "behind a watermark of all delays": streams.behind_the_watermark,
        "behind the watermark of the delays seen": streams.behind_the_watermark_seen,
    }
    slopes = (0.0, 0.01, 0.02)

    def measure(rng: np.random.Generator, size: int) -> list[float]:
        late = [streams.late(rng, size, slope) for slope in slopes]
        return [streams.rate(way(*houses).both) for way in ways.values() for houses in late]

    names = [f"{way}, slope {slope:g}" for way in ways for slope in slopes]
    return dict(zip(names, averaged(count, 30, measure), strict=True))


@cache
def of_shares(count: int) -> Rates:
    """Measure a share exactly at its limit of 1 %, with a look after each 100 of 5,000 houses."""
    limit, looks, houses = 0.01, 50, 100
    seen = houses * np.arange(1, looks + 1)

    def measure(rng: np.random.Generator, size: int) -> list[float]:
        struck = rng.binomial(houses, limit, (size, looks)).cumsum(axis=1)
        return [_ever_proved(struck, seen - struck, sign * limit) for sign in (1, -1)]

    within, over = averaged(count, 40, measure)
    return {"a share at its limit, proved within it": within, "a share at its limit, proved over it": over}


def _ever_proved(struck: NDArray[np.int64], others: NDArray[np.int64], margin: float) -> float:
    """Measure how often a margin above 0 proves the share within its limit, one below 0 over it."""
    struck_house = (0, 1, 0) if margin > 0 else (1, 0, 0)
    factors = (np.array(bernoulli_sums(*unit, margin=margin)) for unit in (struck_house, (0, 0, 1)))
    sums = sum(
        houses[..., np.newaxis] * factor for houses, factor in zip((struck, others), factors, strict=True)
    )
    return streams.rate(ln_e_many(np.asarray(sums)) >= np.log(1 / ALPHA))


@cache
def of_certificates(count: int) -> Rates:
    """Measure the certificate for two models whose mean gap is exactly the margin."""
    mean = streams.TERMS.margin

    def measure(rng: np.random.Generator, size: int) -> list[float]:
        gaps = np.abs(streams.noise(rng, size, sd=mean * np.sqrt(np.pi / 2)))
        return [streams.rate(streams.at_every_day(mean - gaps).both)]

    return {"a mean gap at the margin: certified": averaged(count, 41, measure)[0]}


@cache
def of_windows() -> Rates:
    """Measure windows of fields that do not drift: 4,000 of one field, 1,800 of all 79 together."""
    chances, rng = windows.chances(), np.random.default_rng(9)
    rates = {}
    for size in (500, 1_000, 5_000):
        point = (1 / windows.REFERENCE + 1 / size) * stats.chi2.ppf(0.95, windows.BINS - 1)
        beyond = float((windows.null_indices(size, 4_000, rng) > point).mean())
        rates[f"{size:,} houses: PSI beyond the 95 % point"] = beyond
        rates[f"{size:,} houses: any field, 0.1 alone"] = windows.false_alarms(size, chances, floors=False)
        rates[f"{size:,} houses: any field, 0.1 and floor"] = windows.false_alarms(size, chances, floors=True)
    return rates


@dataclass(frozen=True, slots=True)
class Needed:
    """Houses until key A turns, in half and in nine of ten streams, and by the planning rule."""

    half: float
    most: float
    half_planned: float
    most_planned: float


EFFECTS = {
    "better by 0.006, margin 0": (0.006, 0.0),
    "better by 0.006, margin 0.003": (0.006, 0.003),
    "equal, margin 0.003": (0.0, 0.003),
}


@cache
def houses_needed(count: int) -> dict[str, Needed]:
    """Measure how many houses key A takes: heavy-tailed differences of sd 0.058, a look after each."""
    return {name: _needed(count, seed, *terms) for seed, (name, terms) in enumerate(EFFECTS.items(), 50)}


def _needed(count: int, seed: int, effect: float, margin: float) -> Needed:
    stakes = Terms(streams.TERMS.cap, margin).gaining
    turned = [
        houses
        for rng, size in batches(count, seed)
        for houses in _first_turned(effect + margin + _two_runs(rng, size), stakes)
    ]
    half, most = np.quantile(turned, [0.5, 0.9])
    return Needed(float(half), float(most), *rows_needed(streams.SD, effect, margin, ALPHA))


def _two_runs(rng: np.random.Generator, size: int) -> NDArray[np.float64]:
    """Draw 10,000 houses for each stream."""
    runs = (streams.heavy_tails(rng, size).reshape(size, -1) for _ in range(2))
    return np.concatenate(list(runs), axis=1)


def _first_turned(gains: NDArray[np.float64], stakes: tuple[float, ...]) -> list[float]:
    """Count the houses until key A turns in each stream; infinity: it does not."""
    counts = []
    for row in gains:
        capital = log_factors(stakes, row[:, np.newaxis]).cumsum(axis=0)
        turned = ln_e_many(capital) >= np.log(1 / ALPHA)
        counts.append(float(turned.argmax() + 1) if turned.any() else np.inf)
    return counts


def interval(rate: float, count: int) -> tuple[float, float]:
    """Return Clopper and Pearson's exact 95 % interval of a share seen in `count` trials."""
    hits = round(rate * count)
    low = stats.beta.ppf(0.025, hits, count - hits + 1) if hits else 0.0
    high = stats.beta.ppf(0.975, hits + 1, count - hits) if hits < count else 1.0
    return float(low), float(high)


def rows(count: int) -> Iterator[str]:
    """Yield every row of the page's tables, in Markdown."""
    for name, null in of_nulls(count).items():
        yield "| " + " | ".join([name, *(_with_interval(rate, count) for rate in astuple(null))]) + " |"
    for rates in (of_segments(count), of_delays(count), of_shares(count), of_certificates(count)):
        for name, rate in rates.items():
            yield f"| {name} | {_with_interval(rate, count)} |"
    for name, rate in of_windows().items():
        trials = 4_000 if "PSI" in name else windows.REFERENCES * windows.WINDOWS
        yield f"| {name} | {_with_interval(rate, trials)} |"
    for name, needed in houses_needed(count).items():
        yield "| " + " | ".join([name, *(f"{houses:,.0f}" for houses in astuple(needed))]) + " |"


def _with_interval(rate: float, count: int) -> str:
    low, high = interval(rate, count)
    return f"{rate:.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    for line in rows(int(sys.argv[1]) if len(sys.argv) > 1 else STREAMS):
        sys.stdout.write(f"{line}\n")
