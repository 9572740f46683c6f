"""Expected changes: approved for two artifacts and within limits, other numbers pass; nothing else does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest

from differential_tests import expected_change
from differential_tests.comparison import compare
from differential_tests.comparison.table import AnswerTable, table
from differential_tests.expected_change import ExpectedChange, InvalidChange
from differential_tests.findings import Check, FindingKind
from differential_tests.run_file import RunHeader, SideAnswer
from differential_tests.settings import tolerances

OLD, NEW, OTHER = "1" * 64, "2" * 64, "3" * 64
TERMS = tolerances.parse("[tolerance]\npercent = 1e-4")
BEFORE = [100_000.0] * 100
ENTRY = f"""
[[change]]
model = "gbm"
from = "{OLD}"
to = "{NEW}"
reason = "trained on the sales of 2010"
approved_by = "a reviewer"
beyond_1_percent = 0.10
beyond_5_percent = 0.02
max_percent = 8.0
bias_percent = 0.5
"""


def side(values: Sequence[Any], artifact: str, model: str = "gbm") -> AnswerTable:
    answers = (
        SideAnswer(f"r{row}", "o", status=200, value={"price_dollars": value})
        for row, value in enumerate(values)
    )
    return table(answers, header=RunHeader("x", "0" * 64, "now", model, artifact))


def check(after: Sequence[Any], before: str = OLD, now: str = NEW, model: str = "gbm") -> Check:
    return compare(side(BEFORE, before, model), side(after, now, model), TERMS)


def lower(*percents: float) -> list[float]:
    """Lower the first prices by so many percent."""
    return [100_000.0 * (1 - percent / 100) for percent in percents] + BEFORE[len(percents) :]


def judged(after: Sequence[Any], text: str = ENTRY, **others: str) -> Check:
    return expected_change.judge(check(after, **others), expected_change.parse(text))


def kinds(found: Check) -> list[FindingKind]:
    return [one.kind for one in found.findings]


def test_within_its_limits_an_entry_makes_a_fact_of_what_were_findings() -> None:
    after = lower(7.9, 5.1, *[1.1] * 8, *[0.9] * 5)
    assert len(check(after).findings) == 15
    found = judged(after)
    assert found.passed
    assert "approved by a reviewer (trained on the sales of 2010)" in found.facts["expected change"]
    assert "10.0000% of 100 rows beyond 1 % (approved 10.0000%)" in found.facts["expected change"]
    assert found.spreads == check(after).spreads


@pytest.mark.parametrize(
    ("after", "exceeded"),
    [
        (lower(*[1.1] * 11), "beyond_1_percent"),
        (lower(*[5.1] * 3), "beyond_5_percent"),
        (lower(8.1), "max_percent"),
        (lower(*[0.9] * 60), "bias_percent"),
        (lower(*[-0.9] * 60), "bias_percent"),
    ],
)
def test_beyond_one_limit_it_says_which_with_the_figures_and_excuses_nothing(
    after: list[float], exceeded: str
) -> None:
    found = judged(after)
    first, *rest = found.findings
    assert first.kind is FindingKind.BUDGET
    assert first.path == "$.price_dollars"
    assert first.detail.startswith(exceeded)
    entry = expected_change.parse(ENTRY)[0]
    assert first.a == getattr(entry, exceeded)
    assert abs(first.b) > first.a
    assert tuple(rest) == check(after).findings


def test_differences_up_and_down_have_no_mean() -> None:
    assert judged(lower(*[0.9, -0.9] * 40)).passed


@pytest.mark.parametrize(
    "after",
    [
        [*lower(1), 1.0],
        BEFORE[:-1],
        [*BEFORE[:-1], math.nan],
        [*BEFORE[:-1], None],
        [*BEFORE[:-1], -1e5],
        [*BEFORE[:-1], "100000"],
        [*BEFORE[:-1], math.inf],
        [*BEFORE[:-1], [1e5]],
    ],
)
def test_what_is_no_other_number_is_never_excused(after: list[Any]) -> None:
    wide = ENTRY.replace("0.10", "1").replace("0.02", "1").replace("8.0", "200").replace("0.5", "200")
    found = judged(after, wide)
    structural = [one for one in check(after).findings if one.kind is not FindingKind.NUMBER]
    assert structural
    assert repr(list(found.findings)) == repr(structural)


@pytest.mark.parametrize(
    "others",
    [{"before": OTHER}, {"now": OTHER}, {"before": NEW, "now": OLD}, {"model": "linear"}],
)
def test_an_entry_for_another_pair_of_artifacts_does_not_count(others: dict[str, str]) -> None:
    found = judged(lower(2, 3), **others)
    assert kinds(found) == [FindingKind.BUDGET, FindingKind.NUMBER, FindingKind.NUMBER]
    assert "if they are wanted, approve" in found.findings[0].detail


def test_the_entry_that_is_needed_can_be_pasted_and_then_passes_once_a_reviewer_has_signed_it() -> None:
    after = lower(7.77, *[1.234] * 7, *[0.5] * 30)
    text = judged(after, "").findings[0].detail.partition("\n")[2]
    with pytest.raises(InvalidChange, match="reason"):
        expected_change.parse(text)
    signed = text.replace('reason = ""', 'reason = "new data"')
    with pytest.raises(InvalidChange, match="approved_by"):
        expected_change.parse(signed)
    signed = signed.replace('approved_by = ""', 'approved_by = "a reviewer"')
    assert judged(after, signed).passed
    assert not judged(lower(7.9, *[1.234] * 7, *[0.5] * 30), signed).passed
    assert not judged(lower(7.77, *[1.234] * 8, *[0.5] * 30), signed).passed


@pytest.mark.parametrize("unknown", [{"before": ""}, {"now": ""}, {"model": ""}])
def test_runs_that_do_not_name_their_artifact_are_told_that_no_entry_can_be_theirs(
    unknown: dict[str, str],
) -> None:
    found = judged(lower(2), **unknown)
    assert kinds(found) == [FindingKind.BUDGET, FindingKind.NUMBER]
    assert "do not both name the artifact" in found.findings[0].detail


def test_the_same_artifact_may_not_answer_otherwise_whatever_is_approved() -> None:
    same = ENTRY.replace(NEW, OLD)
    assert kinds(judged(lower(0.5), same, now=OLD)) == [FindingKind.NUMBER]


def test_entries_that_excuse_nothing_are_told() -> None:
    stale = ENTRY.replace(NEW, OTHER)
    of_another_model = stale.replace("gbm", "linear")
    facts = judged(lower(2), ENTRY + stale + of_another_model).facts
    assert [name for name in facts if "stale" in name] == ["stale expected change 2"]
    assert OTHER[:12] in facts["stale expected change 2"]
    assert "unused expected change" not in facts
    unused = judged(BEFORE)
    assert unused.passed
    assert "no number differs" in unused.facts["unused expected change"]


def test_a_check_that_could_not_run_stays_one() -> None:
    broken = Check(check(BEFORE).level, "x", "", 0, error="no run")
    assert expected_change.judge(broken, expected_change.parse(ENTRY)) is broken


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        (ENTRY.replace('model = "gbm"', ""), "change.0.model", "a value"),
        (ENTRY.replace('"a reviewer"', '" "'), "change.0.approved_by", "pattern"),
        (ENTRY.replace(OLD, OLD[1:]), "change.0.from", "pattern"),
        (ENTRY.replace("0.10", "10"), "change.0.beyond_1_percent", "a share from 0 to 1"),
        (ENTRY.replace("8.0", "inf"), "change.0.max_percent", "a number from 0"),
        (ENTRY.replace("bias_percent = 0.5", ""), "change.0.bias_percent", "a value"),
        (ENTRY + "max_dollars = 5", "change.0.max_dollars", "no such key"),
        (ENTRY.replace("[[change]]", "[[changes]]"), "changes", "no such key"),
        ("[change", "(the file)", "TOML"),
    ],
)
def test_an_entry_that_cannot_be_right_is_refused(text: str, key: str, expected: str) -> None:
    with pytest.raises(InvalidChange) as refused:
        expected_change.parse(text)
    assert refused.value.key == key
    assert expected in refused.value.expected
    assert str(refused.value).startswith("expected change: ")


def test_the_shares_are_of_the_rows_with_a_number_at_that_path() -> None:
    rare = [{"p": 1.0} | ({"rare": 1.0} if row < 4 else {}) for row in range(100)]
    moved = [value | ({"rare": 1.5} if row < 2 else {}) for row, value in enumerate(rare)]

    def asked(values: list[dict[str, float]]) -> AnswerTable:
        return table(SideAnswer(f"r{row}", "o", status=200, value=value) for row, value in enumerate(values))

    (found,) = expected_change.figures(compare(asked(rare), asked(moved), TERMS))
    assert (found.path, found.compared, found.beyond_1_percent, found.beyond_5_percent) == (
        "$.rare",
        4,
        0.5,
        0.5,
    )
    assert found.max_percent == pytest.approx(100 / 3)
    assert found.bias_percent == pytest.approx(100 / 6)


def test_read_takes_the_entries_of_a_file(tmp_path: Any) -> None:
    (tmp_path / "expected_change.toml").write_text(ENTRY + ENTRY.replace("gbm", "linear"))
    found = expected_change.read(tmp_path / "expected_change.toml")
    assert [(type(one), one.model, one.before, one.after) for one in found] == [
        (ExpectedChange, "gbm", OLD, NEW),
        (ExpectedChange, "linear", OLD, NEW),
    ]
