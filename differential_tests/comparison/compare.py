"""Compare two runs, or two tables, into one check with every difference beyond the noise."""

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
from differential_tests.comparison.table import AnswerTable, TooManyPaths
from differential_tests.findings import Check, Level, Pairs, Spread
from differential_tests.run_file import InvalidRun
from differential_tests.settings.tolerances import Tolerances


class NothingCompared(ValueError):
    """Runs without a single answer: no data is never a pass."""


FAULTS = (
    InvalidRun,
    DifferentQuestions,
    NothingCompared,
    TooManyPaths,
    OSError,
    UnicodeError,
    RecursionError,
)


def _no_progress(done: int, total: int) -> None:
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
    progress: Progress = _no_progress,
    clock: Callable[[], float] = time.monotonic,
) -> Check:
    """Compare two runs of the same questions; `noise` is a pair of runs of one and the same side.

    Never raises for what is wrong with a run (other questions, no run, nothing in it): that is a check with
    an `error`. Tables must have been made with the terms' `ignore`.
    """
    started = clock()
    empty = Check(level, name, dataset, rows=0)
    try:
        check = _check(empty, a, b, tolerances, noise, progress)
    except FAULTS as fault:
        check = replace(empty, error=str(fault))
    return replace(check, seconds=clock() - started)


def _check(
    check: Check, a: Run, b: Run, tolerances: Tolerances, noise: tuple[Run, Run] | None, progress: Progress
) -> Check:
    for side, other_run in [(a, b), *([noise] if noise else [])]:
        check_questions(header(side), header(other_run))
    reading = RunReader([a, b, *(noise or ())], tolerances.ignore, progress)
    sieve = Sieve(_measure_noise_of(reading, noise, tolerances) if noise else MeasuredNoise(tolerances.noise))
    table_a, table_b = reading.table(a), reading.table(b)
    rows = join_rows(table_a, table_b)
    if not rows.total:
        raise NothingCompared("neither run has an answer")
    for letter, side in (("a", table_a), ("b", table_b)):
        _require_answers(letter, side)
    # What was refused is in no segment: its field may hold anything.
    segments = [
        name if table_a.statuses[row] < HTTPStatus.BAD_REQUEST else ""
        for name, row in zip(rows.segments, rows.a.tolist(), strict=True)
    ]
    compared = _ComparedPaths(rows, segments, sieve)
    for path_comparison in compared_paths.compare_paths(table_a, table_b, rows, tolerances.tolerance):
        compared.add(path_comparison)
    return replace(
        check,
        rows=rows.total,
        kind_counts=by_kind(table_a, table_b, rows),
        a=table_a.header,
        b=table_b.header,
        findings=(*sieve.filter_rows(rows), *by_weight(compared.found, rows)),
        spreads=tuple(sorted(compared.spreads, key=lambda spread: (-spread.beyond, -spread.compared))),
        pairs=compared.pairs,
        facts={"compared": f"{compared.places} places of {len(rows.ids)} rows"} | _facts(tolerances, sieve),
    )


def _require_answers(letter: str, side: AnswerTable) -> None:
    """Raise NothingCompared when every question failed: of such a side nothing can be said."""
    if side.failures and all(side.failures):
        failures = ", ".join(f"{count} {failure}" for failure, count in Counter(side.failures).most_common())
        detail = next(iter(side.details.values()), "")
        raise NothingCompared(
            f"{letter} answered not one of {len(side.ids)} questions ({failures}) {detail}".rstrip()
        )


def _measure_noise_of(reading: RunReader, pair: tuple[Run, Run], tolerances: Tolerances) -> MeasuredNoise:
    first, second = map(reading.table, pair)
    rows = join_rows(first, second)
    if not rows.total:
        raise NothingCompared("neither run of the noise has an answer")
    return measure_noise(
        rows, compared_paths.compare_paths(first, second, rows, tolerances.tolerance), tolerances.noise
    )


class _ComparedPaths:
    """Collects differences, spreads and pairs of the paths compared so far."""

    def __init__(self, rows: Rows, segments: Sequence[str], sieve: Sieve) -> None:
        self._rows, self._sieve = rows, sieve
        self._segments = spreads.RowSegments(segments)
        self.places = 0
        self.found: list[tuple[str, Differences]] = []
        self.spreads: list[Spread] = []
        self.pairs: Pairs | None = None
        self._most = (0, 0)

    def add(self, path_comparison: ComparedPath) -> None:
        self.places += 1
        self.found += [
            (path_comparison.path, differences) for differences in self._sieve.filter_path(path_comparison)
        ]
        self.spreads += spreads.spreads(path_comparison, self._segments)
        weight = (int(path_comparison.numbers.beyond.sum()), len(path_comparison.numbers))
        if weight > self._most:
            self._most, self.pairs = weight, spreads.pairs(path_comparison, self._rows.ids)


def _facts(tolerances: Tolerances, sieve: Sieve) -> dict[str, str]:
    facts = {"tolerance": _tolerance_text(tolerances.tolerance.dollars, tolerances.tolerance.percent)}
    facts |= {
        f"tolerance of {path}": _tolerance_text(allowed.dollars, allowed.percent)
        for path, allowed in tolerances.tolerance.paths.items()
    }
    facts["ignored"] = ", ".join(tolerances.ignore) or "nothing"
    if sieve.noise.rows:
        facts["noise"] = (
            f"{sieve.noise.rows} rows of one side compared with itself excuse {sieve.excused} differences"
        )
    return facts | sieve.facts


def _tolerance_text(dollars: float, percent: float) -> str:
    return f"{dollars:.6g} dollars + {percent:.6g} %"
