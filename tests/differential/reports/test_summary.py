"""All reports say the same: verdict, rows, findings, worst rows, hashes."""

from __future__ import annotations

import doctest
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from html import unescape
from operator import add
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
import pytest
from junitparser import JUnitXml
from rich.console import Console

from differential_tests.findings import Check, Finding, FindingKind, Level, exit_status
from differential_tests.reports import (
    canvas,
    formatting,
    json_lines,
    junit,
    markdown,
    page,
    summary,
    terminal,
)

Counted = dict[str, tuple[int, int, int, int]]
"""By level: checks, rows, findings, and checks that could not run."""


def of_junit(checks: Sequence[Check], path: Path) -> Counted:
    junit.write(path, checks)
    counted: Counted = {}
    for suite in JUnitXml.fromfile(str(path)):
        messages = [outcome.message for case in suite for outcome in case.result if outcome.message]
        findings = sum(
            int(match[1].replace(",", ""))
            for message in messages
            if (match := re.match(r"([\d,]+) finding", message))
        )
        rows = sum(
            int(property_.value) for property_ in suite.properties() if property_.name.endswith(": rows")
        )
        counted[suite.name[:2]] = (suite.tests, rows, findings, suite.errors)
    return counted


def of_lines(checks: Sequence[Check], path: Path) -> Counted:
    json_lines.write(path, checks)
    counted: Counted = {}
    for record in map(orjson.loads, path.read_bytes().splitlines()):
        if "check" in record:
            more = (1, record["rows"], record["findings"], int(bool(record["error"])))
            counted[record["level"]] = _sum(counted.get(record["level"]), more)
    return counted


def of_markdown(checks: Sequence[Check], _path: Path) -> Counted:
    cells = [line.split("|") for line in markdown.text(checks).splitlines() if "**D" in line]
    return {
        row[1].split("**")[1]: (_whole(row[3]), _whole(row[4]), _whole(row[5]), _whole(row[6]))
        for row in cells
    }


def of_page(checks: Sequence[Check], path: Path) -> Counted:
    page.write(path, checks)
    table = re.search(r'<table class="levels">.*?<tbody>(.*?)</tbody>', path.read_text(), re.DOTALL)
    assert table
    rows = [
        re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL) for row in table[1].split("</tr>") if "<td" in row
    ]
    return {row[0]: _wholes([row[3], row[4], row[2], row[5]]) for row in rows}


def of_terminal(checks: Sequence[Check], _path: Path) -> Counted:
    counted: Counted = {}
    for line in shown(checks).splitlines():
        cells = [cell.strip() for cell in line.split("│")]
        if len(cells) == 8 and cells[1].startswith("D"):
            more = (1, _whole(cells[3]), _whole(cells[4]), int(cells[6] == "could not run"))
            counted[cells[1]] = _sum(counted.get(cells[1]), more)
    return counted


def _sum(one: Sequence[int] | None, other: tuple[int, ...]) -> Any:
    return tuple(map(add, one or (0,) * len(other), other))


def _wholes(texts: Sequence[str]) -> Any:
    return tuple(map(_whole, texts))


def _whole(text: str) -> int:
    return int(text.replace(",", ""))


def shown(checks: Sequence[Check]) -> str:
    """Return the output on a terminal."""
    stream = io.StringIO()
    terminal.show(Console(file=stream, width=250, color_system=None), checks)
    return stream.getvalue()


@pytest.mark.parametrize("read", [of_junit, of_lines, of_markdown, of_page, of_terminal])
@pytest.mark.parametrize("name", ["every", "found", "same"])
def test_every_report_counts_the_same(
    read: Callable[..., Counted], name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    checks = request.getfixturevalue(name)
    counted = {
        level.level.value: (level.checks, level.rows, level.findings, level.errors)
        for level in summary.levels(checks)
    }
    assert read(checks, tmp_path / "report") == counted


def test_every_report_shows_the_same_worst_rows_and_hashes(found: tuple[Check, ...], tmp_path: Path) -> None:
    reports = {}
    junit.write(tmp_path / "x.xml", found)
    reports["junit"] = (tmp_path / "x.xml").read_text()
    json_lines.write(tmp_path / "x.jsonl", found)
    reports["lines"] = (tmp_path / "x.jsonl").read_text()
    reports["page"] = page.html(found)
    reports["markdown"] = markdown.text(found)
    reports["terminal"] = shown(found)
    for name, text in reports.items():
        for finding in found[1].findings[1:5]:
            assert all(
                text_of_finding in text for text_of_finding in (finding.row, repr(finding.a), repr(finding.b))
            ), name
        if name != "terminal":
            assert all(
                text_of_fact in unescape(text) for text_of_fact in ("a" * 64, "b" * 64, "100 dollars, 5 %")
            ), name


@pytest.mark.parametrize("name", ["every", "found", "same"])
def test_the_verdict_is_the_same_everywhere(name: str, request: pytest.FixtureRequest) -> None:
    checks = request.getfixturevalue(name)
    verdict = summary.verdict(checks)
    assert verdict in markdown.text(checks)
    assert f"<h1>{verdict}</h1>" in page.html(checks)
    assert shown(checks).splitlines()[-1].strip() == verdict


def test_verdicts_are_told_as_the_exit_status_is(every: tuple[Check, ...], same: tuple[Check, ...]) -> None:
    status = {summary.State.SAME: 0, summary.State.FINDINGS: 1, summary.State.ERROR: 2}
    for checks in (every, same, every[:1], every[3:], ()):
        assert status[summary.overall(checks)] == exit_status(checks)
    assert summary.verdict(every) == "could not run: 1 of 4 checks; 87 findings in all"
    assert (
        summary.verdict(every[::2]) == "87 findings in 2 of 2 checks; look first at D2 (package against API)"
    )
    assert summary.verdict(same) == "same: 1 check of 500 rows"
    assert summary.verdict(()) == "could not run: there was nothing to check"


def test_the_worst_of_all_are_whole_rows_then_the_largest_differences(same: tuple[Check, ...]) -> None:
    def number(percent: float) -> Finding:
        return Finding(FindingKind.NUMBER, f"r{percent}", percent=percent)

    check = replace(same[0], findings=(Finding(FindingKind.NAN, "n"), number(9), number(3)))
    two = replace(same[0], level=Level.D2, findings=(Finding(FindingKind.EXTRA, "e"), number(-20), number(4)))
    assert [finding.row for _, finding in summary.worst([check, two], 5)] == ["e", "n", "r-20", "r9", "r4"]


def test_a_terminal_gets_no_control_characters_and_no_markup(every: tuple[Check, ...]) -> None:
    printed = shown(every)
    assert not {
        character for character in printed if ord(character) < 32 or 0x7F <= ord(character) < 0xA0
    } - {"\n"}
    marked = Check(Level.D2, "[red]x[/red]", "[link=http://x.example]y[/link]", 1, error="[bold]e[/]")
    assert shown([marked]).count("[red]x[/red] x [link=http://x.example]y[/link]") == 2
    assert "[bold]e[/]" in shown([marked])


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "null"),
        (True, "true"),
        (1, "1"),
        (0.1 + 0.2, "0.30000000000000004"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
        ("a\nb", '"a\\nb"'),
        ({"a": [1, "é"]}, '{"a": [1, "é"]}'),
        ("x" * 200, '"' + "x" * 76 + "..."),
    ],
)
def test_values_are_told_as_json(value: object, told: str) -> None:
    assert formatting.value(value) == told


@pytest.mark.parametrize("module", [canvas, formatting])
def test_the_examples_of_the_docstrings_are_right(module: ModuleType) -> None:
    assert doctest.testmod(module) == (0, 1 if module is canvas else 3)
