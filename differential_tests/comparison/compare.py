"""Comparing: two runs, or two tables, into one check with all that differs and is more than noise."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from http import HTTPStatus

from differential_tests.comparison import compared_paths, spreads
from differential_tests.comparison.compared_paths import ComparedPath
from differential_tests.comparison.differences import Differences
from differential_tests.comparison.kind_counts import by_kind
from differential_tests.comparison.noise import MeasuredNoise, Sieve, measure_noise
from differential_tests.comparison.ranking import by_weight
from differential_tests.comparison.rows import Rows, join_rows
from differential_tests.comparison.run_reader import (
    DifferentQuestions,
    Progress,
    Run,
    RunReader,
    check_questions,
    header,
)
from differential_tests.comparison.table import AnswerTable, TooManyPlaces
from differential_tests.findings import Check, Level, Pairs, Spread
from differential_tests.run_file import InvalidRun
from differential_tests.settings.tolerances import Tolerances


class NothingCompared(ValueError):
    """Runs without a single answer: no data is never a pass."""


FAULTS = (
    InvalidRun,
    DifferentQuestions,
    NothingCompared,
    TooManyPlaces,
    OSError,
    UnicodeError,
    RecursionError,
)


def _silent(done: int, total: int) -> None:
    del done, total


def compare(
    a: Run,
    b: Run,
    tolerances: Tolerances,
    *,
    noise: tuple[Run, Run] | None = None,
    level: Level = Level.D2,
    name: str = "comparison",
    dataset: str = "",
    progress: Progress = _silent,
    clock: Callable[[], float] = time.monotonic,
) -> Check:
    """Compare two runs of the same questions; `noise` is a pair of runs of one and the same side.

    Never raises for what is wrong with a run (other questions, no run, nothing in it): that is a check with
    an `error`. Tables must have been made with the terms' `ignore`.
    """
    started = clock()
    empty = Check(level, name, dataset, rows=0)
    try:
        found = _check(empty, a, b, tolerances, noise, progress)
    except FAULTS as fault:
        found = replace(empty, error=str(fault))
    return replace(found, seconds=clock() - started)


def _check(
    check: Check, a: Run, b: Run, tolerances: Tolerances, noise: tuple[Run, Run] | None, progress: Progress
) -> Check:
    for one, other in [(a, b), *([noise] if noise else [])]:
        check_questions(header(one), header(other))
    reading = RunReader([a, b, *(noise or ())], tolerances.ignore, progress)
    sieve = Sieve(_noise(reading, noise, tolerances) if noise else MeasuredNoise(tolerances.noise))
    table_a, table_b = reading.table(a), reading.table(b)
    rows = join_rows(table_a, table_b)
    if not rows.total:
        raise NothingCompared("neither run has an answer")
    for letter, one in (("a", table_a), ("b", table_b)):
        _require_answers(letter, one)
    # What was refused is in no segment: its field may hold anything.
    segments = [
        name if table_a.statuses[row] < HTTPStatus.BAD_REQUEST else ""
        for name, row in zip(rows.segments, rows.a.tolist(), strict=True)
    ]
    seen = _ComparedPaths(rows, segments, sieve)
    for place in compared_paths.compare_paths(table_a, table_b, rows, tolerances.tolerance):
        seen.add(place)
    return replace(
        check,
        rows=rows.total,
        kind_counts=by_kind(table_a, table_b, rows),
        a=table_a.header,
        b=table_b.header,
        findings=(*sieve.rows(rows), *by_weight(seen.found, rows)),
        spreads=tuple(sorted(seen.spreads, key=lambda one: (-one.beyond, -one.compared))),
        pairs=seen.pairs,
        facts={"compared": f"{seen.places} places of {len(rows.ids)} rows"} | _facts(tolerances, sieve),
    )


def _require_answers(letter: str, side: AnswerTable) -> None:
    """Raise NothingCompared when every question failed: of such a side nothing can be said."""
    if side.failures and all(side.failures):
        words = ", ".join(f"{count} {word}" for word, count in Counter(side.failures).most_common())
        detail = next(iter(side.details.values()), "")
        raise NothingCompared(
            f"{letter} answered not one of {len(side.ids)} questions ({words}) {detail}".rstrip()
        )


def _noise(reading: RunReader, pair: tuple[Run, Run], tolerances: Tolerances) -> MeasuredNoise:
    one, other = map(reading.table, pair)
    rows = join_rows(one, other)
    if not rows.total:
        raise NothingCompared("neither run of the noise has an answer")
    return measure_noise(
        rows, compared_paths.compare_paths(one, other, rows, tolerances.tolerance), tolerances.noise
    )


class _ComparedPaths:
    """What the places have shown so far."""

    def __init__(self, rows: Rows, segments: Sequence[str], sieve: Sieve) -> None:
        self._rows, self._sieve = rows, sieve
        self._segments = spreads.RowSegments(segments)
        self.places = 0
        self.found: list[tuple[str, Differences]] = []
        self.spreads: list[Spread] = []
        self.pairs: Pairs | None = None
        self._most = (0, 0)

    def add(self, place: ComparedPath) -> None:
        self.places += 1
        self.found += [(place.path, one) for one in self._sieve.place(place)]
        self.spreads += spreads.spreads(place, self._segments)
        weight = (int(place.numbers.beyond.sum()), len(place.numbers))
        if weight > self._most:
            self._most, self.pairs = weight, spreads.pairs(place, self._rows.ids)


def _facts(tolerances: Tolerances, sieve: Sieve) -> dict[str, str]:
    facts = {"tolerance": _allowed(tolerances.tolerance.dollars, tolerances.tolerance.percent)}
    facts |= {
        f"tolerance of {path}": _allowed(one.dollars, one.percent)
        for path, one in tolerances.tolerance.paths.items()
    }
    facts["ignored"] = ", ".join(tolerances.ignore) or "nothing"
    if sieve.noise.rows:
        facts["noise"] = (
            f"{sieve.noise.rows} rows of one side compared with itself excuse {sieve.excused} differences"
        )
    return facts | sieve.facts


def _allowed(dollars: float, percent: float) -> str:
    return f"{dollars:.6g} dollars + {percent:.6g} %"
