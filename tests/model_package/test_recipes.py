from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_package import artifact, recipes, schema, train
from model_package.artifact import Model
from model_package.dataset import Dataset, Split, read_csv, split
from model_package.recipes import booster_text
from model_package.recipes.booster_text import InvalidBooster
from model_package.schema import Field, Row
from model_package.synthetic import synthetic

REAL_LIMITS = {"linear": 0.130, "gbm": 0.123}


def extremes(field: Field) -> st.SearchStrategy[schema.Value]:
    """Values of a field, its ends and null above all."""
    if field.kind == "category":
        values: list[schema.Value] = list(field.categories)
    else:
        number = int if field.kind == "whole" else float
        low, high = number(field.minimum or 0), number(field.maximum or 0)
        values = [low, high, number((low + high) / 2)]
    return st.sampled_from([*values, None] if field.nullable else values)


EXTREME_HOUSES = st.fixed_dictionaries({field.name: extremes(field) for field in schema.FIELDS})


@pytest.fixture(scope="module", params=["linear", "gbm"])
def fitted(request: pytest.FixtureRequest, later_sales: Split) -> tuple[recipes.Scorer, recipes.Fitted]:
    recipe = recipes.get(request.param)
    result = recipe.train(later_sales.train.rows, later_sales.train.prices, 7)
    return recipe.load(result.files), result


def apart(one: recipes.Dollars, other: recipes.Dollars) -> float:
    return float(np.max(np.abs(one / other - 1)))


def test_the_scorer_equals_the_research_pipeline(
    fitted: tuple[recipes.Scorer, recipes.Fitted], sales: Dataset
) -> None:
    scorer, research = fitted
    assert apart(scorer(schema.matrix(sales.rows)), research.research(sales.rows)) <= 1e-9


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(EXTREME_HOUSES, min_size=1, max_size=5))
def test_the_scorer_equals_the_research_pipeline_at_the_ends_of_every_range(
    fitted: tuple[recipes.Scorer, recipes.Fitted], rows: list[Row]
) -> None:
    scorer, research = fitted
    assert apart(scorer(schema.matrix(rows)), research.research(rows)) <= 1e-9


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(EXTREME_HOUSES, min_size=1, max_size=5))
def test_every_valid_house_has_a_price(
    fitted: tuple[recipes.Scorer, recipes.Fitted], rows: list[Row]
) -> None:
    dollars = fitted[0](schema.matrix(rows))
    assert np.isfinite(dollars).all()
    assert (dollars > 0).all()


def test_a_house_costs_the_same_to_the_last_bit_in_any_company(model: Model, sales: Dataset) -> None:
    rows = list(sales.rows[:600])
    alone = np.array([model.predict([row])[0] for row in rows])
    assert np.array_equal(model.predict(rows), alone)
    turned = model.predict(rows[::-1])[::-1]
    assert np.array_equal(turned, alone)
    for size in (2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 100):
        for start in (0, 1, 333):
            assert np.array_equal(model.predict(rows[start : start + size]), alone[start : start + size])


def test_an_extreme_house_moves_no_other_answer(model: Model, sales: Dataset) -> None:
    rows = list(sales.rows[:50])
    extreme: Row = {f.name: None if f.nullable else f.maximum or f.categories[0] for f in schema.FIELDS}
    among = [house for row in rows for house in (row, extreme)]
    assert np.array_equal(model.predict(among)[::2], model.predict(rows))


def test_the_order_of_keys_changes_nothing(model: Model, sales: Dataset) -> None:
    rows = sales.rows[:20]
    turned = [dict(reversed(row.items())) for row in rows]
    assert np.array_equal(model.predict(turned), model.predict(rows))


def test_no_house_has_no_price(model: Model) -> None:
    assert model.predict([]).shape == (0,)


def test_a_saved_model_answers_as_the_pipeline_it_came_from(model: Model, later_sales: Split) -> None:
    again = recipes.get(model.name).train(later_sales.train.rows, later_sales.train.prices, 7)
    rows = later_sales.held_out.rows
    assert apart(model.predict(rows), again.research(rows)) <= 1e-9


@pytest.mark.parametrize("name", ["linear", "gbm"])
def test_training_twice_with_one_seed_gives_the_same_files(name: str, later_sales: Split) -> None:
    rows, prices = later_sales.train.rows, later_sales.train.prices
    first, second = (recipes.get(name).train(rows, prices, 7).files for _ in range(2))
    assert first == second


@pytest.mark.parametrize("name", ["linear", "gbm"])
def test_the_real_sales_are_predicted_as_well_as_promised(name: str, ames_csv: Path) -> None:
    sales = split(read_csv(ames_csv))
    assert sales.held_out_from == (2009, 1)
    trained = train.fit(recipes.get(name), sales, seed=7)
    assert trained.errors.rmse_log <= REAL_LIMITS[name]
    assert trained.baseline.rmse_log == pytest.approx(0.270, abs=0.001)
    scorer = recipes.get(name).load(trained.fitted.files)
    rows = (*sales.train.rows, *sales.held_out.rows)
    assert apart(scorer(schema.matrix(rows)), trained.fitted.research(rows)) <= 1e-9


@pytest.mark.parametrize(("name", "rmse", "mae"), [("linear", 0.117, 0.0804), ("gbm", 0.118, 0.0802)])
def test_the_errors_that_the_data_page_states_are_those_of_the_default_seed(
    name: str, rmse: float, mae: float, ames_csv: Path
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    errors = train.fit(recipes.get(name), split(read_csv(ames_csv)), seed=20_061).errors
    assert errors.rmse_log == pytest.approx(rmse, abs=0.0006)
    assert errors.mae_log == pytest.approx(mae, abs=0.00006)
    assert f"RMSE {rmse}" in page
    assert f"| {mae}" in page


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_on_synthetic_houses_gbm_beats_linear_and_both_the_neighbourhood(seed: int) -> None:
    sales = split(synthetic(8000, seed))
    linear, gbm = (train.fit(recipes.get(name), sales, seed) for name in ("linear", "gbm"))
    assert gbm.errors.rmse_log < 0.99 * linear.errors.rmse_log
    assert gbm.errors.mae_log < 0.99 * linear.errors.mae_log
    assert linear.errors.rmse_log < 0.6 * linear.baseline.rmse_log


@pytest.mark.parametrize("name", ["linear", "gbm"])
def test_serving_needs_no_training_library(trained: Path, name: str) -> None:
    script = (
        "import sys; from pathlib import Path; from model_package import artifact, schema\n"
        f"model = artifact.load(Path({str(trained / name / '1')!r}))\n"
        "assert model.predict([schema.EXAMPLE])[0] > 0\n"
        "print(sorted({'lightgbm', 'sklearn', 'pandas', 'scipy'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_gbm_prices_houses_as_the_python_package_of_lightgbm_does(trained: Path, sales: Dataset) -> None:
    text = (trained / "gbm" / "1" / "model.txt").read_text(encoding="utf-8")
    rows = schema.matrix(sales.rows[:500])
    theirs = np.exp(lightgbm.Booster(model_str=text).predict(rows, num_threads=1))
    ours = artifact.load(trained / "gbm" / "1").predict(sales.rows[:500])
    assert ours.tolist() == theirs.tolist()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda model: model["numbers"].pop("lot_area"),
        lambda model: model["numbers"].update(lot_area="1"),
        lambda model: model["numbers"].update(lot_area=float("nan")),
        lambda model: model["categories"]["zoning"].pop(),
        lambda model: model["categories"].pop("zoning"),
        lambda model: model.update(intercept=[1.0]),
        lambda model: model.update(intercept=10**400),
    ],
)
def test_weights_that_are_not_those_of_the_schema_are_refused(
    trained: Path, spoil: Callable[[dict[str, Any]], object]
) -> None:
    files = {file.name: file.read_bytes() for file in (trained / "linear" / "1").iterdir()}
    model = json.loads(files["model.json"])
    spoil(model)
    with pytest.raises((ValueError, KeyError, OverflowError)):
        recipes.get("linear").load({**files, "model.json": json.dumps(model).encode()})


SPOILED_BOOSTERS = [
    (rb"left_child=\S+", b"left_child=77", "children that make no tree"),
    (rb"right_child=\S+", b"right_child=-77", "children that make no tree"),
    (rb"left_child=\S+", b"left_child=0", "children that make no tree"),
    (rb"split_feature=\S+", b"split_feature=40", "a split by an unknown field"),
    (rb"decision_type=\S+", b"decision_type=1", "a split by an unknown set of categories"),
    (rb"decision_type=\S+", b"decision_type=99", "an unknown type of decision"),
    (rb"cat_boundaries=0 1", b"cat_boundaries=0 0", "sets of categories that overlap"),
    (rb"cat_threshold=\S+", b"cat_threshold=-1", "beyond 32 bits"),
    (rb"num_leaves=8", b"num_leaves=9", "is not made of 9 numbers"),
    (rb"leaf_value=\S+", b"leaf_value=x", "is not made of 8 numbers"),
    (rb"leaf_value=", b"leaf_value=1 ", "is not made of 8 numbers"),
    (rb"is_linear=0", b"is_linear=1", "of no known kind"),
    (rb"\nthreshold=.*", b"", "has not the lines of a tree"),
    (rb"(\nshrinkage=.*)", rb"\1\1", "comes twice"),
    (rb"tree_sizes=\d", b"tree_sizes=9", "comes twice"),
    (rb"tree_sizes=.*", b"tree_sizes=", "not of the sizes"),
    (rb"objective=huber", b"objective=", "objective"),
    (rb"max_feature_idx=39", b"max_feature_idx=-1", "max_feature_idx"),
    (rb"feature_names=zoning", b"feature_names=zone", "feature_names"),
    (rb"Tree=3", b"Tree=3\0", "NUL"),
]


@pytest.mark.parametrize(("pattern", "replacement", "why"), SPOILED_BOOSTERS)
def test_a_booster_that_lightgbm_would_not_survive_is_refused_before_it_reads_it(
    trained: Path, pattern: bytes, replacement: bytes, why: str
) -> None:
    text = (trained / "gbm" / "1" / "model.txt").read_bytes()
    booster_text.check(text, schema.NAMES)
    spoiled = re.sub(pattern, replacement, text, count=1)
    if b"tree_sizes" not in pattern:
        spoiled = of_right_sizes(spoiled)
    with pytest.raises(InvalidBooster, match=why):
        booster_text.check(spoiled, schema.NAMES)


def of_right_sizes(text: bytes) -> bytes:
    sizes = [len(piece) for piece in re.split(rb"(?=\bTree=)|(?=end of trees)", text)[1:-1]]
    return re.sub(rb"tree_sizes=.*", b"tree_sizes=" + " ".join(map(str, sizes)).encode(), text, count=1)


def test_an_unknown_recipe_says_which_are_known_and_how_to_add_one() -> None:
    with pytest.raises(recipes.UnknownRecipe, match=r"no recipe 'forest'.*gbm.*linear.*UMBRA_RECIPE_MODULES"):
        recipes.get("forest")


def test_the_recipe_in_the_documentation_works_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sales: Dataset
) -> None:
    text = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    (tmp_path / "recipe_of_my_own.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    recipes.register(["recipe_of_my_own"])
    recipes.register(["recipe_of_my_own"])
    assert "per-foot" in recipes.names()
    saved = train.train(
        "per-foot", sales, tmp_path / "models", 7, trained_at=datetime(2026, 11, 1, tzinfo=UTC)
    )
    model = artifact.load(saved)
    rate = model.card["parameters"]["dollars_per_square_foot"]
    assert model.predict([schema.EXAMPLE]).tolist() == [rate * 1350.0]


def test_a_recipe_module_that_is_not_there_is_named() -> None:
    with pytest.raises(recipes.UnknownRecipe, match="'no_such_module_of_recipes', which cannot be imported"):
        recipes.register(["no_such_module_of_recipes"])


def test_a_second_recipe_of_one_name_is_refused() -> None:
    linear = recipes.get("linear")
    recipes.add(linear)
    with pytest.raises(recipes.DuplicateRecipe, match="'linear' is known already"):
        recipes.add(recipes.Recipe("linear", "another", linear.train, linear.load))
