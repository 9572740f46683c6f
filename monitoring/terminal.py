"""The terminal: every output of a command passes here, and foreign text stays text.

Others write reasons, names, errors, files and cards. None of it is markup, and characters that would control
a terminal (ESC), turn the direction of writing or end a line are escaped.
"""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Iterable, Sequence
from typing import Any

import click
from rich.console import Console, RenderableType
from rich.markdown import Markdown
from rich.progress import Progress, ProgressColumn, Task
from rich.table import Table
from rich.text import Text

from monitoring.phrases import visible, visible_lines

_WIDTH = 160
"""Characters of a line where there is no terminal."""


class Screen(Console):
    """A console for which every string is text, wherever in a table or a line it stands."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)
        if not self.is_terminal and "COLUMNS" not in os.environ:
            self.width = _WIDTH

    def render_str(self, text: str, **options: Any) -> Text:
        """Convert a string to text, without markup."""
        plain: dict[str, Any] = {"markup": False, "emoji": False, "highlight": False, "highlighter": None}
        return super().render_str(visible(text), **(options | plain))


class Words(ProgressColumn):
    """The description of a task, or one of its fields."""

    def __init__(self, field: str | None = None) -> None:
        super().__init__()
        self._field = field

    def render(self, task: Task) -> Text:
        """Render it as text."""
        return styled(task.description if self._field is None else task.fields[self._field])


def styled(text: object, style: str = "") -> Text:
    """Make a text with a style."""
    return Text(visible(str(text)), style)


def table(columns: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> Table:
    """Make a table without borders."""
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    return table


def markdown(text: str) -> Markdown:
    """Make a document of Markdown, with its links as plain text."""
    return Markdown(visible_lines(text), hyperlinks=False)


def show(renderable: RenderableType) -> None:
    """Print tables and texts on standard output."""
    Screen().print(renderable)


def say(*lines: object, err: bool = False) -> None:
    """Print lines."""
    for line in lines:
        click.echo(visible(str(line)), err=err)


def print_text(text: str) -> None:
    """Print a text of several lines, with invisible characters escaped."""
    click.echo(visible_lines(text), nl=not text.endswith("\n"))


def print_json(value: Any, indent: int | None = 2) -> None:
    """Print a value as JSON, all of it in ASCII."""
    click.echo(json.dumps(value, indent=indent))


def print_error(program: str, fault: object) -> None:
    """Print on standard error why a command failed; a list in the message stays a list."""
    lines = str(fault).split("\n  ")
    click.echo("\n  ".join(map(visible, [f"{program}: {lines[0]}", *lines[1:]])), err=True)


def print_traceback() -> None:
    """Print the trace of the error being handled on standard error."""
    click.echo(visible_lines(traceback.format_exc()).rstrip("\n"), err=True)


def progress(*columns: ProgressColumn, transient: bool = False, live_only: bool = False) -> Progress:
    """Make a progress bar on standard error; with `live_only` none where that is no terminal."""
    screen = Screen(stderr=True)
    hidden = live_only and not screen.is_terminal
    return Progress(*columns, console=screen, transient=transient, disable=hidden)
