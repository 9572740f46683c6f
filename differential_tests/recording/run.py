"""Compare two sides: record both, the first one twice to measure its noise, and compare the runs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from differential_tests import recording, sides
from differential_tests.comparison import compare
from differential_tests.findings import Check, Level, require_answers
from differential_tests.recording import Progress, Questions, RecordedRun, SideDead
from differential_tests.run_file import RunHeader
from differential_tests.settings.tolerances import Tolerances
from differential_tests.sides import SendingLimits, Side

Bar = Callable[[str], AbstractContextManager[Progress]]


@dataclass(frozen=True, slots=True)
class RequestSettings:
    """How questions are sent to a side."""

    limits: SendingLimits = field(default_factory=SendingLimits)
    rows_per_request: int = 1
    concurrency: int = 4


def run_comparison(
    sources: tuple[str, str],
    questions: Questions,
    folder: Path,
    tolerances: Tolerances,
    requests: RequestSettings,
    *,
    noise: bool,
    level: Level | None,
    dataset: str,
    clock: Callable[[], datetime],
    bar: Bar,
) -> Check:
    """Write a.jsonl, noise.jsonl and b.jsonl to a folder and compare them.

    A dead side becomes a check with an error. Raise what `sides.open_side` raises, or OSError.
    """
    a, a_again, b = (folder / f"{name}.jsonl" for name in ("a", "noise", "b"))
    with ExitStack() as open_sides:
        first, second = (
            open_sides.enter_context(
                closing(sides.open_side(source, tolerances.service, letter=letter, limits=requests.limits))
            )
            for source, letter in zip(sources, sides.LETTERS, strict=True)
        )
        headers = [side.header("", clock()) for side in (first, second)]  # no service has named its model yet
        level = level or (Level.D0 if sources[0] == sources[1] else level_of(*headers))
        check = Check(level, " against ".join(map(sides.redacted, sources)), dataset, rows=0)
        recordings = [(first, a, "A"), *([(first, a_again, "A again")] if noise else []), (second, b, "B")]
        try:
            for side, path, label in recordings:
                record_side(side, questions, path, tolerances, requests, now=clock(), bar=bar, label=label)
        except SideDead as fault:
            return replace(check, error=str(fault))
    with bar("compare") as progress:
        check = compare(
            a,
            b,
            tolerances,
            noise=(a, a_again) if noise else None,
            level=check.level,
            name=check.name,
            dataset=dataset,
            progress=progress,
        )
    return require_answers(check)


def record_side(
    side: Side,
    questions: Questions,
    path: Path,
    tolerances: Tolerances,
    requests: RequestSettings,
    *,
    now: datetime,
    bar: Bar,
    label: str,
) -> RecordedRun:
    """Record one side with a progress bar; raise SideDead, which names the `label`, or OSError."""
    with bar(label) as progress:
        try:
            return recording.record(
                side,
                questions,
                path,
                now=now,
                rows_per_request=requests.rows_per_request,
                concurrency=requests.concurrency,
                segment=tolerances.segment,
                progress=progress,
            )
        except SideDead as fault:
            raise SideDead(f"{label}: {fault}") from fault


def level_of(a: RunHeader, b: RunHeader) -> Level:
    """Return D2 for a model against a service, D4 for models of two names, D3 for two releases."""
    over_http = [sides.is_service(header.source) for header in (a, b)]
    if any(over_http):
        return Level.D3 if all(over_http) else Level.D2
    return Level.D3 if _name(a) == _name(b) else Level.D4


def _name(header: RunHeader) -> str:
    """Return NAME of NAME@VERSION."""
    return header.model.partition("@")[0]
