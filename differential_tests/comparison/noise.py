"""Noise: how much a side differs from itself, and which differences it excuses.

As in Diffy: what differs by chance within one side differs as often between two. A difference counts if its
rate exceeds that of the noise by both margins, and a number moreover only if it exceeds the noise's quantile;
numbers count, too, whatever the rate, if more of them exceed it than chance explains, or one by far.
What never differed in the noise is not excused at all: a margin of its own would hide the one wrong row
among ten thousand. A row that has no answer is never excused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from differential_tests.comparison.compared_paths import ComparedPath
from differential_tests.comparison.differences import Differences
from differential_tests.comparison.entries import Floats, Mask
from differential_tests.comparison.rows import Rows
from differential_tests.findings import Finding, FindingKind
from differential_tests.settings.tolerances import Noise

FAR = 10.0
"""So many times the floor is no noise, even if it is the only one."""
_ROW = ""
"""The path of what concerns whole rows."""


@dataclass(frozen=True, slots=True)
class Floor:
    """The size that all but a few differences of the noise at one path do not exceed, in unit and percent.

    `reached` is the share of the noise's rows that came as far or farther.
    """

    size: float
    percent: float
    reached: float

    def above(self, differences: Differences, times: float = 1.0) -> Mask:
        """Return which differences exceed the floor so many times."""
        return (np.abs(differences.differences) > times * self.size) | (
            differences.percents > times * self.percent
        )

    def expected(self, rows: int) -> float:
        """Return how many of `rows` exceed the floor by chance: not more in 199 of 200 repetitions.

        How many new values exceed the j-th largest of as many old ones is negative binomial, of j and 1/2:
        mean j, variance 2 j.
        """
        j = max(1.0, self.reached * rows)
        return float(j + 2.5 * np.sqrt(2 * j) + 2.5)


@dataclass(frozen=True, slots=True)
class MeasuredNoise:
    """The noise of one side: shares of differing rows by kind and path. `rows` is 0 without a measurement."""

    margins: Noise
    rows: int = 0
    rates: Mapping[tuple[FindingKind, str], float] = field(default_factory=dict)
    floors: Mapping[str, Floor] = field(default_factory=dict)

    def rate(self, kind: FindingKind, path: str) -> float:
        """Return the share of rows that differ."""
        return self.rates.get((kind, path), 0.0)

    def exceeded(self, kind: FindingKind, path: str, rate: float) -> bool:
        """Return whether this rate of differences is more than noise."""
        noise = self.rate(kind, path)
        return noise == 0 or (
            rate > noise * (1 + self.margins.relative) and rate > noise + self.margins.absolute
        )

    def above(self, path: ComparedPath, differences: Differences) -> Mask:
        """Return which differences are more than noise; a number must exceed it in its unit or in percent."""
        is_more = self.exceeded(differences.kind, path.path, len(differences) / path.rows)
        if differences.kind is not FindingKind.NUMBER or path.path not in self.floors:
            return np.full(len(differences), is_more, np.bool_)
        floor = self.floors[path.path]
        above = floor.above(differences)
        # Where every row of the noise differs no rate can exceed it: there the sizes have to tell.
        return above if is_more or above.sum() > floor.expected(path.rows) else floor.above(differences, FAR)


def measure_noise(rows: Rows, paths: Iterable[ComparedPath], margins: Noise) -> MeasuredNoise:
    """Measure the noise: how a side differs from itself."""
    counts = Counter(finding.kind for finding in rows.findings)
    rates = {(kind, _ROW): count / rows.total for kind, count in counts.items()}
    floors = {}
    for path in paths:
        rates |= {
            (differences.kind, path.path): len(differences) / path.rows for differences in path.differences
        }
        if len(path.numbers):
            sizes, percents = np.abs(path.numbers.differences), path.numbers.percents
            size, percent = (_quantile(each, margins.quantile) for each in (sizes, percents))
            reached = float(((sizes >= size) | (percents >= percent)).sum()) / path.rows
            floors[path.path] = Floor(size, percent, reached)
    return MeasuredNoise(margins, rows.total, rates, floors)


def _quantile(values: Floats, share: float) -> float:
    """Return a quantile that is an observed value, the larger one if in doubt."""
    return float(np.quantile(values, share, method="higher"))


class Sieve:
    """Filters differences that are noise, and reports the excused ones as `facts`."""

    def __init__(self, noise: MeasuredNoise) -> None:
        self.noise = noise
        self.excused, self.facts = 0, dict[str, str]()

    def filter_rows(self, rows: Rows) -> list[Finding]:
        """Select the findings about whole rows: a changed code may be noise, a missing answer never is."""
        refused = sum(finding.kind is FindingKind.REFUSAL for finding in rows.findings)
        if not refused or self.noise.exceeded(FindingKind.REFUSAL, _ROW, refused / rows.total):
            return list(rows.findings)
        self._excuse(FindingKind.REFUSAL, _ROW, refused, rows.total)
        return [finding for finding in rows.findings if finding.kind is not FindingKind.REFUSAL]

    def filter_path(self, path: ComparedPath) -> list[Differences]:
        """Select the differences at a path that are more than noise."""
        return [self._more_than_noise(path, differences) for differences in path.differences]

    def _more_than_noise(self, path: ComparedPath, differences: Differences) -> Differences:
        above = self.noise.above(path, differences)
        if above.all():
            return differences
        below = differences.only(~above)
        self._excuse(differences.kind, path.path, len(below), path.rows, _largest(below))
        return differences.only(above)

    def _excuse(self, kind: FindingKind, path: str, count: int, rows: int, largest: str = "") -> None:
        noise = self.noise.rate(kind, path)
        self.excused += count
        self.facts[f"noise: {kind} {path}".rstrip()] = (
            f"{count} of {rows} rows excused ({count / rows:.4%}; in the noise {noise:.4%}){largest}"
        )


def _largest(differences: Differences) -> str:
    if differences.kind is not FindingKind.NUMBER:
        return ""
    return f", up to {np.abs(differences.differences).max():.4g} or {differences.percents.max():.4g} %"
