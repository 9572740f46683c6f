"""Record a run: ask a side all questions, several requests at once, and write its answers."""

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
    """Questions that allow several iterations: a list or a file."""

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
    """A side without useful replies; the message describes what came from it."""


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """A written run, with counts of its answers by state."""

    path: Path
    header: RunHeader
    answered: int
    refused: int
    failed: int


def _no_progress(done: int, total: int) -> None:
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
    progress: Progress = _no_progress,
) -> RecordedRun:
    """Ask the questions and write the run: complete, or after an error not at all.

    `segment` is the field of a row by which answers are grouped, where a question does not say itself. Raises
    SideDead or OSError.
    """
    with atomic_write(path) as partial:
        recorded = list(
            answers(
                side,
                questions,
                rows_per_request=rows_per_request,
                concurrency=concurrency,
                segment=segment,
                progress=progress,
            )
        )
        _require_usable_answer(recorded)
        header = side.header(asked.digest(questions), now)
        header = replace(header, facts={**header.facts, "rows per request": str(rows_per_request)})
        run_file.write(partial, header, recorded)
    states = Counter(map(_state, recorded))
    return RecordedRun(path, header, states["answered"], states["refused"], states["failed"])


def _require_usable_answer(recorded: Sequence[SideAnswer]) -> None:
    """Raise SideDead when no question has a value, or a refusal as it should be: no data is never a pass."""
    replies = Counter(filter(None, map(_unusable_reply, recorded)))
    if recorded and replies.total() == len(recorded):
        (reply, count), *_ = replies.most_common(1)
        raise SideDead(
            f"none of {len(recorded)} questions was answered with a value, or refused as [service] of the "
            f"terms has it; {count} times came {reply}. Is it the right address, and the right [service]?"
        )


def _unusable_reply(answer: SideAnswer) -> str:
    """Describe a reply that is neither a value nor a refusal of this service; else return ""."""
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
    progress: Progress = _no_progress,
) -> Iterator[SideAnswer]:
    """Ask the questions and yield the answers in their order; raise SideDead."""
    liveness = _Liveness(len(questions))
    grouped = requests((_with_segment(question, segment) for question in questions), rows_per_request)
    done = 0
    with closing(_answers_in_order(side, grouped, concurrency)) as replies:
        for batch in replies:
            try:
                liveness.observe(batch)
            except SideDead:
                side.close()  # what is still being asked would only be waited for
                raise
            done += len(batch)
            progress(done, len(questions))
            yield from batch
    liveness.require_answer()


def requests(questions: Iterable[Question], rows: int) -> Iterator[tuple[Question, ...]]:
    """Group neighbouring rows into requests; a question that will be refused is alone."""
    for together, group in groupby(
        questions, lambda question: question.body is None and question.kind in TOGETHER
    ):
        rest = iter(group)
        while request := tuple(islice(rest, rows if together else 1)):
            yield request


def _with_segment(question: Question, field: str) -> Question:
    if question.segment or question.row is None or question.row.get(field) is None:
        return question
    return replace(question, segment=str(question.row[field]))


def _answers_in_order(
    side: Side, grouped: Iterator[tuple[Question, ...]], concurrency: int
) -> Generator[list[SideAnswer], None, None]:
    """Send several requests at once, and yield the replies in order."""
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
    """Detects a dead side: too many failures in a row, or nothing but failures."""

    def __init__(self, total: int) -> None:
        self._total, self._seen, self._answered, self._missed = total, 0, 0, 0
        self._last = ""
        self._silence = SILENCE | {TOO_LARGE}

    def observe(self, batch: Sequence[SideAnswer]) -> None:
        """Record the answers to one request; raise SideDead after too many failures."""
        self._seen += len(batch)
        if any(not answer.failure for answer in batch):
            self._silence = SILENCE
        if all(answer.failure in self._silence for answer in batch):
            self._missed += 1
            self._last = f"{batch[-1].failure}: {batch[-1].detail}"
        else:
            self._missed, self._answered = 0, self._answered + len(batch)
        if self._missed >= GIVEN_UP_AFTER:
            raise self._dead(f"{self._missed} requests in a row")

    def require_answer(self) -> None:
        """Raise SideDead if no question was answered: no data is never a pass."""
        if self._missed and not self._answered:
            raise self._dead("every request")

    def _dead(self, failed: str) -> SideDead:
        return SideDead(
            f"nothing of use came back from {failed}, the last: {self._last}; {self._answered} of the "
            f"{self._seen} questions asked ({self._total} in all) had an answer before. Is the service "
            "running, and is --timeout long enough for it?"
        )


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Write to a partial file, and rename it when it is complete."""
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
