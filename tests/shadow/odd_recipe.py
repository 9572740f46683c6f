"""A recipe that answers whatever its artifact says, however many houses it is asked about."""

import json
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from model_package import recipes
from model_package.schema import Row


def _load(files: Mapping[str, bytes]) -> recipes.Scorer:
    answers = json.loads(files["answers.json"])

    def score(_: NDArray[np.float64]) -> NDArray[np.float64]:
        if answers is None:
            raise ValueError("no")
        return np.array(answers, dtype=np.float64)

    return score


def _train(rows: Sequence[Row], prices: NDArray[np.float64], seed: int) -> recipes.Fitted:
    raise NotImplementedError("there is nothing to learn")


recipes.add(recipes.Recipe("odd", "answers what it is told to", _train, _load))
