"""The LightGBM scorer.

It calls LightGBM's C library directly. The Python package imports scipy, pandas and scikit-learn: a second of
processor time and 120 MB in every process that serves, and a process that has to switch to a new model within
two seconds has no second to spare.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model_package.recipes import Dollars, Scorer, booster_text
from model_package.recipes.booster_text import InvalidBooster
from model_package.schema import NAMES

_LIBRARY = "lib_lightgbm.so"
# include/LightGBM/c_api.h
_FLOAT64, _NORMAL, _ROW_MAJOR, _ALL_TREES = 1, 0, 1, -1
_PARAMETERS = b"num_threads=1"


class Booster:
    """A trained booster, held by the library; `predict` may be called by several threads at once."""

    def __init__(self, text: bytes) -> None:
        """Read what `model.txt` holds; raises InvalidBooster."""
        self._library = _library()
        self._handle = ctypes.c_void_p()
        iterations = ctypes.c_int()
        failed = self._library.LGBM_BoosterLoadModelFromString(
            text, ctypes.byref(iterations), ctypes.byref(self._handle)
        )
        if failed:
            raise InvalidBooster(f"LightGBM cannot read model.txt: {self._why()}")

    def __del__(self) -> None:
        if self._handle:
            self._library.LGBM_BoosterFree(self._handle)

    @property
    def fields(self) -> int:
        """The number of columns it was trained on."""
        count = ctypes.c_int()
        self._library.LGBM_BoosterGetNumFeature(self._handle, ctypes.byref(count))
        return count.value

    def predict(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return one value per row of an array of shape (n, fields)."""
        rows = np.ascontiguousarray(matrix, dtype=np.float64)
        values = np.empty(len(rows))
        count = ctypes.c_int64()
        failed = self._library.LGBM_BoosterPredictForMat(
            self._handle,
            rows.ctypes.data,
            _FLOAT64,
            *rows.shape,
            _ROW_MAJOR,
            _NORMAL,
            0,
            _ALL_TREES,
            _PARAMETERS,
            ctypes.byref(count),
            values.ctypes.data,
        )
        if failed or count.value != len(rows):
            raise InvalidBooster(f"LightGBM cannot predict: {self._why()}")
        return values

    def _why(self) -> str:
        return str(self._library.LGBM_GetLastError().decode(errors="replace"))


def load(files: Mapping[str, bytes]) -> Scorer:
    """Make the scorer of `encoder.json` and `model.txt`; raises InvalidBooster."""
    booster_text.check(files["model.txt"], NAMES)
    booster = Booster(files["model.txt"])
    if json.loads(files["encoder.json"])["fields"] != list(NAMES) or booster.fields != len(NAMES):
        raise InvalidBooster("the booster's fields are not those of the schema: train the model again")

    def score(matrix: NDArray[np.float64]) -> Dollars:
        if len(matrix) == 0:
            return np.empty(0)
        return np.exp(booster.predict(matrix))

    return score


@cache
def _library() -> ctypes.CDLL:
    """Load LightGBM's library from beside its Python package, without importing that."""
    package = importlib.util.find_spec("lightgbm")
    homes = [Path(home) for home in (package.submodule_search_locations or ())] if package else []
    candidates = [home / inner / _LIBRARY for home in homes for inner in ("lib", "bin", "")]
    paths = [path for path in candidates if path.is_file()]
    if not paths:
        raise InvalidBooster(f"{_LIBRARY} is in none of {homes}: install lightgbm")
    library = ctypes.CDLL(str(paths[0]))
    integer, address = ctypes.c_int, ctypes.c_void_p
    library.LGBM_GetLastError.restype = ctypes.c_char_p
    library.LGBM_BoosterFree.argtypes = [address]
    library.LGBM_BoosterPredictForMat.argtypes = [
        address,
        address,
        integer,
        ctypes.c_int32,
        ctypes.c_int32,
        integer,
        integer,
        integer,
        integer,
        ctypes.c_char_p,
        address,
        address,
    ]
    return library
