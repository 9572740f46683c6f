"""Options shared by the commands, and the progress bar."""

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
from differential_tests.recording.run import RequestSettings
from differential_tests.settings import tolerances
from differential_tests.settings.tolerances import Tolerances
from differential_tests.sides import LETTERS, SendingLimits, mapping
from monitoring.terminal import Screen, Words, print_text, progress, say

Command = TypeVar("Command", bound=Callable[..., Any])
Bar = Callable[[int, int], None]


class _Output(click.Path):
    """A file to be written; refuse a missing folder before any long work."""

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Any:
        path = Path(os.fsdecode(super().convert(value, param, context)))
        if not path.absolute().parent.is_dir():
            self.fail(f"{path}: expected a name in a folder that is there", param, context)
        return path


FILE = click.Path(path_type=Path, dir_okay=False)
OUTPUT = _Output(path_type=Path, dir_okay=False)
TERMS = click.option("--terms", type=FILE, help="TOML with tolerances and the mapping of the services.")


@dataclass(frozen=True, slots=True)
class QuestionOptions:
    """Options for questions and requests."""

    payloads: Path | None
    rows_per_request: int
    concurrency: int
    timeout: float

    @property
    def questions(self) -> Questions:
        """Return the questions of the file, or the corpus."""
        return payloads(self.payloads) if self.payloads else corpus.questions()

    @property
    def dataset(self) -> str:
        """Return the name of the questions in reports."""
        return self.payloads.name if self.payloads else "corpus"

    @property
    def requests(self) -> RequestSettings:
        """Return how the questions are sent."""
        return RequestSettings(SendingLimits(self.timeout), self.rows_per_request, self.concurrency)


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """Files for the reports, beside the terminal."""

    junit: Path | None
    html: Path | None
    jsonl: Path | None
    markdown: Path | None
    as_json: bool

    def write(self, checks: Sequence[Check]) -> None:
        """Write each report with a path; import templates only if a report needs them."""
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
        """Print the checks on the terminal, as tables or as JSON lines."""
        from differential_tests.reports import json_lines, terminal  # noqa: PLC0415

        if not self.as_json:
            terminal.show(Screen(), checks)
            return
        with tempfile.TemporaryDirectory() as folder:
            json_lines.write(Path(folder, "lines"), checks)
            print_text(Path(folder, "lines").read_text(encoding="utf-8"))


def payloads(path: Path) -> Payloads:
    """Read the questions of a file; tell on the terminal when it is a pipe that sends nothing yet."""
    return Payloads(path, lambda text: say(f"differential_tests: {text}", err=True))


def question_options(command: Command) -> Command:
    """Add the options of `QuestionOptions` to a command."""
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


def report_options(command: Command) -> Command:
    """Add the options of `ReportOptions` to a command."""
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


def read_terms(path: Path | None) -> Tolerances:
    """Read a terms file, or the one for Umbra, and check the mapping of each side.

    Raise InvalidTolerances or OSError.
    """
    terms = tolerances.read(path)
    for letter in LETTERS:
        mapping.read(terms.service, letter)
    return terms


@contextmanager
def bar(label: str) -> Iterator[Bar]:
    """Show a progress bar on stderr if it is a terminal."""
    columns = (Words(), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with progress(*columns, live_only=True, transient=True) as display:
        task = display.add_task(label, total=None)
        yield lambda done, total: display.update(task, completed=done, total=total)


@contextmanager
def step() -> Iterator[Callable[[str], None]]:
    """Show the current step and its duration as a line on stderr if it is a terminal."""
    columns = (SpinnerColumn(), Words(), TimeElapsedColumn())
    with progress(*columns, live_only=True, transient=True) as display:
        task = display.add_task("", total=None)
        yield lambda label: display.update(task, description=label)
