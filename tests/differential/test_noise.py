"""Noise: what a side does to itself excuses as much between two sides, tells so, and no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from differential_tests.comparison import compare
from differential_tests.comparison.table import AnswerTable, table
from differential_tests.findings import Check, FindingKind
from differential_tests.run_file import SideAnswer
from differential_tests.settings import tolerances
from differential_tests.settings.tolerances import Tolerances

EXACT = tolerances.parse("")
PRICES = [100_000.0 + row for row in range(1000)]


def of_values(values: Sequence[Any]) -> AnswerTable:
    return table(SideAnswer(f"r{row}", "o", status=200, value=value) for row, value in enumerate(values))


def side(prices: Sequence[float] = PRICES, **others: Any) -> AnswerTable:
    """Answers with a price, and other fields that are functions of the row."""
    return of_values(
        [
            {"price": price} | {name: other(row) for name, other in others.items()}
            for row, price in enumerate(prices)
        ]
    )


def apart(rows: int, by: float, first: int = 0) -> list[float]:
    """Raise some prices by so many dollars."""
    return [price + by * (first <= row < first + rows) for row, price in enumerate(PRICES)]


def judged(
    a: AnswerTable, b: AnswerTable, noise: tuple[AnswerTable, AnswerTable], wanted: Tolerances = EXACT
) -> Check:
    check = compare(a, b, wanted, noise=noise)
    assert check.error == ""
    return check


def kinds(check: Check) -> dict[tuple[FindingKind, str], int]:
    told: dict[tuple[FindingKind, str], int] = {}
    for one in check.findings:
        told[one.kind, one.path] = told.get((one.kind, one.path), 0) + 1
    return told


@pytest.mark.parametrize(
    ("first", "second"),
    [(lambda row: f"at {row}", lambda row: f"at {row} and later"), (lambda row: row, lambda row: row + 3600)],
    ids=["text", "number"],
)
def test_a_time_that_always_differs_is_never_a_finding_and_is_told(first: Any, second: Any) -> None:
    noise = (side(time=first), side(time=lambda row: second(row) + second(0)))
    quiet = judged(side(time=first), side(time=second), noise)
    assert quiet.passed
    (fact,) = [text for name, text in quiet.facts.items() if name.endswith("$.time")]
    assert fact.startswith("1000 of 1000 rows excused (100.0000%; in the noise 100.0000%)")
    assert "excuse 1000 differences" in quiet.facts["noise"]


def test_without_noise_in_the_noise_one_wrong_row_of_a_thousand_is_found() -> None:
    check = judged(side(), side(apart(1, 0.01)), (side(), side()))
    assert kinds(check) == {(FindingKind.NUMBER, "$.price"): 1}
    assert check.facts["noise"] == "1000 rows of one side compared with itself excuse 0 differences"


def test_noise_at_one_place_excuses_nothing_at_another() -> None:
    noise = (side(time=lambda row: row), side(time=lambda row: row + 9))
    check = judged(side(time=lambda row: row), side(apart(1, 5), time=lambda row: row + 9), noise)
    assert kinds(check) == {(FindingKind.NUMBER, "$.price"): 1}


def test_noise_of_one_kind_excuses_no_other_kind_at_the_same_place() -> None:
    noise = (side(x=lambda _: "a"), side(x=lambda _: "b"))
    assert kinds(judged(side(x=lambda _: "a"), side(x=lambda _: None), noise)) == {
        (FindingKind.TYPE, "$.x"): 1000
    }


@pytest.mark.parametrize(("rows", "is_finding"), [(100, False), (120, False), (121, True)])
def test_the_rate_has_to_exceed_that_of_the_noise_by_the_relative_margin(rows: int, is_finding: bool) -> None:
    noise = (side(x=lambda row: row >= 100), side(x=lambda _: True))
    check = judged(side(x=lambda row: row >= rows), side(x=lambda _: True), noise)
    assert kinds(check) == ({(FindingKind.TEXT, "$.x"): rows} if is_finding else {})
    assert (f"noise: {FindingKind.TEXT} $.x" in check.facts) != is_finding


@pytest.mark.parametrize(("rows", "is_finding"), [(11, False), (15, False), (16, True)])
def test_the_rate_has_to_exceed_that_of_the_noise_by_the_absolute_margin(rows: int, is_finding: bool) -> None:
    wanted = tolerances.parse("[noise]\nrelative = 0\nabsolute = 0.005")
    noise = (side(x=lambda row: row >= 10), side(x=lambda _: True))
    check = judged(side(x=lambda row: row >= rows), side(x=lambda _: True), noise, wanted)
    assert bool(check.findings) == is_finding


def test_a_number_has_to_exceed_the_noise_s_quantile_too() -> None:
    noise = (side(), side(apart(10, 1.0)))
    b = side([price + 0.5 * (row < 50) + 10 * (50 <= row < 100) for row, price in enumerate(PRICES)])
    check = judged(side(), b, noise)
    assert {one.row for one in check.findings} == {f"r{row}" for row in range(50, 100)}
    fact = check.facts[f"noise: {FindingKind.NUMBER} $.price"]
    assert fact.startswith("50 of 1000 rows excused")
    assert "up to 0.5 or" in fact


def test_a_few_wild_ones_in_the_noise_do_not_set_the_quantile() -> None:
    row = np.arange(5000)
    prices = 100_000.0 + 20 * row
    noisy = np.where(row == 0, 1e7, prices + 1.0 * (row < 50))
    before, after, again = (of_values(one.tolist()) for one in (prices, prices + 20 * (row < 100), noisy))
    assert len(judged(before, after, (before, again)).findings) == 100


def jittered(seed: int, rows: int, share: float = 0.001) -> list[float]:
    """Prices that are another one at each asking, all of them."""
    return [
        price * np.exp(share * noise)
        for price, noise in zip(PRICES[:rows], np.random.default_rng(seed).normal(size=rows), strict=True)
    ]


@pytest.mark.parametrize("rows", [40, 1000])
def test_where_every_number_is_noisy_doubled_ones_and_a_few_percent_are_found(rows: int) -> None:
    noise = (side(jittered(1, rows)), side(jittered(2, rows)))
    doubled = judged(noise[0], side([2 * price for price in jittered(3, rows)]), noise)
    assert kinds(doubled) == {(FindingKind.NUMBER, "$.price"): rows}
    some = [price * (1.02 if row < 9 else 1) for row, price in enumerate(jittered(3, rows))]
    found = {one.row for one in judged(noise[0], side(some), noise).findings}
    assert {f"r{row}" for row in range(9)} <= found


def test_where_every_number_is_noisy_noise_is_no_finding_but_for_one_time_in_fifty() -> None:
    rows, alarms = 500, 0
    for seed in range(0, 300, 3):
        noise = (side(jittered(seed, rows)), side(jittered(seed + 1, rows)))
        alarms += not judged(noise[0], side(jittered(seed + 2, rows)), noise).passed
    assert alarms <= 2


def test_with_few_rows_the_largest_of_the_noise_is_its_quantile() -> None:
    few = [10.0, 20.0, 30.0]
    noise = (of_values(few), of_values([10.0, 20.0, 33.0]))
    assert judged(of_values(few), of_values([11.0, 22.0, 32.0]), noise).passed
    found = judged(of_values(few), of_values([10.5, 25.0, 32.0]), noise)
    assert [one.row for one in found.findings] == ["r1"]


def test_noise_within_the_tolerance_excuses_nothing() -> None:
    wanted = EXACT.within(dollars=1)
    noise = (side(), side([price + 0.5 for price in PRICES]))
    check = judged(side(), side([price + 1.5 for price in PRICES]), noise, wanted)
    assert len(check.findings) == 1000


def test_what_exceeds_the_noise_but_not_the_tolerance_is_no_finding() -> None:
    wanted = EXACT.within(dollars=3)
    assert judged(side(), side(apart(500, 2)), (side(), side(apart(1, 0.1))), wanted).passed


def test_a_place_that_comes_and_goes_in_the_noise_may_come_and_go() -> None:
    def hinted(first: int) -> AnswerTable:
        return of_values(
            [{"p": 1} | ({"hint": "x"} if first <= row < first + 30 else {}) for row in range(100)]
        )

    assert judged(hinted(0), hinted(40), (hinted(0), hinted(60))).passed
    assert kinds(judged(hinted(0), hinted(40), (hinted(0), hinted(0)))) == {(FindingKind.PATH, "$.hint"): 60}


def flaky(failing: range = range(0), refusing: range = range(0), lost: range = range(0)) -> AnswerTable:
    """Build a hundred answers of a side that fails, refuses or loses some."""

    def answer(row: int) -> SideAnswer:
        if row in failing:
            return SideAnswer(f"r{row}", "o", failure="timeout")
        if row in refusing:
            return SideAnswer(f"r{row}", "o", status=503, code="busy")
        return SideAnswer(f"r{row}", "o", status=200, value=1.0)

    return table(answer(row) for row in range(100) if row not in lost)


def test_codes_that_a_side_changes_by_itself_are_excused_at_that_rate_and_told() -> None:
    noise = (flaky(), flaky(refusing=range(10)))
    few = judged(flaky(), flaky(refusing=range(50, 62)), noise)
    assert few.passed
    assert few.facts["noise: refusal"].startswith("12 of 100 rows excused")
    assert kinds(judged(flaky(), flaky(refusing=range(50, 63)), noise)) == {(FindingKind.REFUSAL, ""): 13}


@pytest.mark.parametrize(("what", "kind"), [("failing", FindingKind.FAILURE), ("lost", FindingKind.MISSING)])
def test_a_row_without_an_answer_is_never_excused(what: str, kind: FindingKind) -> None:
    noise = (flaky(), flaky(**{what: range(10)}))
    assert kinds(judged(flaky(), flaky(**{what: range(50, 52)}), noise)) == {(kind, ""): 2}


def test_a_side_that_answers_nothing_at_all_cannot_be_compared() -> None:
    silent = flaky(failing=range(100))
    check = compare(silent, flaky(), EXACT, noise=(silent, silent))
    assert check.error.startswith("a answered not one of 100 questions (100 timeout)")
    assert compare(flaky(), silent, EXACT).error.startswith("b answered not one of 100 questions")


def test_one_number_far_beyond_the_noise_is_found_however_noisy_the_rest() -> None:
    noise = (side(jittered(1, 1000, 1e-6)), side(jittered(2, 1000, 1e-6)))
    some = [price * (100 if row < 3 else 1) for row, price in enumerate(jittered(3, 1000, 1e-6))]
    found = judged(noise[0], side(some), noise)
    assert {one.row for one in found.findings} == {"r0", "r1", "r2"}


def test_a_side_that_fails_by_itself_is_not_excused_from_refusing() -> None:
    noise = (flaky(), flaky(failing=range(50)))
    check = judged(flaky(), flaky(failing=range(50), refusing=range(50, 51)), noise)
    assert kinds(check) == {(FindingKind.FAILURE, ""): 50, (FindingKind.REFUSAL, ""): 1}


def test_a_noise_of_no_answers_cannot_be_run() -> None:
    nothing = table([])
    assert compare(side(), side(), EXACT, noise=(nothing, nothing)).error
