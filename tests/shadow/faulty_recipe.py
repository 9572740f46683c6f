"""A recipe that misbehaves on houses of certain sizes, in every way a model can."""

import os
import time
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from model_package import recipes
from model_package.schema import NAMES, Row

RAISES, HANGS, EXITS, IS_NAN, SHORT, EATS_MEMORY, IS_NEGATIVE = 1001, 1002, 1003, 1004, 1005, 1006, 1007
DOUBLES, SPOILS, RAISES_ODD_WORDS = 1008, 1009, 1010
_AREA = NAMES.index("living_area")


def _load(_: Mapping[str, bytes]) -> recipes.Scorer:
    def score(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        areas = set(matrix[:, _AREA])
        if RAISES in areas:
            raise ValueError("not this one")
        if RAISES_ODD_WORDS in areas:
            raise ValueError("no \x00, no \x1b[2J, no \ud800")
        if HANGS in areas:
            time.sleep(3600)
        if EXITS in areas:
            os._exit(3)
        if EATS_MEMORY in areas:
            np.ones((1 << 38,))
        dollars = 100.0 * matrix[:, _AREA]
        dollars[matrix[:, _AREA] == IS_NAN] = np.nan
        dollars[matrix[:, _AREA] == IS_NEGATIVE] = -1.0
        if SPOILS in areas:
            dollars[:] = np.nan
        if DOUBLES in areas:
            return np.column_stack([dollars, dollars])
        return dollars[: len(dollars) - 1] if SHORT in areas else dollars

    return score


def _train(rows: Sequence[Row], prices: NDArray[np.float64], seed: int) -> recipes.Fitted:
    raise NotImplementedError("there is nothing to learn")


recipes.add(recipes.Recipe("faulty", "misbehaves by size of house", _train, _load))
