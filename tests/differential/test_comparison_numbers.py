"""Numbers: how far apart they may be, how their differences are summarised, and what is shown of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from differential_tests.comparison import compare
from differential_tests.comparison.table import AnswerTable, table
from differential_tests.findings import FindingKind
from differential_tests.run_file import SideAnswer
from differential_tests.settings import tolerances

EXACT = tolerances.parse("")


def of_values(*values: Any) -> AnswerTable:
    return table(SideAnswer(f"r{row}", "o", status=200, value=value) for row, value in enumerate(values))


def found(
    a: AnswerTable, b: AnswerTable, wanted: tolerances.Tolerances
) -> list[tuple[FindingKind, str, str]]:
    return [(one.kind, one.row, one.path) for one in compare(a, b, wanted).findings]


@pytest.mark.parametrize(
    ("a", "b", "dollars", "percent", "differs"),
    [
        (100.0, 100.5, 0.5, 0, False),
        (100.0, 100.5, 0.49, 0, True),
        (100.0, 125.0, 0, 20, False),  # of the larger one
        (125.0, 100.0, 0, 20, False),
        (100.0, 125.0, 0, 19.9, True),
        (100.0, 125.0, 12.5, 10, False),  # both together
        (0.0, 0.0, 0, 0, False),
        (0.0, 1e-300, 0, 99, True),
        (0.0, 5.0, 5, 0, False),
        (-0.0, 0.0, 0, 0, False),
        (1.7e308, -1.7e308, 0, 199, True),  # too far apart for a float
        (math.inf, math.inf, 0, 0, False),
        (math.nan, math.nan, 0, 0, False),
        (math.inf, 1.0, 1e300, 100, True),
        (math.nan, 1.0, 1e300, 100, True),
        (0.4, -0.4, 1, 0, True),  # another sign is no rounding
        (2**60, 2**60 + 1, 0.9, 0, True),
        (2**60, 2**60 + 1, 1, 0, False),
        (2**60, float(2**60), 0, 0, False),
        (10**400, 10**400 + 1, 0.9, 0, True),
        (1, 1.0, 0, 0, False),
    ],
)
def test_numbers_may_be_apart_by_the_tolerance_and_no_further(
    a: float, b: float, dollars: float, percent: float, differs: bool
) -> None:
    wanted = EXACT.within(dollars=dollars, percent=percent)
    assert bool(found(of_values(a), of_values(b), wanted)) == differs
    assert bool(found(of_values(b), of_values(a), wanted)) == differs


def test_what_is_too_far_apart_for_a_float_is_200_percent_of_the_larger_one() -> None:
    (finding,) = compare(of_values(1.7e308), of_values(-1.7e308), EXACT).findings
    assert (finding.difference, finding.percent) == (-math.inf, 200.0)


def test_the_largest_difference_is_that_in_percent() -> None:
    a, b = of_values(1e6, 10.0, 1e3), of_values(1.1e6, 20.0, 1.1e3)
    assert [row for _, row, _ in found(a, b, EXACT)] == ["r1", "r0", "r2"]


def test_a_tolerance_of_one_path_holds_there_only() -> None:
    wanted = tolerances.parse('[tolerance.paths."$.rough"]\npercent = 50')
    a, b = of_values({"rough": 10, "fine": 10}), of_values({"rough": 11, "fine": 11})
    assert found(a, b, wanted) == [(FindingKind.NUMBER, "r0", "$.fine")]


def test_every_difference_counts_in_the_spread_also_those_within_the_tolerance() -> None:
    random = np.random.default_rng(7)
    before = random.uniform(1e5, 9e5, 997)
    after = before * (1 + np.where(random.random(997) < 0.7, random.normal(0, 0.01, 997), 0))
    names = [f"s{row % 3}" if row % 10 else "" for row in range(997)]

    def side(prices: Any) -> AnswerTable:
        return table(
            SideAnswer(f"r{row}", "o", names[row], 200, value={"p": price})
            for row, price in enumerate(prices.tolist())
        )

    check = compare(side(before), side(after), EXACT.within(percent=1))
    sizes, larger = np.abs(after - before), np.maximum(before, after)
    spreads = {spread.segment: spread for spread in check.spreads}
    assert list(spreads) == ["", "s0", "s1", "s2"]
    for segment, spread in spreads.items():
        chosen = np.array([not segment or name == segment for name in names])
        shares = [0.5, 0.9, 0.99, 1.0]
        assert spread.compared == chosen.sum()
        assert spread.differing == (sizes[chosen] > 0).sum()
        assert spread.beyond == (sizes > 0.01 * larger)[chosen].sum()
        assert spread.quantiles == tuple(np.quantile(sizes[chosen], shares, method="inverted_cdf"))
        percents = 100 * (sizes / larger)[chosen]
        assert spread.percents == pytest.approx(np.quantile(percents, shares, method="inverted_cdf"))
    assert len(check.findings) == spreads[""].beyond


def test_the_sample_for_plots_has_the_worst_rows_and_is_bounded() -> None:
    before = [1000.0 + row for row in range(5000)]
    after = [price * 2 if row % 250 == 17 else price for row, price in enumerate(before)]
    check = compare(of_values(*before), of_values(*after), EXACT)
    assert check.pairs is not None
    assert check.pairs.path == "$"
    assert {f"r{row}" for row in range(17, 5000, 250)} <= set(check.pairs.rows)
    assert 1000 < len(check.pairs.rows) == len(check.pairs.a) == len(check.pairs.b) <= 2000
    sampled = dict(zip(check.pairs.rows, zip(check.pairs.a, check.pairs.b, strict=True), strict=True))
    assert sampled["r17"] == (1017.0, 2034.0)


def test_the_sample_is_of_the_place_where_most_is_beyond_the_tolerance() -> None:
    a, b = of_values({"x": 1, "y": 1}, {"x": 1, "y": 1}), of_values({"x": 1, "y": 2}, {"x": 1, "y": 1})
    pairs = compare(a, b, EXACT).pairs
    assert pairs is not None
    assert (pairs.path, pairs.rows) == ("$.y", ("r0", "r1"))


def test_the_check_says_by_which_terms_and_over_how_much_it_was_made() -> None:
    wanted = tolerances.parse(
        'ignore = ["$.id"]\n[tolerance]\npercent = 2\n[tolerance.paths."$.x"]\ndollars = 3'
    )
    facts = compare(of_values({"p": 1, "x": 1}), of_values({"p": 1, "x": 1}), wanted).facts
    assert facts == {
        "compared": "2 places of 1 rows",
        "tolerance": "0 dollars + 2 %",
        "tolerance of $.x": "3 dollars + 0 %",
        "ignored": "$.id",
    }
