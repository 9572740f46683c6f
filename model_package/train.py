"""Train a recipe on a data set and save it, if it is good enough."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from model_package import artifact, card, profile, quality, recipes, schema
from model_package.artifact import Model
from model_package.dataset import Dataset, Split, month_of, split
from model_package.quality import Errors, Neighborhoods
from model_package.recipes import Dollars, Fitted, Recipe, Scorer

STAGES = ("split", "fit", "describe", "save")
Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Trained:
    """A fitted recipe, its data and its errors."""

    recipe: Recipe
    fitted: Fitted
    sales: Split
    seconds: float
    predictions: Dollars
    errors: Errors
    baseline: Errors
    known: Neighborhoods


def ignore_progress(stage: str, share: float) -> None:
    """Ignore progress."""


def train(
    recipe: str,
    data: Dataset,
    models: Path,
    seed: int,
    *,
    trained_at: datetime,
    progress: Progress = ignore_progress,
) -> Path:
    """Fit, judge on the later sales, save; returns the new version's directory.

    `progress(stage, share)` comes before each of STAGES with the share done, and ends with ("done", 1.0).
    Raises recipes.UnknownRecipe, dataset.InvalidDataset, or quality.BelowStandard with the figures.
    """
    chosen = recipes.get(recipe)
    progress("split", 0.0)
    sales = split(data)
    progress("fit", 0.05)
    trained = fit(chosen, sales, seed)
    progress("describe", 0.8)
    compose = _describe(trained, seed, trained_at)
    progress("save", 0.9)
    saved = artifact.save(models, chosen.name, chosen.name, compose, _round_trip(trained))
    progress("done", 1.0)
    return saved


def fit(recipe: Recipe, sales: Split, seed: int) -> Trained:
    """Fit on the earlier sales and judge on the later ones; raises quality.BelowStandard."""
    started = time.perf_counter()
    fitted = recipe.train(sales.train.rows, sales.train.prices, seed)
    seconds = time.perf_counter() - started
    rows, prices = sales.held_out.rows, sales.held_out.prices
    predictions = fitted.research(rows)
    quality.require_usable(predictions, len(rows))
    known = quality.neighborhoods(sales.train.rows, sales.train.prices)
    errors = quality.errors(predictions, prices)
    baseline = quality.errors(known.baseline(rows), prices)
    quality.require_better(errors, baseline)
    return Trained(recipe, fitted, sales, seconds, predictions, errors, baseline, known)


def importance(scorer: Scorer, data: Dataset, seed: int) -> dict[str, float]:
    """Measure how much RMSE of log price rises when one field is shuffled over the houses, largest first."""
    matrix, log_prices = schema.matrix(data.rows), np.log(data.prices)
    order = np.random.default_rng(seed).permutation(len(matrix))

    def rmse(houses: Dollars) -> float:
        return float(np.sqrt(np.mean((np.log(scorer(houses)) - log_prices) ** 2)))

    baseline = rmse(matrix)
    rises = {}
    for column, name in enumerate(schema.NAMES):
        shuffled = matrix.copy()
        shuffled[:, column] = matrix[order, column]
        rises[name] = rmse(shuffled) - baseline
    return dict(sorted(rises.items(), key=lambda field_and_rise: -field_and_rise[1]))


def _describe(trained: Trained, seed: int, trained_at: datetime) -> Callable[[str], dict[str, bytes]]:
    """Return a function from the version to the files of the artifact."""
    scorer = trained.recipe.load(trained.fitted.files)
    facts = _card(trained, seed, trained_at) | {
        "importance": importance(scorer, trained.sales.held_out, seed)
    }
    train_rows = trained.sales.train.rows
    held_out = (trained.predictions, trained.sales.held_out.prices)
    reference = profile.build(train_rows, trained.fitted.research(train_rows), held_out)

    def compose(version: str) -> dict[str, bytes]:
        named = {"name": trained.recipe.name, "version": version} | facts
        return {
            **trained.fitted.files,
            "card.json": json.dumps(named, indent=1).encode(),
            "card.md": card.markdown(named).encode(),
            "profile.json": json.dumps(reference, indent=1).encode(),
        }

    return compose


def _card(trained: Trained, seed: int, trained_at: datetime) -> dict[str, Any]:
    sales = trained.sales
    return {
        "recipe": trained.recipe.name,
        "purpose": trained.recipe.purpose,
        "intended_use": card.INTENDED_USE,
        "limits": list(card.LIMITS),
        "data": {
            "source": sales.train.source,
            "sha256": {"train": sales.train.digest, "held_out": sales.held_out.digest},
            "train": _span(sales.train),
            "held_out": _span(sales.held_out),
        },
        "errors": asdict(trained.errors),
        "baselines": {"neighbourhood median": asdict(trained.baseline)},
        "segments": quality.by_segment(
            sales.held_out.rows, trained.predictions, sales.held_out.prices, trained.known
        ),
        "neighborhood_groups": dict(trained.known.thirds),
        "parameters": dict(trained.fitted.parameters),
        "monotone": list(trained.fitted.monotone),
        "seed": seed,
        "trained_at": trained_at.isoformat(),
        "training_seconds": round(trained.seconds, 2),
        "versions": card.versions(trained.recipe.libraries),
        "schema_sha256": schema.digest(),
        "git_commit": card.git_commit(Path(__file__).parents[1]),
    }


def _span(data: Dataset) -> dict[str, object]:
    months = [f"{year}-{month:02d}" for year, month in map(month_of, data.rows)]
    return {"n": len(months), "from": min(months), "to": max(months)}


def _round_trip(trained: Trained) -> Callable[[Model], None]:
    """Return the last gate: the model as read back from disk has to answer as the pipeline did."""

    def check(model: Model) -> None:
        rows = trained.sales.held_out.rows
        answers = model.predict(rows)
        quality.require_usable(answers, len(rows))
        quality.require_equal(answers, trained.predictions)

    return check
