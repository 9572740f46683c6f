"""Read runs from files; pass tables through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from differential_tests import run_file
from differential_tests.comparison.table import AnswerTable, table
from differential_tests.run_file import RunHeader

Run = Path | AnswerTable
Progress = Callable[[int, int], None]
"""Called with the answers read so far and all there are, every REPORTED of them."""
REPORTED = 1000


class DifferentQuestions(ValueError):
    """Two runs that answer different questions."""


def header(run: Run) -> RunHeader | None:
    """Read the header of a run; raise InvalidRun or OSError."""
    return run_file.header(run) if isinstance(run, Path) else run.header


def check_questions(a: RunHeader | None, b: RunHeader | None) -> None:
    """Raise DifferentQuestions if two headers differ; a table without a header passes."""
    if a is not None and b is not None and a.questions_sha256 != b.questions_sha256:
        raise DifferentQuestions(
            f"the runs answer different questions: {a.source} those with sha256 {a.questions_sha256 or '?'}, "
            f"{b.source} those with {b.questions_sha256 or '?'}; record both with the same --payloads"
        )


class RunReader:
    """Reads several runs one after the other, with progress."""

    def __init__(self, runs: Sequence[Run], ignore: Sequence[str], progress: Progress) -> None:
        self._ignore, self._progress = ignore, progress
        self._done, self._total = 0, sum(map(_answers, runs))

    def table(self, run: Run) -> AnswerTable:
        """Read a run as a table; raise InvalidRun or OSError."""
        if isinstance(run, AnswerTable):
            return run
        answers = table(run_file.read(run), self._ignore, run_file.header(run), self._read)
        self._progress(self._done, self._total)
        return answers

    def _read(self) -> None:
        self._done += 1
        if self._done % REPORTED == 0:
            self._progress(self._done, self._total)


def _answers(run: Run) -> int:
    """Count the lines after the first."""
    if isinstance(run, AnswerTable):
        return 0
    with run.open("rb") as file:
        return max(0, sum(1 for _ in file) - 1)
