"""Reading: runs from files, or tables as they are."""

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
    """Two runs that were not asked the same."""


def header(run: Run) -> RunHeader | None:
    """Who answered; raises InvalidRun or OSError."""
    return run_file.header(run) if isinstance(run, Path) else run.header


def check_questions(a: RunHeader | None, b: RunHeader | None) -> None:
    """Raises DifferentQuestions; tables without headers are taken as they are."""
    if a is not None and b is not None and a.questions_sha256 != b.questions_sha256:
        raise DifferentQuestions(
            f"the runs answer different questions: {a.source} those with sha256 {a.questions_sha256 or '?'}, "
            f"{b.source} those with {b.questions_sha256 or '?'}; record both with the same --payloads"
        )


class RunReader:
    """Reads several runs one after the other."""

    def __init__(self, given: Sequence[Run], ignore: Sequence[str], progress: Progress) -> None:
        self._ignore, self._progress = ignore, progress
        self._done, self._total = 0, sum(map(_answers, given))

    def table(self, run: Run) -> AnswerTable:
        """One of them; raises InvalidRun or OSError."""
        if isinstance(run, AnswerTable):
            return run
        found = table(run_file.read(run), self._ignore, run_file.header(run), self._read)
        self._progress(self._done, self._total)
        return found

    def _read(self) -> None:
        self._done += 1
        if self._done % REPORTED == 0:
            self._progress(self._done, self._total)


def _answers(run: Run) -> int:
    """Lines after the first."""
    if isinstance(run, AnswerTable):
        return 0
    with run.open("rb") as file:
        return max(0, sum(1 for _ in file) - 1)
