"""What is there before the first answer: the newest models that can be trusted, and no others."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from model_package import artifact, recipes, synthetic
from model_package.quality import BelowStandard
from model_package.reference import ModelRef
from shadow.settings import Settings
from shadow.store import Store
from umbra import bootstrap as preparing
from umbra.command import main

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ENOUGH, FEW = (800, 200), (21, 8)


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty models directory."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    recipes.register(["faulty_recipe"])
    return tmp_path / "models"


def save(models: Path, name: str, sales: tuple[int, int] | None) -> Path:
    """The next version; its card says how many sales it learned from and was judged on, or nothing."""
    said = {} if sales is None else {"data": {"train": {"n": sales[0]}, "held_out": {"n": sales[1]}}}
    files = {"card.json": json.dumps(said).encode(), "profile.json": b"{}"}
    return artifact.save(models, name, "faulty", lambda _: files, lambda _: None)


def never_train(recipe: str) -> Path:
    raise AssertionError(f"{recipe} is there already")


@pytest.mark.parametrize(
    ("saved", "chosen"),
    [([ENOUGH, ENOUGH], "2"), ([ENOUGH, FEW, FEW], "1"), ([FEW, ENOUGH, FEW], "2"), ([ENOUGH, None], "2")],
)
def test_the_newest_model_of_enough_sales_is_taken(
    models: Path, saved: list[tuple[int, int] | None], chosen: str
) -> None:
    for sales in saved:
        save(models, "linear", sales)
    assert preparing.newest_or_trained(models, "linear", never_train) == ModelRef("linear", chosen)


def test_where_there_are_only_models_of_few_sales_another_is_trained(models: Path) -> None:
    save(models, "linear", FEW)
    found = preparing.newest_or_trained(models, "linear", lambda name: save(models, name, ENOUGH))
    assert found == ModelRef("linear", "2")


def test_a_model_that_is_trained_on_few_sales_now_does_not_go_live(
    models: Path, store: Store, settings: Callable[..., Settings]
) -> None:
    made = settings(models_dir=models, store_url=store.url)
    made.data_dir.mkdir()
    with pytest.raises(BelowStandard, match=r"linear@1 was trained on 21 sales.*--data"):
        preparing.prepare(made, store, lambda name: save(models, name, FEW), "somebody", NOW)
    assert store.deployment() is None
    assert store.candidates() == []


def test_training_on_few_sales_warns_and_the_list_of_models_does(models: Path, tmp_path: Path) -> None:
    sales = synthetic.synthetic(60, seed=3)
    lines = [",".join([*sales.rows[0], "sale_price"])]
    for row, price in zip(sales.rows, sales.prices, strict=True):
        lines.append(",".join("" if value is None else str(value) for value in (*row.values(), price)))
    (tmp_path / "sales.csv").write_text("\n".join(lines), encoding="utf-8")
    environment = {
        "UMBRA_DATA_DIR": str(tmp_path / "data"),
        "UMBRA_MODELS_DIR": str(models),
        "COLUMNS": "200",
    }
    trained = CliRunner().invoke(
        main, ["train", "linear", "--data", str(tmp_path / "sales.csv")], env=environment
    )
    assert trained.exit_code == 0, trained.output
    assert "WARNING: linear@1 was trained on" in trained.stderr
    assert "too few to trust its error" in CliRunner().invoke(main, ["models"], env=environment).stdout
    (listed,) = json.loads(CliRunner().invoke(main, ["models", "--json"], env=environment).stdout)
    assert "expected at least 200 and 100" in listed["warning"]
