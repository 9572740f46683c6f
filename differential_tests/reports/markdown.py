"""Markdown for a pull request: the verdict, a table of levels, the worst rows; never near GitHub's limit.

Foreign texts stand in code spans, where nothing is markup and nobody is mentioned. What could end a span or
a cell of a table is written as an escape.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from differential_tests.findings import Check, Finding, Level
from differential_tests.reports import summary
from differential_tests.reports.formatting import SHOWN_CHARACTERS, cut, escaped, line, number, visible
from differential_tests.reports.summary import State

WORST, FACTS, ERRORS = 10, 60, 5
_MARKS = {State.SAME: "✅", State.FINDINGS: "❌", State.ERROR: "⚠️"}


def text(checks: Sequence[Check]) -> str:
    """The summary; its length is bounded, however many checks and findings there are."""
    return "\n".join(_lines(checks)) + "\n"


def _lines(checks: Sequence[Check]) -> Iterator[str]:
    yield f"### {_MARKS[summary.overall(checks)]} Differential tests: {summary.verdict(checks)}\n"
    if checks:
        yield from _levels(checks)
        yield from _errors([check for check in checks if check.error])
        yield from _unanswered([check for check in checks if check.unanswered and not check.error])
        yield from _worst(checks)
        yield from _facts(checks)


def _levels(checks: Sequence[Check]) -> Iterator[str]:
    yield "| level | | checks | rows | findings | could not run | seconds |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: |"
    for one in summary.levels(checks):
        name = f"{_MARKS[one.state]} **{one.level}** {one.level.purpose}"
        counts = f"{one.checks:,} | {one.rows:,} | {one.findings:,} | {one.errors:,} | {one.seconds:.1f}"
        yield f"| {name} | {one.state} | {counts} |"


def _errors(failed: Sequence[Check]) -> Iterator[str]:
    if failed:
        yield "\nCould not run:\n"
    for check in failed[:ERRORS]:
        yield f"- {check.level} {_code(summary.title(check))}: {_code(check.error, 300)}"
    if len(failed) > ERRORS:
        yield f"- and {len(failed) - ERRORS:,} more"


def _unanswered(silent: Sequence[Check]) -> Iterator[str]:
    if silent:
        yield "\nNot answered:\n"
    for check in silent[:ERRORS]:
        yield f"- {check.level} {_code(summary.title(check))}: {_code(summary.unanswered(check), 300)}"
    if len(silent) > ERRORS:
        yield f"- and {len(silent) - ERRORS:,} more"


def _worst(checks: Sequence[Check]) -> Iterator[str]:
    found = summary.worst(checks, WORST)
    if not found:
        return
    total = sum(len(check.findings) for check in checks)
    yield f"\n<details><summary>The worst {len(found)} of {total:,}</summary>\n"
    yield "| level | check | row | path | kind | a | b | difference | % | detail |"
    yield "| --- | --- | --- | --- | --- | ---: | ---: | ---: | ---: | --- |"
    for check, finding in found:
        yield f"| {check.level} | {_code(summary.title(check))} | {_finding(finding)} |"
    sides = dict.fromkeys(summary.sides_sentence(check) for check, _ in found)
    yield "\n" + "; ".join(_code(said, 300) for said in list(sides)[:ERRORS])
    yield "\n</details>"


def _finding(finding: Finding) -> str:
    texts = (line(finding.row), line(finding.path), finding.kind, *summary.sides(finding))
    numbers = number(finding.difference), number(finding.percent)
    return " | ".join([*map(_code, texts), *numbers, _code(finding.detail, 200)])


def _facts(checks: Sequence[Check]) -> Iterator[str]:
    told: dict[tuple[str, str], dict[Level, None]] = {}
    for check in checks:
        for fact in summary.facts(check).items():
            told.setdefault(fact, {})[check.level] = None
    yield "\n<details><summary>Tolerances and hashes</summary>\n"
    yield "| levels | | |\n| --- | --- | --- |"
    for (name, known), levels in list(told.items())[:FACTS]:
        yield f"| {', '.join(levels)} | {_code(line(name))} | {_code(line(known))} |"
    if len(told) > FACTS:
        yield f"\nand {len(told) - FACTS:,} more, which stand in the other reports."
    yield "\n</details>"


def _code(told: str, most: int = SHOWN_CHARACTERS) -> str:
    """A text in a code span."""
    safe = cut("".join(escaped(each) if each in "`|" else each for each in visible(told)), most)
    return f"`{safe}`" if safe.strip() else ""
