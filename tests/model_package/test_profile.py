from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_package import profile, schema
from model_package.artifact import Model
from model_package.dataset import Split
from model_package.schema import EXAMPLE

ANY_NUMBER = (
    st.none() | st.sampled_from([math.nan, math.inf, -math.inf]) | st.floats(-1e99, 1e99) | st.integers(-5, 5)
)


def counted(described: dict[str, Any]) -> int:
    if described["kind"] == "categorical":
        return sum(described["counts"].values())
    assert sum(described["counts"]) == sum(described["fine_counts"])
    return sum(described["counts"]) + described["missing"] + described["nonfinite"]


@given(
    st.lists(ANY_NUMBER | st.text(max_size=2), max_size=60) | st.lists(ANY_NUMBER, min_size=30, max_size=200)
)
def test_counts_always_add_up_to_n(values: list[schema.Value]) -> None:
    described = profile.describe(values)
    assert described["n"] == len(values)
    assert counted(described) == len(values)


def test_a_number_of_many_values_has_twenty_even_bins_and_a_hundred_fine_ones() -> None:
    described = profile.describe(np.arange(1000.0).tolist())
    assert described["kind"] == "numeric"
    assert len(described["edges"]) == 19
    assert described["counts"] == [50] * 20
    assert len(described["fine_edges"]) == 99
    assert described["fine_counts"] == [10] * 100
    assert (described["min"], described["max"], described["mean"]) == (0, 999, 499.5)
    assert described["sd"] == pytest.approx(np.arange(1000).std(ddof=1))
    assert (described["missing"], described["nonfinite"], described["out_of_range"]) == (0, 0, 0)


def test_equal_edges_are_kept_once() -> None:
    described = profile.describe([0.0] * 900 + np.arange(1.0, 101.0).tolist())
    assert len(set(described["edges"])) == len(described["edges"]) < 19
    assert len(described["counts"]) == len(described["edges"]) + 1


def test_missing_and_nonfinite_are_bins_of_their_own() -> None:
    described = profile.describe([*np.arange(100.0).tolist(), None, None, math.nan, math.inf, -math.inf])
    assert (described["n"], described["missing"], described["nonfinite"]) == (105, 2, 3)


def test_without_a_finite_value_there_are_no_quantiles_to_take() -> None:
    described = profile.describe([math.nan, float("nan"), math.inf, None] * 30)
    assert described["kind"] == "categorical"
    assert counted(described) == 120


def test_few_values_are_categories_and_2_is_2_0() -> None:
    described = profile.describe([1, 2, 2.0, None])
    assert described["kind"] == "categorical"
    named = {profile.OTHER: 0, profile.MISSING: 1, profile.UNSEEN: 0}
    assert described["counts"] == {"1": 1, "2": 2} | named


def test_beyond_fifty_codes_the_rest_is_other() -> None:
    described = profile.describe([f"code {i}" for i in range(60) for _ in range(60 - i)])
    assert len(described["counts"]) == 50 + 3
    assert described["counts"][profile.OTHER] == sum(range(1, 11))


def test_years_are_profiled_as_ages() -> None:
    columns = profile.columns([EXAMPLE, EXAMPLE | {"garage_year_built": None}])
    assert columns["age"] == [2010 - 1968] * 2
    assert columns["remodel_age"] == [2010 - 1998] * 2
    assert columns["garage_age"] == [2010 - 1968, None]
    assert not {"year_built", "year_remodeled", "garage_year_built", "year_sold"} & set(columns)
    assert "month_sold" in columns


def test_the_profile_in_an_artifact_is_that_of_its_training_sales(model: Model, later_sales: Split) -> None:
    train, held_out = later_sales.train, later_sales.held_out
    expected = profile.build(
        train.rows, model.predict(train.rows), (model.predict(held_out.rows), held_out.prices)
    )
    stored = model.profile
    assert stored["fields"] == expected["fields"]
    assert stored["n"] == len(train.rows)
    for part, n in (
        ("prediction", len(train.rows)),
        ("loss", len(held_out.rows)),
        ("log_error", len(held_out.rows)),
    ):
        assert counted(stored[part]) == n
        assert stored[part]["edges"] == pytest.approx(expected[part]["edges"])
    assert stored["loss"]["max"] <= 0.5
    for described in stored["fields"].values():
        assert counted(described) == stored["n"]


def test_a_profile_of_the_same_rows_read_from_requests_is_the_same(later_sales: Split) -> None:
    rows = later_sales.train.rows[:300]
    lines = [",".join("" if value is None else str(value) for value in row.values()) for row in rows]
    body = "\n".join([",".join(schema.NAMES), *lines]).encode()
    replayed = schema.parse_csv(body, 300).rows
    described = [{n: profile.describe(c) for n, c in profile.columns(r).items()} for r in (rows, replayed)]
    assert described[0] == described[1]
