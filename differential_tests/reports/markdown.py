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
    """Write the summary; its length has a limit for any number of checks and findings."""
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
    for row in summary.levels(checks):
        name = f"{_MARKS[row.state]} **{row.level}** {row.level.purpose}"
        counts = f"{row.checks:,} | {row.rows:,} | {row.findings:,} | {row.errors:,} | {row.seconds:.1f}"
        yield f"| {name} | {row.state} | {counts} |"


def _errors(failed: Sequence[Check]) -> Iterator[str]:
    if failed:
        yield "\nCould not run:\n"
    for check in failed[:ERRORS]:
        yield f"- {check.level} {_code_span(summary.title(check))}: {_code_span(check.error, 300)}"
    if len(failed) > ERRORS:
        yield f"- and {len(failed) - ERRORS:,} more"


def _unanswered(silent: Sequence[Check]) -> Iterator[str]:
    if silent:
        yield "\nNot answered:\n"
    for check in silent[:ERRORS]:
        unanswered = _code_span(summary.unanswered(check), 300)
        yield f"- {check.level} {_code_span(summary.title(check))}: {unanswered}"
    if len(silent) > ERRORS:
        yield f"- and {len(silent) - ERRORS:,} more"


def _worst(checks: Sequence[Check]) -> Iterator[str]:
    worst = summary.worst(checks, WORST)
    if not worst:
        return
    total = sum(len(check.findings) for check in checks)
    yield f"\n<details><summary>The worst {len(worst)} of {total:,}</summary>\n"
    yield "| level | check | row | path | kind | a | b | difference | % | detail |"
    yield "| --- | --- | --- | --- | --- | ---: | ---: | ---: | ---: | --- |"
    for check, finding in worst:
        yield f"| {check.level} | {_code_span(summary.title(check))} | {_finding(finding)} |"
    sides = dict.fromkeys(summary.sides_sentence(check) for check, _ in worst)
    yield "\n" + "; ".join(_code_span(sentence, 300) for sentence in list(sides)[:ERRORS])
    yield "\n</details>"


def _finding(finding: Finding) -> str:
    texts = (line(finding.row), line(finding.path), finding.kind, *summary.sides(finding))
    numbers = number(finding.difference), number(finding.percent)
    return " | ".join([*map(_code_span, texts), *numbers, _code_span(finding.detail, 200)])


def _facts(checks: Sequence[Check]) -> Iterator[str]:
    levels_of_fact: dict[tuple[str, str], dict[Level, None]] = {}
    for check in checks:
        for fact in summary.facts(check).items():
            levels_of_fact.setdefault(fact, {})[check.level] = None
    yield "\n<details><summary>Tolerances and hashes</summary>\n"
    yield "| levels | | |\n| --- | --- | --- |"
    for (name, known), levels in list(levels_of_fact.items())[:FACTS]:
        yield f"| {', '.join(levels)} | {_code_span(line(name))} | {_code_span(line(known))} |"
    if len(levels_of_fact) > FACTS:
        yield f"\nand {len(levels_of_fact) - FACTS:,} more, which stand in the other reports."
    yield "\n</details>"


def _code_span(text: str, most: int = SHOWN_CHARACTERS) -> str:
    """Write a text in a code span."""
    safe = cut("".join(escaped(each) if each in "`|" else each for each in visible(text)), most)
    return f"`{safe}`" if safe.strip() else ""
