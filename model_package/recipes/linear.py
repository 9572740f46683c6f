"""The linear scorer: numpy only, for the live request path."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from model_package.recipes import Dollars, Scorer, linear_features
from model_package.recipes.linear_features import CATEGORY_COLUMNS
from model_package.schema import FIELDS


class InvalidWeights(ValueError):
    """Weights that do not fit the schema."""


def load(files: Mapping[str, bytes]) -> Scorer:
    """Make the scorer of `encoder.json` and `model.json`."""
    encoder = linear_features.from_json(json.loads(files["encoder.json"]))
    model = json.loads(files["model.json"])
    (intercept,) = _finite([model["intercept"]])
    number_weights = _numbers(model["numbers"])
    code_weights, starts = _flat(model["categories"])

    def score(matrix: NDArray[np.float64]) -> Dollars:
        encoded = encoder.encode(matrix)
        positions = encoded.take(CATEGORY_COLUMNS, axis=1).astype(np.intp) + starts
        # einsum and a sum along the row: a matrix product rounds differently in batches of other shapes.
        log_price = np.einsum("ij,j->i", encoded, number_weights)
        log_price += np.add.reduce(code_weights.take(positions), axis=1)
        log_price += intercept
        dollars: Dollars = np.exp(log_price)
        return dollars

    return score


def _numbers(weights: Mapping[str, object]) -> NDArray[np.float64]:
    """Return a weight for every field, 0 for categories."""
    return _finite([0.0 if field.kind == "category" else weights[field.name] for field in FIELDS])


def _flat(weights: Mapping[str, list[object]]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return all weights of codes, with a zero for null after each field's, and the start of each field."""
    tables = [[*weights[FIELDS[column].name], 0.0] for column in CATEGORY_COLUMNS]
    sizes = [len(FIELDS[column].categories) + 1 for column in CATEGORY_COLUMNS]
    if [len(table) for table in tables] != sizes:
        raise InvalidWeights("as many weights as a field has codes are expected: train the model again")
    starts = np.cumsum([0, *sizes[:-1]])
    return _finite([weight for table in tables for weight in table]), starts.astype(np.intp)


def _finite(weights: Sequence[object]) -> NDArray[np.float64]:
    if not all(type(weight) in (int, float) for weight in weights):
        raise InvalidWeights(f"weights that are no numbers: {weights!r:.80}")
    array = np.array(weights, dtype=np.float64)
    if not np.isfinite(array).all():
        raise InvalidWeights(f"weights that are not finite: {weights!r:.80}")
    return array
