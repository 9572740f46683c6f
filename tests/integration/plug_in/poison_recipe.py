"""A recipe for candidates that misbehave: on one kind of house, or always, as their artifact says."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model_package import recipes
from model_package.schema import NAMES, Row

POISON = 1313
"""The living area of the houses it cannot bear."""

_AREA = NAMES.index("living_area")
_forever = threading.Event()


def _raise() -> None:
    raise ValueError("thirteen is not a number")


def _hang() -> None:
    (Path(tempfile.gettempdir()) / f"hanging-{os.getpid()}").touch()
    _forever.wait()


def _hang_helped() -> None:
    """Start a helper without a parent, in a session of its own, and hang."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            (Path(tempfile.gettempdir()) / f"helping-{os.getpid()}").touch()
            os.write(writing, b"x")
            _forever.wait()
        os._exit(0)
    os.read(reading, 1)
    _hang()


def _eat_memory() -> None:
    bytearray(1 << 40)


def _segfault() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


_DEEDS = {
    "raises": _raise,
    "hangs": _hang,
    "hangs-helped": _hang_helped,
    "eats-memory": _eat_memory,
    "exits": lambda: os._exit(3),
    "crashes": _segfault,
}


def _load(files: Mapping[str, bytes]) -> recipes.Scorer:
    mode, always = json.loads(files["mode.json"])

    def score(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        poisoned = matrix[:, _AREA] == POISON
        dollars = 100.0 * matrix[:, _AREA]
        if always or poisoned.any():
            if mode in _DEEDS:
                _DEEDS[mode]()
            if mode == "wrong-length":
                return dollars[:-1]
        if mode == "not-a-number":
            dollars[poisoned] = np.nan
        return dollars

    return score


def _train(rows: Sequence[Row], prices: NDArray[np.float64], seed: int) -> recipes.Fitted:
    raise NotImplementedError("there is nothing to learn")


recipes.add(recipes.Recipe("poison", "misbehaves as its artifact says", _train, _load))
