"""Recording: a side is asked all questions, some requests at once, and what it answers becomes a run."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby, islice
from pathlib import Path
from typing import Protocol

from differential_tests import questions as asked
from differential_tests import run_file
from differential_tests.questions import Question
from differential_tests.run_file import RunHeader, SideAnswer
from differential_tests.sides import Side


class Questions(Protocol):
    """Questions that can be gone through more than once: a list, or a file of them."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Question]: ...


Progress = Callable[[int, int], None]
"""Called with the questions answered so far and all there are."""
TOGETHER = asked.MEANT_TO_BE_ANSWERED
"""Kinds of rows that may share a request: of the others each is refused, and would refuse its neighbours."""
SILENCE = frozenset({"timeout", "unreachable", "broken"})
"""Failures of a side from which nothing comes at all."""
TOO_LARGE = "too-large"
"""As good as nothing, of a side that has never answered: each such reply takes long."""
GIVEN_UP_AFTER = 20
REFUSED = 400


class SideDead(RuntimeError):
    """A side from which nothing of use comes (any more); the message says what has been seen of it."""


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """A run that was written, and how many of its answers are what."""

    path: Path
    header: RunHeader
    answered: int
    refused: int
    failed: int


def _silent(done: int, total: int) -> None:
    del done, total


def record(
    side: Side,
    questions: Questions,
    path: Path,
    *,
    now: datetime,
    rows_per_request: int = 1,
    concurrency: int = 4,
    segment: str = "",
    progress: Progress = _silent,
) -> RecordedRun:
    """Ask, and write the run: whole, or (if this raises or is interrupted) not at all.

    `segment` is the field of a row by which answers are grouped, where a question does not say itself. Raises
    SideDead or OSError.
    """
    with atomic_write(path) as partial:
        found = list(
            answers(
                side,
                questions,
                rows_per_request=rows_per_request,
                concurrency=concurrency,
                segment=segment,
                progress=progress,
            )
        )
        _require_sense(found)
        header = side.header(asked.digest(questions), now)
        header = replace(header, facts={**header.facts, "rows per request": str(rows_per_request)})
        run_file.write(partial, header, found)
    states = Counter(map(_state, found))
    return RecordedRun(path, header, states["answered"], states["refused"], states["failed"])


def _require_sense(found: Sequence[SideAnswer]) -> None:
    """Raise SideDead when no question has a value, or a refusal as it should be: no data is never a pass."""
    said = Counter(filter(None, map(_nonsense, found)))
    if found and said.total() == len(found):
        (words, count), *_ = said.most_common(1)
        raise SideDead(
            f"none of {len(found)} questions was answered with a value, or refused as [service] of the terms "
            f"has it; {count} times came {words}. Is it the right address, and the right [service]?"
        )


def _nonsense(answer: SideAnswer) -> str:
    """What came instead of a value or a refusal; a refusal that is none of this service has details."""
    if not answer.failure and not answer.detail:
        return ""
    return f"{answer.failure or 'a refusal'}, status {answer.status}: {answer.detail}"


def _state(answer: SideAnswer) -> str:
    return "failed" if answer.failure else "refused" if answer.status >= REFUSED else "answered"


def answers(
    side: Side,
    questions: Questions,
    *,
    rows_per_request: int = 1,
    concurrency: int = 4,
    segment: str = "",
    progress: Progress = _silent,
) -> Iterator[SideAnswer]:
    """The answers, in the order of the questions; raises SideDead."""
    pulse = _Liveness(len(questions))
    grouped = requests((_segmented(one, segment) for one in questions), rows_per_request)
    done = 0
    with closing(_in_order(side, grouped, concurrency)) as replies:
        for found in replies:
            try:
                pulse.feel(found)
            except SideDead:
                side.close()  # what is still being asked would only be waited for
                raise
            done += len(found)
            progress(done, len(questions))
            yield from found
    pulse.end()


def requests(questions: Iterable[Question], rows: int) -> Iterator[tuple[Question, ...]]:
    """What is asked together: up to so many neighbouring rows, and all that will be refused alone."""
    for together, group in groupby(questions, lambda one: one.body is None and one.kind in TOGETHER):
        rest = iter(group)
        while request := tuple(islice(rest, rows if together else 1)):
            yield request


def _segmented(question: Question, field: str) -> Question:
    if question.segment or question.row is None or question.row.get(field) is None:
        return question
    return replace(question, segment=str(question.row[field]))


def _in_order(
    side: Side, grouped: Iterator[tuple[Question, ...]], concurrency: int
) -> Generator[list[SideAnswer], None, None]:
    """Several requests at once, a few more waiting; what is waited for is always the oldest."""
    waiting: deque[Future[list[SideAnswer]]] = deque()
    pool = ThreadPoolExecutor(concurrency, "ask")
    try:
        for request in grouped:
            waiting.append(pool.submit(side.ask, request))
            if len(waiting) > 2 * concurrency:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except KeyboardInterrupt:
        pool.shutdown(wait=False, cancel_futures=True)
        side.close()  # what is still being asked would only be waited for
        raise
    finally:
        pool.shutdown(cancel_futures=True)


class _Liveness:
    """Whether a side lives: nothing comes from it any more after so many questions in a row, or at all."""

    def __init__(self, total: int) -> None:
        self._total, self._seen, self._heard, self._missed = total, 0, 0, 0
        self._last = ""
        self._silence = SILENCE | {TOO_LARGE}

    def feel(self, found: Sequence[SideAnswer]) -> None:
        """Look at the answers to one request."""
        self._seen += len(found)
        if any(not one.failure for one in found):
            self._silence = SILENCE
        if all(one.failure in self._silence for one in found):
            self._missed += 1
            self._last = f"{found[-1].failure}: {found[-1].detail}"
        else:
            self._missed, self._heard = 0, self._heard + len(found)
        if self._missed >= GIVEN_UP_AFTER:
            raise self._dead(f"{self._missed} requests in a row")

    def end(self) -> None:
        """No question was answered: no data is never a pass."""
        if self._missed and not self._heard:
            raise self._dead("every request")

    def _dead(self, failed: str) -> SideDead:
        return SideDead(
            f"nothing of use came back from {failed}, the last: {self._last}; {self._heard} of the "
            f"{self._seen} questions asked ({self._total} in all) had an answer before. Is the service "
            "running, and is --timeout long enough for it?"
        )


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Where to write first: the name itself is given to what is whole, and to nothing else."""
    if path.exists() and not path.is_file():
        raise IsADirectoryError(f"{path}: expected the name of a plain file")
    if not path.absolute().parent.is_dir():
        raise NotADirectoryError(f"{path}: expected a name in a folder that is there")
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.touch()
        yield partial
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
