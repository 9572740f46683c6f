"""Running: both sides are recorded, the first one twice so that its noise is known, and compared."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from differential_tests import recording, sides
from differential_tests.comparison import compare
from differential_tests.findings import Check, Level, require_answers
from differential_tests.recording import Progress, Questions, Recorded, SideDead
from differential_tests.run_file import Header
from differential_tests.settings.tolerances import Terms
from differential_tests.sides import Patience, Side

Bar = Callable[[str], AbstractContextManager[Progress]]


@dataclass(frozen=True, slots=True)
class Manner:
    """How sides are asked."""

    patience: Patience = field(default_factory=Patience)
    rows_per_request: int = 1
    concurrency: int = 4


def run(
    sources: tuple[str, str],
    questions: Questions,
    folder: Path,
    terms: Terms,
    manner: Manner,
    *,
    noise: bool,
    level: Level | None,
    dataset: str,
    clock: Callable[[], datetime],
    bar: Bar,
) -> Check:
    """Write a.jsonl, noise.jsonl and b.jsonl to a folder and compare them.

    A side that is dead is a check with an error; raises what `sides.of` raises, or OSError.
    """
    a, noisy, b = (folder / f"{name}.jsonl" for name in ("a", "noise", "b"))
    with ExitStack() as opened:
        first, second = (
            opened.enter_context(
                closing(sides.of(source, terms.service, letter=letter, patience=manner.patience))
            )
            for source, letter in zip(sources, sides.LETTERS, strict=True)
        )
        heads = [side.header("", clock()) for side in (first, second)]  # whom services run is not known yet
        level = level or (Level.D0 if sources[0] == sources[1] else level_of(*heads))
        told = Check(level, " against ".join(map(sides.shown, sources)), dataset, rows=0)
        asked = [(first, a, "A"), *([(first, noisy, "A again")] if noise else []), (second, b, "B")]
        try:
            for side, path, what in asked:
                recorded(side, questions, path, terms, manner, now=clock(), bar=bar, what=what)
        except SideDead as fault:
            return replace(told, error=str(fault))
    with bar("compare") as progress:
        check = compare(
            a,
            b,
            terms,
            noise=(a, noisy) if noise else None,
            level=told.level,
            name=told.name,
            dataset=dataset,
            progress=progress,
        )
    return require_answers(check)


def recorded(
    side: Side,
    questions: Questions,
    path: Path,
    terms: Terms,
    manner: Manner,
    *,
    now: datetime,
    bar: Bar,
    what: str,
) -> Recorded:
    """Record one side, showing how far it is; raises SideDead, which says `what` is dead, or OSError."""
    with bar(what) as progress:
        try:
            return recording.record(
                side,
                questions,
                path,
                now=now,
                rows_per_request=manner.rows_per_request,
                concurrency=manner.concurrency,
                segment=terms.segment,
                progress=progress,
            )
        except SideDead as fault:
            raise SideDead(f"{what}: {fault}") from fault


def level_of(a: Header, b: Header) -> Level:
    """D2: a model against a service; D4: models of two names; D3: one release against another."""
    over_http = [sides.is_service(one.source) for one in (a, b)]
    if any(over_http):
        return Level.D3 if all(over_http) else Level.D2
    return Level.D3 if _name(a) == _name(b) else Level.D4


def _name(one: Header) -> str:
    """Of NAME@VERSION."""
    return one.model.partition("@")[0]
