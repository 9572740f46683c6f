"""D1: the fitted research pipeline against the package, with the same data and seed.

The two share code: `model_package.recipes.linear_features.LOGGED` (which sizes are logged),
`features.encoder` (the form of what was learned), `recipes.frame` and `schema` (fields and codes). A fault
there changes both and is not seen here; D3 sees it, for the golden answers were given by the code before it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from differential_tests.comparison import compare
from differential_tests.comparison.table import AnswerTable, table
from differential_tests.findings import Check, Level
from differential_tests.levels.prices import add_price_gaps
from differential_tests.questions import Question
from differential_tests.recording.strategies import answer_table
from differential_tests.run_file import SideAnswer
from differential_tests.settings.tolerances import Tolerances
from differential_tests.sides import Side
from model_package import artifact, recipes
from model_package.dataset import Split
from model_package.recipes import Fitted
from model_package.schema import Row

PERCENT = 1e-7
"""Of the price, on one machine: a relative 1e-9."""

Research = Callable[[Sequence[Row]], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Refitted:
    """A refitted recipe: its pipeline and the artifact saved from it."""

    recipe: str
    fitted: Fitted
    directory: Path


def research(
    pipeline: Research,
    package: Side,
    houses: Sequence[Question],
    tolerances: Tolerances,
    *,
    name: str,
    dataset: str = "",
) -> Check:
    """Compare the predictions of the fitted pipeline with the answers of the package."""
    researched, packaged = _table(pipeline, houses), answer_table(package, houses, tolerances)
    check = compare(
        researched, packaged, tolerances.within(percent=PERCENT), level=Level.D1, name=name, dataset=dataset
    )
    return add_price_gaps(check, researched, packaged, tolerances)


def refit(recipe: str, sales: Split, seed: int, models: Path) -> Refitted:
    """Train and save without the gates of `umbra train`, so that what differs is seen row by row."""
    fitted = recipes.get(recipe).train(sales.train.rows, sales.train.prices, seed)
    card = {
        "monotone": list(fitted.monotone),
        "seed": seed,
        "data": {"sha256": {"train": sales.train.digest}},
    }
    files = {**fitted.files, "card.json": json.dumps(card).encode(), "profile.json": b"{}"}
    return Refitted(recipe, fitted, artifact.save(models, recipe, recipe, lambda _: files, lambda _: None))


def is_trained_on(card: Mapping[str, Any], sales: Split, seed: int) -> bool:
    """Return whether the artifact with this card was trained on these data with this seed."""
    data = card.get("data")
    return (
        card.get("seed") == seed and isinstance(data, dict) and data["sha256"]["train"] == sales.train.digest
    )


def _table(pipeline: Research, houses: Sequence[Question]) -> AnswerTable:
    prices = pipeline([dict(house.row or {}) for house in houses]).tolist()
    return table(
        SideAnswer(house.id, house.kind, house.segment, 200, value={"price_dollars": price})
        for house, price in zip(houses, prices, strict=True)
    )
