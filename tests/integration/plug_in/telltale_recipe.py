"""A recipe for models that tell everybody which houses they are asked about, in every way there is."""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from model_package import recipes
from model_package.schema import NAMES, Row

_AREA = NAMES.index("living_area")


def _tell(words: str) -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.write(words + "\n")
        stream.flush()
    os.write(2, words.encode() + b"\n")
    warnings.warn(words, stacklevel=1)
    logging.getLogger("telltale").warning(words)


def _load(files: Mapping[str, bytes]) -> recipes.Scorer:
    cannot_bear = json.loads(files["cannot_bear.json"])

    def score(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        words = f"asked about {matrix.tolist()}"
        _tell(words)
        if (matrix[:, _AREA] == cannot_bear).any():
            raise ValueError(words)
        return 100.0 * matrix[:, _AREA]

    return score


def _train(rows: Sequence[Row], prices: NDArray[np.float64], seed: int) -> recipes.Fitted:
    raise NotImplementedError("there is nothing to learn")


recipes.add(recipes.Recipe("telltale", "repeats every house it is asked about", _train, _load))
