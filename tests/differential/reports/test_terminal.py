"""The terminal: what the tables have no column for is said below them."""

from __future__ import annotations

import io

from rich.console import Console

from differential_tests.findings import Check, Finding, FindingKind, Level
from differential_tests.reports import terminal


def shown(*checks: Check) -> str:
    console = Console(file=io.StringIO(), width=200)
    terminal.show(console, checks)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_what_was_excused_is_said_with_the_reason() -> None:
    facts = {
        "noise": "10 rows excuse 3 differences",
        "expected change of gbm": "trained anew",
        "tolerance": "0",
    }
    output = shown(Check(Level.D3, "golden", "corpus", rows=10, facts=facts))
    assert "D3 noise: 10 rows excuse 3 differences\n" in output
    assert "D3 expected change of gbm: trained anew\n" in output
    assert "tolerance" not in output


def test_a_text_to_be_copied_is_whole_and_hides_nothing() -> None:
    entry = '[[change]]\nmodel = "gbm"\nreason = ""\n' + "# as long as it has to be\n" * 20 + "\x1b[2J"
    output = shown(
        Check(Level.D3, "golden", "", rows=1, findings=(Finding(FindingKind.BUDGET, "gbm", detail=entry),))
    )
    assert '[[change]]\nmodel = "gbm"\nreason = ""\n' in output
    assert output.count("# as long as it has to be\n") == 20
    assert "\\u001b[2J" in output
    assert "\x1b[2J" not in output
