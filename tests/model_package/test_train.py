from __future__ import annotations

import json
import platform
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_package import artifact, card, quality, recipes, schema, train
from model_package.artifact import Model
from model_package.dataset import Dataset, Split
from model_package.recipes import Fitted, Recipe, Scorer
from model_package.schema import Row

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def flat(name: str, research: Callable[[Sequence[Row]], np.ndarray], scorer: Scorer | None = None) -> str:
    """Add a recipe that learns nothing: answers by `research`, and once saved by `scorer`."""
    scored = scorer or (lambda matrix: research([schema.EXAMPLE] * len(matrix)))
    recipes.add(Recipe(name, "a test", lambda *_: Fitted({}, research), lambda _: scored))
    return name


def ames_like(rows: Sequence[Row]) -> np.ndarray:
    """A price that beats the neighbourhood's median, from size and quality alone."""
    matrix = schema.matrix(rows)
    area, quality_grade = (matrix[:, schema.NAMES.index(n)] for n in ("living_area", "overall_quality"))
    dollars: np.ndarray = np.exp(11.9 + 0.5 * np.log(area / 1450) + 0.14 * (quality_grade - 6))
    return dollars


def test_progress_goes_through_every_stage_once(sales: Dataset, tmp_path: Path) -> None:
    told: list[tuple[str, float]] = []
    train.train("linear", sales, tmp_path, 7, trained_at=NOW, progress=lambda *step: told.append(step))
    assert [stage for stage, _ in told] == [*train.STAGES, "done"]
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)


def test_the_card_says_what_the_model_learned_from(model: Model, sales: Dataset, later_sales: Split) -> None:
    assert model.card["data"]["source"] == sales.source
    assert "no house of them is real" in model.card["data"]["source"]
    assert model.card["data"]["sha256"]["train"] == later_sales.train.digest
    assert model.card["data"]["train"] == {
        "n": len(later_sales.train.rows),
        "from": "2006-01",
        "to": "2008-12",
    }
    assert model.card["data"]["held_out"]["from"] == "2009-01"


def test_the_card_says_how_it_was_made(model: Model) -> None:
    assert (model.card["name"], model.card["version"], model.card["recipe"]) == (model.name, "1", model.name)
    assert model.card["seed"] == 7
    assert model.card["trained_at"] == "2026-11-01T12:00:00+00:00"
    assert model.card["training_seconds"] >= 0
    assert model.card["versions"]["python"] == platform.python_version()
    assert model.card["versions"]["numpy"] == version("numpy")
    assert model.card["schema_sha256"] == schema.digest()
    assert model.card["parameters"]["target"] == "log price"


def test_the_errors_on_the_card_are_those_of_the_saved_model(model: Model, later_sales: Split) -> None:
    rows, prices = later_sales.held_out.rows, later_sales.held_out.prices
    errors = quality.errors(model.predict(rows), prices)
    assert model.card["errors"]["rmse_log"] == pytest.approx(errors.rmse_log)
    assert model.card["errors"]["mae_dollars"] == pytest.approx(errors.mae_dollars)
    assert model.card["errors"]["rmse_log"] < model.card["baselines"]["neighbourhood median"]["rmse_log"]
    for segments in model.card["segments"].values():
        assert sum(errors["n"] for errors in segments.values()) == len(rows)


def test_the_card_ranks_fields_by_what_rests_on_them(model: Model) -> None:
    importance = model.card["importance"]
    assert set(importance) == set(schema.NAMES)
    assert list(importance.values()) == sorted(importance.values(), reverse=True)
    assert {"living_area", "overall_quality"} <= set(list(importance)[:5])


def test_the_page_holds_the_figures_of_the_card(trained: Path) -> None:
    for name in ("linear", "gbm"):
        directory = trained / name / "1"
        page = (directory / "card.md").read_text()
        content = json.loads((directory / "card.json").read_text())
        assert page == card.markdown(content)
        assert f"**Trained on {content['data']['source']}**" in page
        assert f"| this model | {content['errors']['n']} | {content['errors']['rmse_log']:.4f} |" in page
        for kind, segments in content["segments"].items():
            assert f"### By {kind.replace('_', ' ')}" in page
            assert all(f"| {segment} |" in page for segment in segments)


@pytest.mark.parametrize(
    ("trained", "held_out", "is_enough"),
    [(200, 100, True), (199, 100, False), (200, 99, False), (21, 8, False)],
)
def test_an_error_is_trusted_only_from_enough_sales_on(
    trained: int, held_out: int, *, is_enough: bool
) -> None:
    said = {"data": {"train": {"n": trained}, "held_out": {"n": held_out}}}
    few = card.small_sample_warning(said)
    assert (few is None) is is_enough
    if few is not None:
        assert f"trained on {trained} sales and judged on {held_out}" in few
        assert "expected at least 200 and 100" in few


@pytest.mark.parametrize("said", [{}, {"data": None}, {"data": {"train": {"n": "many"}}}])
def test_a_card_that_does_not_say_how_many_sales_there_were_is_no_reason_to_warn(
    said: dict[str, Any],
) -> None:
    assert card.small_sample_warning(said) is None


def test_the_card_of_a_model_of_few_sales_says_so_at_its_top(sales: Dataset, tmp_path: Path) -> None:
    few = sales.only(np.arange(len(sales.rows)) % 60 == 0)
    saved = train.train("linear", few, tmp_path, 1, trained_at=NOW)
    page = (saved / "card.md").read_text(encoding="utf-8")
    assert "**Too few sales.**" in page.split("## Intended use")[0]
    assert card.read_small_sample_warning(saved) is not None


def test_the_card_of_a_model_of_enough_sales_does_not(trained: Path) -> None:
    assert "Too few" not in (trained / "linear" / "1" / "card.md").read_text(encoding="utf-8")
    assert card.read_small_sample_warning(trained / "linear" / "1") is None


def test_a_model_no_better_than_the_neighbourhood_is_not_saved(sales: Dataset, tmp_path: Path) -> None:
    recipe = flat("always-the-same", lambda rows: np.full(len(rows), 150_000.0))
    with pytest.raises(quality.BelowStandard, match="the model was not saved"):
        train.train(recipe, sales, tmp_path, 1, trained_at=NOW)
    assert artifact.listing(tmp_path) == []


def test_a_model_that_answers_nonsense_is_not_saved(sales: Dataset, tmp_path: Path) -> None:
    recipe = flat("always-nan", lambda rows: np.full(len(rows), np.nan))
    with pytest.raises(quality.BelowStandard, match="not dollars above 0"):
        train.train(recipe, sales, tmp_path, 1, trained_at=NOW)
    assert artifact.listing(tmp_path) == []


def test_a_model_that_comes_back_different_is_not_saved(sales: Dataset, tmp_path: Path) -> None:
    recipe = flat("forgetful", ames_like, lambda matrix: np.full(len(matrix), 150_000.0))
    with pytest.raises(quality.BelowStandard, match="differs from its research pipeline"):
        train.train(recipe, sales, tmp_path, 1, trained_at=NOW)
    assert list((tmp_path / "forgetful").iterdir()) == []


def test_an_unknown_recipe_is_refused_before_any_work(sales: Dataset, tmp_path: Path) -> None:
    with pytest.raises(recipes.UnknownRecipe):
        train.train("forest", sales, tmp_path, 1, trained_at=NOW)


def test_a_checkout_tells_its_commit(tmp_path: Path) -> None:
    assert card.git_commit(tmp_path) is None
    git = tmp_path / ".git"
    git.mkdir()
    (git / "HEAD").write_text("abc\n")
    assert card.git_commit(tmp_path) == "abc"
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    assert card.git_commit(tmp_path) is None
    (git / "packed-refs").write_text("# pack-refs\ndef refs/heads/main\n")
    assert card.git_commit(tmp_path) == "def"
    (git / "refs" / "heads").mkdir(parents=True)
    (git / "refs" / "heads" / "main").write_text("fed\n")
    assert card.git_commit(tmp_path) == "fed"
