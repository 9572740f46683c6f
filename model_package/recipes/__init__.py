"""The registry of recipes: how a kind of model is trained, and how a trained one predicts.

A module of yours adds a recipe by calling `add` when it is imported; name the module in
UMBRA_RECIPE_MODULES and every process of Umbra knows it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_package.schema import Row

Dollars = NDArray[np.float64]
# From the schema's matrix, shape (n, len(FIELDS)), to dollars, shape (n,); row i of the answer depends on
# row i of the matrix alone, to the last bit.
Scorer = Callable[[NDArray[np.float64]], Dollars]


class UnknownRecipe(ValueError):
    """A recipe nobody added."""

    safe_to_log = True


class DuplicateRecipe(ValueError):
    """Two recipes of one name."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """The result of training. `files` are the data files of the artifact, by name, that `Recipe.load` reads.

    `research` is the pipeline as it was fitted, from rows to dollars: the scorer must agree with it.
    `monotone` names the fields of which more never means a lower answer, whatever the rest of the house.
    """

    files: Mapping[str, bytes]
    research: Callable[[Sequence[Row]], Dollars]
    parameters: Mapping[str, object] = field(default_factory=dict)
    monotone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recipe:
    """`train(rows, prices_dollars, seed)` fits; `load(files)` makes the fast scorer of what was fitted."""

    name: str
    purpose: str
    train: Callable[[Sequence[Row], Dollars, int], Fitted]
    load: Callable[[Mapping[str, bytes]], Scorer]
    libraries: tuple[str, ...] = ()


def _deferred(module: str, function: str) -> Callable[..., Any]:
    """Return a function that imports its module when called: serving needs no training library."""

    def call(*arguments: Any) -> Any:
        return getattr(importlib.import_module(module), function)(*arguments)

    return call


_recipes: dict[str, Recipe] = {}


def add(recipe: Recipe) -> None:
    """Make a recipe known; another one of the same name raises DuplicateRecipe."""
    known = _recipes.setdefault(recipe.name, recipe)
    if known is not recipe:
        raise DuplicateRecipe(
            f"recipe {recipe.name!r} is known already ({known.purpose}): choose another name"
        )


def get(name: str) -> Recipe:
    """Return the recipe of that name; raises UnknownRecipe."""
    if name not in _recipes:
        raise UnknownRecipe(
            f"no recipe {name!r}: known are {', '.join(names())}; a module of your own that calls "
            "model_package.recipes.add(Recipe(...)) is read when UMBRA_RECIPE_MODULES names it"
        )
    return _recipes[name]


def names() -> tuple[str, ...]:
    """List every known recipe."""
    return tuple(sorted(_recipes))


def register(modules: Sequence[str]) -> None:
    """Import modules that add recipes; raises UnknownRecipe naming the module that cannot be imported."""
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise UnknownRecipe(
                f"UMBRA_RECIPE_MODULES names {module!r}, which cannot be imported: {error}"
            ) from error


add(
    Recipe(
        name="linear",
        purpose="ridge regression on log price: small, fast, readable",
        train=_deferred("model_package.recipes.linear_pipeline", "train"),
        load=_deferred("model_package.recipes.linear", "load"),
        libraries=("numpy", "pandas", "scikit-learn"),
    )
)
add(
    Recipe(
        name="gbm",
        purpose="LightGBM gradient boosting on log price: finds interactions and saturation by itself",
        train=_deferred("model_package.recipes.gbm_pipeline", "train"),
        load=_deferred("model_package.recipes.gbm", "load"),
        libraries=("lightgbm", "numpy", "pandas", "scikit-learn"),
    )
)
