"""Terminal report: the verdict, the levels and the worst rows as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table

from differential_tests.findings import Check, Finding, FindingKind
from differential_tests.reports import summary
from differential_tests.reports.formatting import line, number
from differential_tests.reports.summary import State
from monitoring.terminal import Screen, styled

WORST = 10
_EXCUSES = ("note", "noise", "expected change", "stale expected change", "unused expected change")
_STYLES = {State.SAME: "green", State.FINDINGS: "red", State.ERROR: "yellow"}


def show(console: Screen, checks: Sequence[Check]) -> None:
    """Print what was checked and what was found."""
    if checks:
        console.print(_checks(checks))
    for check in checks:
        if check.error:
            console.print(styled(f"{check.level} {summary.title(check)}: {line(check.error, 300)}", "yellow"))
        elif note := summary.unanswered(check):
            console.print(styled(f"{check.level} {summary.title(check)}: {note}", "yellow"))
    worst = summary.worst(checks, WORST)
    if worst:
        console.print(_worst(worst))
        for note in list(dict.fromkeys(summary.sides_sentence(check) for check, _ in worst))[:WORST]:
            console.print(styled(note))
    for remark in _remarks(checks):
        console.print(styled(remark))
    console.print(styled(summary.verdict(checks), f"bold {_STYLES[summary.overall(checks)]}"))


def _remarks(checks: Sequence[Check]) -> Iterator[str]:
    """Yield what was excused and why, and in full each text to copy."""
    for check in checks:
        for name, text in check.facts.items():
            if name.startswith(_EXCUSES):
                yield f"{check.level} {name}: {line(text, 300)}"
        for finding in check.findings[:WORST]:
            if finding.kind is FindingKind.BUDGET and "\n" in finding.detail:
                yield from finding.detail.splitlines()


def _checks(checks: Sequence[Check]) -> Table:
    table = Table("level", "check", title_justify="left")
    for name in ("rows", "findings", "seconds"):
        table.add_column(name, justify="right")
    table.add_column("")
    for members in summary.by_level(checks).values():
        for check in members:
            ended = summary.state(check)
            counts = (f"{check.rows:,}", f"{len(check.findings):,}", f"{check.seconds:.1f}")
            table.add_row(check.level, styled(summary.title(check)), *counts, styled(ended, _STYLES[ended]))
    return table


def _worst(worst: Sequence[tuple[Check, Finding]]) -> Table:
    table = Table("level", "row", "path", "kind", title=f"the worst {len(worst)}", title_justify="left")
    for name in ("a", "b", "difference", "%"):
        table.add_column(name, justify="right")
    detailed = any(finding.detail for _, finding in worst)
    if detailed:
        table.add_column("detail")
    for check, finding in worst:
        texts = (line(finding.row), line(finding.path), finding.kind, *summary.sides(finding))
        numbers = number(finding.difference), number(finding.percent)
        detail = (line(finding.detail, 200),) if detailed else ()
        table.add_row(check.level, *map(styled, (*texts, *numbers, *detail)))
    return table
