"""The summary for a pull request is short, says the verdict first, and nothing foreign in it is markup."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from differential_tests.findings import Check, Finding, FindingKind, Level
from differential_tests.reports import markdown, summary

OURS = {"<details>", "</details>", "<summary>", "</summary>"}


def parsed(text: str) -> tuple[list[str], list[str], set[str]]:
    """Parse GitHub Markdown into code spans, other texts and kinds of elements."""
    spans, texts, kinds = [], [], set()
    for block in MarkdownIt("commonmark").enable("table").parse(text):
        for node in [block, *(block.children or ())]:
            kinds.add(node.type)
            if node.type == "code_inline":
                spans.append(node.content)
            elif node.type in ("text", "html_block", "html_inline"):
                texts.append(node.content)
    return spans, texts, kinds


def cells(text: str) -> set[int]:
    """How many cells the rows of its tables have, beside how many their heads have."""
    rows, wrong, columns = MarkdownIt("commonmark").enable("table").parse(text), set(), 0
    counted = 0
    for row in rows:
        counted = 0 if row.type == "tr_open" else counted + (row.type in ("td_open", "th_open"))
        if row.type == "thead_close":
            columns = counted
        if row.type == "tr_close" and columns:
            wrong.add(counted - columns)
        if row.type == "table_close":
            columns = 0
    return wrong


def test_the_verdict_comes_first_then_the_levels(every: tuple[Check, ...]) -> None:
    lines = markdown.text(every).splitlines()
    assert lines[0].endswith(summary.verdict(every))
    assert [line.split("**")[1] for line in lines if "**" in line] == ["D0", "D1", "D2", "D4"]
    assert (
        sum(
            line.startswith("| D")
            for line in lines[
                lines.index("| level | check | row | path | kind | a | b | difference | % | detail |") :
            ]
        )
        >= 10
    )


def test_hashes_tolerance_and_noise_are_told(found: tuple[Check, ...]) -> None:
    spans, _, _ = parsed(markdown.text(found))
    assert {"a" * 64, "b" * 64, "100 dollars, 5 %", "noise p99.9"} <= set(spans)


def test_where_all_is_the_same_nothing_is_folded_but_what_is_needed_to_repeat_it(
    same: tuple[Check, ...],
) -> None:
    summary = markdown.text(same)
    assert summary.startswith("### ✅")
    assert "worst" not in summary


def test_nothing_checked_is_no_success() -> None:
    assert markdown.text([]).startswith("### ⚠️ Differential tests: could not run")


def test_a_foreign_text_is_in_code_spans_and_nowhere_else(every: tuple[Check, ...], hostile: str) -> None:
    summary = markdown.text(every)
    spans, texts, kinds = parsed(summary)
    assert any("@everyone" in span and "<script>" in span for span in spans)
    assert not any("everyone" in text or "script" in text or "example" in text for text in texts)
    assert not kinds & {"link_open", "image", "html_inline"}
    assert cells(summary) == {0}


def test_it_stays_far_below_githubs_limit(every: tuple[Check, ...]) -> None:
    long = "`|<@" * 5000
    finding = Finding(FindingKind.TEXT, long, long, long, {long: long}, segment=long, detail=long)
    many = [
        replace(
            check,
            name=f"{number}{long}",
            error=long if number % 2 else "",
            findings=(finding,) * 100,
            facts={f"{number}-{n}{long}": long for n in range(50)},
        )
        for number in range(50)
        for check in every
    ]
    assert len(markdown.text(many)) < 30_000


texts = st.text(st.characters(exclude_categories=()), max_size=30) | st.text(
    "`|\\<>@#*_~&[]()! \n-:wh./", max_size=30
)


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(texts, texts, texts)
def test_no_text_breaks_out(name: str, row: str, detail: str) -> None:
    finding = Finding(FindingKind.TEXT, row, name, detail, row, segment=row, detail=detail)
    checks = [
        Check(Level.D2, name, row, 1, findings=(finding,), facts={name: detail}),
        Check(Level.D1, name, row, 1, error=detail or "x"),
    ]
    summary = markdown.text(checks)
    plain = markdown.text(
        [
            replace(
                check,
                name="n",
                dataset="d",
                facts={},
                error=check.error and "e",
                findings=tuple(Finding(FindingKind.TEXT, "r") for _ in check.findings),
            )
            for check in checks
        ]
    )
    assert cells(summary) == {0}
    assert parsed(summary)[2] - {"code_inline"} <= parsed(plain)[2]


@pytest.mark.parametrize("tick", ["`", "``", "|", "\\|", "\\"])
def test_a_text_that_would_end_a_span_or_a_cell_does_not(tick: str) -> None:
    summary = markdown.text([Check(Level.D2, f"a{tick}", f"{tick}b", 1)])
    assert cells(summary) == {0}
