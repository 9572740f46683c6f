"""How a benchmark says what it found: a table for the eye, a table for a README, or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from benchmarks import ground

Cell = str | float | int | None


@dataclass(frozen=True, slots=True)
class ReportColumn:
    """One column: `key` in the JSON, `title` over the table, `format` of a number."""

    key: str
    title: str
    format: str = ""


@dataclass(frozen=True, slots=True)
class ReportSection:
    """One table and what to keep in mind when reading it."""

    title: str
    columns: Sequence[ReportColumn]
    rows: Sequence[Mapping[str, Cell]]
    notes: Sequence[str] = ()


def publish(sections: Sequence[ReportSection], conditions: Sequence[str], *, kind: str) -> None:
    """Write everything to standard output; `kind` is `table`, `markdown` or `json`."""
    if kind == "json":
        print(json.dumps(_as_json(sections, conditions), indent=1))
    elif kind == "markdown":
        print("\n\n".join([*map(_markdown, sections), "\n".join(f"- {line}" for line in conditions)]))
    else:
        _show(sections, conditions)


def _as_json(sections: Sequence[ReportSection], conditions: Sequence[str]) -> dict[str, object]:
    return {
        "taken_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": ground.machine(),
        "conditions": list(conditions),
        "tables": [
            {
                "title": section.title,
                "rows": [dict(row) for row in section.rows],
                "notes": list(section.notes),
            }
            for section in sections
        ],
    }


def _markdown(section: ReportSection) -> str:
    titles = [column.title for column in section.columns]
    lines = [f"**{section.title}**", "", f"| {' | '.join(titles)} |", f"|{' --- |' * len(titles)}"]
    lines += [
        f"| {' | '.join(_text(row.get(column.key), column.format) for column in section.columns)} |"
        for row in section.rows
    ]
    return "\n".join([*lines, "", *section.notes]).rstrip()


def _show(sections: Sequence[ReportSection], conditions: Sequence[str]) -> None:
    console = Console(highlight=False, width=None if Console().is_terminal else 150)
    for section in sections:
        table = Table(title=section.title, title_justify="left", title_style="bold")
        for column in section.columns:
            table.add_column(column.title, justify="right" if column.format else "left")
        for row in section.rows:
            table.add_row(*(_text(row.get(column.key), column.format) for column in section.columns))
        console.print(table)
        for note in section.notes:
            console.print(f"  {note}", style="dim")
        console.print()
    for line in conditions:
        console.print(line, style="dim")


def _text(value: Cell, form: str) -> str:
    if value is None:
        return "-"
    return format(value, form) if form and not isinstance(value, str) else str(value)


def progress() -> Progress:
    """Show a progress bar on standard error, so that standard output holds only the result."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
