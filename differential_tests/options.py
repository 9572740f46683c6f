"""Options that commands share, and the progress bar."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from differential_tests.findings import Check
from differential_tests.questions import corpus
from differential_tests.questions.payloads import Payloads
from differential_tests.recording import Questions
from differential_tests.recording.run import Manner
from differential_tests.settings import tolerances
from differential_tests.settings.tolerances import Terms
from differential_tests.sides import LETTERS, Patience, mapping
from monitoring.terminal import Screen, Words, progress, say, say_lines

Command = TypeVar("Command", bound=Callable[..., Any])
Bar = Callable[[int, int], None]


class _Output(click.Path):
    """A file to be written, whose folder has to be there before anything long begins."""

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Any:
        path = Path(os.fsdecode(super().convert(value, param, context)))
        if not path.absolute().parent.is_dir():
            self.fail(f"{path}: expected a name in a folder that is there", param, context)
        return path


FILE = click.Path(path_type=Path, dir_okay=False)
OUTPUT = _Output(path_type=Path, dir_okay=False)
TERMS = click.option("--terms", type=FILE, help="TOML with tolerances and the mapping of the services.")


@dataclass(frozen=True, slots=True)
class Asking:
    """How the sides are asked."""

    payloads: Path | None
    rows_per_request: int
    concurrency: int
    timeout: float

    @property
    def questions(self) -> Questions:
        """Those of the file, or the corpus."""
        return payloads(self.payloads) if self.payloads else corpus.questions()

    @property
    def dataset(self) -> str:
        """What the questions are called."""
        return self.payloads.name if self.payloads else "corpus"

    @property
    def manner(self) -> Manner:
        """The rest of it."""
        return Manner(Patience(self.timeout), self.rows_per_request, self.concurrency)


@dataclass(frozen=True, slots=True)
class Reports:
    """Where what was found is written, beside the terminal."""

    junit: Path | None
    html: Path | None
    jsonl: Path | None
    markdown: Path | None
    as_json: bool

    def write(self, checks: Sequence[Check]) -> None:
        """Each report that was asked for; matplotlib and templates are imported only if needed."""
        from differential_tests.reports import json_lines, junit, markdown, page  # noqa: PLC0415 (see above)

        for path, write in (
            (self.junit, junit.write),
            (self.html, page.write),
            (self.jsonl, json_lines.write),
        ):
            if path:
                write(path, checks)
        if self.markdown:
            self.markdown.write_text(markdown.text(checks), encoding="utf-8")

    def show(self, checks: Sequence[Check]) -> None:
        """On the terminal, for people or for programs."""
        from differential_tests.reports import json_lines, terminal  # noqa: PLC0415

        if not self.as_json:
            terminal.show(Screen(), checks)
            return
        with tempfile.TemporaryDirectory() as folder:
            json_lines.write(Path(folder, "lines"), checks)
            say_lines(Path(folder, "lines").read_text(encoding="utf-8"))


def payloads(path: Path) -> Payloads:
    """Those of a file, saying on the terminal when it is a pipe that is waited for."""
    return Payloads(path, lambda words: say(f"differential_tests: {words}", err=True))


def asking(command: Command) -> Command:
    """Options of `Asking`."""
    return _all(
        command,
        click.option("--payloads", type=FILE, help="Questions or rows (JSONL, JSON, CSV); else: the corpus."),
        click.option(
            "--rows-per-request",
            type=click.IntRange(1),
            default=1,
            show_default=True,
            help="Rows that share a request; what should be refused is always alone.",
        ),
        click.option(
            "--concurrency",
            type=click.IntRange(1, 64),
            default=4,
            show_default=True,
            help="Requests at once.",
        ),
        click.option(
            "--timeout",
            type=click.FloatRange(0, min_open=True),
            default=10.0,
            show_default=True,
            help="Seconds that one request may take from its beginning to the end of its reply.",
        ),
    )


def reports(command: Command) -> Command:
    """Options of `Reports`."""
    return _all(
        command,
        click.option("--junit", type=OUTPUT, help="JUnit XML, for a build server."),
        click.option("--html", type=OUTPUT, help="One page with plots, for a browser."),
        click.option("--jsonl", type=OUTPUT, help="Every finding as a JSON line."),
        click.option("--markdown", type=OUTPUT, help="A summary for a pull request."),
        click.option("--json", "as_json", is_flag=True, help="Print what --jsonl writes, and no tables."),
    )


def _all(command: Command, *options: Callable[[Command], Command]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def read_terms(path: Path | None) -> Terms:
    """The terms of a file, or Umbra's own, with a mapping for each side; raises InvalidTerms or OSError."""
    found = tolerances.read(path)
    for letter in LETTERS:
        mapping.read(found.service, letter)
    return found


@contextmanager
def bar(what: str) -> Iterator[Bar]:
    """A progress bar on stderr, where that is a terminal."""
    columns = (Words(), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with progress(*columns, live_only=True, transient=True) as shown:
        task = shown.add_task(what, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


@contextmanager
def step() -> Iterator[Callable[[str], None]]:
    """What is being done, and for how long by now: a line on stderr, where that is a terminal."""
    columns = (SpinnerColumn(), Words(), TimeElapsedColumn())
    with progress(*columns, live_only=True, transient=True) as shown:
        task = shown.add_task("", total=None)
        yield lambda what: shown.update(task, description=what)
