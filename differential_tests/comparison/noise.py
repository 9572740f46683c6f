"""Noise: how much a side differs from itself, and which differences that excuses.

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
    """What the noise's numbers at one place do not exceed, but for a few: in their unit and in percent.

    `reached` is the share of the noise's rows that came as far or farther.
    """

    size: float
    percent: float
    reached: float

    def above(self, found: Differences, times: float = 1.0) -> Mask:
        """Which differences exceed it so many times."""
        return (np.abs(found.differences) > times * self.size) | (found.percents > times * self.percent)

    def expected(self, rows: int) -> float:
        """So many of `rows` exceed it by chance: with the same noise, 199 times of 200 not more.

        How many new values exceed the j-th largest of as many old ones is negative binomial, of j and 1/2:
        mean j, variance 2 j.
        """
        j = max(1.0, self.reached * rows)
        return float(j + 2.5 * np.sqrt(2 * j) + 2.5)


@dataclass(frozen=True, slots=True)
class MeasuredNoise:
    """The noise of one side: shares of rows that differ, by kind and path. `rows` 0: it was not measured."""

    margins: Noise
    rows: int = 0
    rates: Mapping[tuple[FindingKind, str], float] = field(default_factory=dict)
    floors: Mapping[str, Floor] = field(default_factory=dict)

    def rate(self, kind: FindingKind, path: str) -> float:
        """The share of rows that differed."""
        return self.rates.get((kind, path), 0.0)

    def exceeded(self, kind: FindingKind, path: str, rate: float) -> bool:
        """Whether this rate of differences is more than noise."""
        noise = self.rate(kind, path)
        return noise == 0 or (
            rate > noise * (1 + self.margins.relative) and rate > noise + self.margins.absolute
        )

    def above(self, place: ComparedPath, found: Differences) -> Mask:
        """Which of them are more than noise; numbers have to exceed it in their unit or in percent."""
        is_more = self.exceeded(found.kind, place.path, len(found) / place.rows)
        if found.kind is not FindingKind.NUMBER or place.path not in self.floors:
            return np.full(len(found), is_more, np.bool_)
        floor = self.floors[place.path]
        above = floor.above(found)
        # Where every row of the noise differs no rate can exceed it: there the sizes have to tell.
        return above if is_more or above.sum() > floor.expected(place.rows) else floor.above(found, FAR)


def measure_noise(rows: Rows, places: Iterable[ComparedPath], margins: Noise) -> MeasuredNoise:
    """The noise, from a comparison of a side with itself."""
    counts = Counter(finding.kind for finding in rows.findings)
    rates = {(kind, _ROW): count / rows.total for kind, count in counts.items()}
    floors = {}
    for place in places:
        rates |= {(one.kind, place.path): len(one) / place.rows for one in place.differences}
        if len(place.numbers):
            sizes, percents = np.abs(place.numbers.differences), place.numbers.percents
            size, percent = (_quantile(each, margins.quantile) for each in (sizes, percents))
            reached = float(((sizes >= size) | (percents >= percent)).sum()) / place.rows
            floors[place.path] = Floor(size, percent, reached)
    return MeasuredNoise(margins, rows.total, rates, floors)


def _quantile(values: Floats, share: float) -> float:
    """One that was seen, rather the larger: of fewer than 1,000 the p99.9 is the largest."""
    return float(np.quantile(values, share, method="higher"))


class Sieve:
    """Lets through what is more than noise, and tells as `facts` what it held back."""

    def __init__(self, noise: MeasuredNoise) -> None:
        self.noise = noise
        self.excused, self.facts = 0, dict[str, str]()

    def rows(self, rows: Rows) -> list[Finding]:
        """Findings about whole rows: a changed code may be noise, a row that has no answer never is."""
        refused = sum(finding.kind is FindingKind.REFUSAL for finding in rows.findings)
        if not refused or self.noise.exceeded(FindingKind.REFUSAL, _ROW, refused / rows.total):
            return list(rows.findings)
        self._tell(FindingKind.REFUSAL, _ROW, refused, rows.total)
        return [finding for finding in rows.findings if finding.kind is not FindingKind.REFUSAL]

    def place(self, place: ComparedPath) -> list[Differences]:
        """Differences at one place."""
        return [self._above(place, one) for one in place.differences]

    def _above(self, place: ComparedPath, found: Differences) -> Differences:
        above = self.noise.above(place, found)
        if above.all():
            return found
        below = found.only(~above)
        self._tell(found.kind, place.path, len(below), place.rows, _largest(below))
        return found.only(above)

    def _tell(self, kind: FindingKind, path: str, count: int, rows: int, largest: str = "") -> None:
        noise = self.noise.rate(kind, path)
        self.excused += count
        self.facts[f"noise: {kind} {path}".rstrip()] = (
            f"{count} of {rows} rows excused ({count / rows:.4%}; in the noise {noise:.4%}){largest}"
        )


def _largest(found: Differences) -> str:
    if found.kind is not FindingKind.NUMBER:
        return ""
    return f", up to {np.abs(found.differences).max():.4g} or {found.percents.max():.4g} %"
