"""The linear scorer: numpy only, for the live request path."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from model_package import features
from model_package.features import CATEGORY_COLUMNS
from model_package.recipes import Dollars, Scorer
from model_package.schema import FIELDS


def load(files: Mapping[str, bytes]) -> Scorer:
    """Make the scorer of `encoder.json` and `model.json`."""
    encoder = features.from_json(json.loads(files["encoder.json"]))
    model = json.loads(files["model.json"])
    intercept = float(model["intercept"])
    number_weights = np.array([model["numbers"].get(field.name, 0.0) for field in FIELDS])
    code_weights, starts = _flat(model["categories"])

    def score(matrix: NDArray[np.float64]) -> Dollars:
        encoded = encoder.encode(matrix)
        places = encoded.take(CATEGORY_COLUMNS, axis=1).astype(np.intp) + starts
        # einsum and a sum along the row: a matrix product rounds differently in batches of other shapes.
        log_price = np.einsum("ij,j->i", encoded, number_weights)
        log_price += np.add.reduce(code_weights.take(places), axis=1)
        log_price += intercept
        dollars: Dollars = np.exp(log_price)
        return dollars

    return score


def _flat(weights: Mapping[str, list[float]]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """All weights of codes as one table, a zero for null after each field's, and where each field starts."""
    tables = [[*weights[FIELDS[column].name], 0.0] for column in CATEGORY_COLUMNS]
    starts = np.cumsum([0, *map(len, tables[:-1])])
    return np.concatenate(tables), starts.astype(np.intp)
