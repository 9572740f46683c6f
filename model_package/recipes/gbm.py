"""The LightGBM scorer."""

from __future__ import annotations

import json
from collections.abc import Mapping

import lightgbm
import numpy as np
from numpy.typing import NDArray

from model_package.recipes import Dollars, Scorer
from model_package.schema import NAMES


class InvalidBooster(ValueError):
    """A booster that LightGBM cannot read or that is of other fields."""


def load(files: Mapping[str, bytes]) -> Scorer:
    """Make the scorer of `encoder.json` and `model.txt`; raises InvalidBooster."""
    if json.loads(files["encoder.json"])["fields"] != list(NAMES):
        raise InvalidBooster("the booster's fields are not those of the schema: train the model again")
    try:
        booster = lightgbm.Booster(model_str=files["model.txt"].decode())
    except lightgbm.basic.LightGBMError as error:
        raise InvalidBooster(f"LightGBM cannot read model.txt: {error}") from error

    def score(matrix: NDArray[np.float64]) -> Dollars:
        if len(matrix) == 0:
            return np.empty(0)
        return np.exp(np.asarray(booster.predict(matrix, num_threads=1), dtype=np.float64))

    return score
