"""Comparing: two runs, or two tables, into one check with all that differs and is more than noise."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from http import HTTPStatus

from differential_tests.comparison import places, spreads
from differential_tests.comparison.asked import by_kind
from differential_tests.comparison.differences import Differences
from differential_tests.comparison.noise import Measured, Sieve, measured
from differential_tests.comparison.places import Place
from differential_tests.comparison.ranking import by_weight
from differential_tests.comparison.reading import (
    DifferentQuestions,
    Progress,
    Reading,
    Run,
    check_questions,
    header,
)
from differential_tests.comparison.rows import Rows, joined
from differential_tests.comparison.table import Table, TooManyPlaces
from differential_tests.findings import Check, Level, Pairs, Spread
from differential_tests.run_file import InvalidRun
from differential_tests.settings.tolerances import Terms


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
    terms: Terms,
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
        found = _check(empty, a, b, terms, noise, progress)
    except FAULTS as fault:
        found = replace(empty, error=str(fault))
    return replace(found, seconds=clock() - started)


def _check(
    check: Check, a: Run, b: Run, terms: Terms, noise: tuple[Run, Run] | None, progress: Progress
) -> Check:
    for one, other in [(a, b), *([noise] if noise else [])]:
        check_questions(header(one), header(other))
    reading = Reading([a, b, *(noise or ())], terms.ignore, progress)
    sieve = Sieve(_noise(reading, noise, terms) if noise else Measured(terms.noise))
    table_a, table_b = reading.table(a), reading.table(b)
    rows = joined(table_a, table_b)
    if not rows.total:
        raise NothingCompared("neither run has an answer")
    for letter, one in (("a", table_a), ("b", table_b)):
        _require_answers(letter, one)
    # What was refused is in no segment: its field may hold anything.
    segments = [
        name if table_a.statuses[row] < HTTPStatus.BAD_REQUEST else ""
        for name, row in zip(rows.segments, rows.a.tolist(), strict=True)
    ]
    seen = _Seen(rows, segments, sieve)
    for place in places.compared(table_a, table_b, rows, terms.tolerance):
        seen.add(place)
    return replace(
        check,
        rows=rows.total,
        asked=by_kind(table_a, table_b, rows),
        a=table_a.header,
        b=table_b.header,
        findings=(*sieve.rows(rows), *by_weight(seen.found, rows)),
        spreads=tuple(sorted(seen.spreads, key=lambda one: (-one.beyond, -one.compared))),
        pairs=seen.pairs,
        facts={"compared": f"{seen.places} places of {len(rows.ids)} rows"} | _facts(terms, sieve),
    )


def _require_answers(letter: str, side: Table) -> None:
    """Raise NothingCompared when every question failed: of such a side nothing can be said."""
    if side.failures and all(side.failures):
        words = ", ".join(f"{count} {word}" for word, count in Counter(side.failures).most_common())
        detail = next(iter(side.details.values()), "")
        raise NothingCompared(
            f"{letter} answered not one of {len(side.ids)} questions ({words}) {detail}".rstrip()
        )


def _noise(reading: Reading, pair: tuple[Run, Run], terms: Terms) -> Measured:
    one, other = map(reading.table, pair)
    rows = joined(one, other)
    if not rows.total:
        raise NothingCompared("neither run of the noise has an answer")
    return measured(rows, places.compared(one, other, rows, terms.tolerance), terms.noise)


class _Seen:
    """What the places have shown so far."""

    def __init__(self, rows: Rows, segments: Sequence[str], sieve: Sieve) -> None:
        self._rows, self._sieve = rows, sieve
        self._segments = spreads.Segments(segments)
        self.places = 0
        self.found: list[tuple[str, Differences]] = []
        self.spreads: list[Spread] = []
        self.pairs: Pairs | None = None
        self._most = (0, 0)

    def add(self, place: Place) -> None:
        self.places += 1
        self.found += [(place.path, one) for one in self._sieve.place(place)]
        self.spreads += spreads.spreads(place, self._segments)
        weight = (int(place.numbers.beyond.sum()), len(place.numbers))
        if weight > self._most:
            self._most, self.pairs = weight, spreads.pairs(place, self._rows.ids)


def _facts(terms: Terms, sieve: Sieve) -> dict[str, str]:
    facts = {"tolerance": _allowed(terms.tolerance.dollars, terms.tolerance.percent)}
    facts |= {
        f"tolerance of {path}": _allowed(one.dollars, one.percent)
        for path, one in terms.tolerance.paths.items()
    }
    facts["ignored"] = ", ".join(terms.ignore) or "nothing"
    if sieve.noise.rows:
        facts["noise"] = (
            f"{sieve.noise.rows} rows of one side compared with itself excuse {sieve.held} differences"
        )
    return facts | sieve.facts


def _allowed(dollars: float, percent: float) -> str:
    return f"{dollars:.6g} dollars + {percent:.6g} %"
