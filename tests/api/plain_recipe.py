"""A recipe small enough to work out by hand: 100 dollars per square foot of living area."""

import http.client
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model_package import recipes
from model_package.schema import NAMES, Row

_LIVING_AREA = NAMES.index("living_area")


ONE_PROCESS = "PLAIN_ONE_PROCESS"
"""Names a directory; of the workers only the first can load the model, all others cannot once it answers."""
BREAKS = "PLAIN_BREAKS"
"""Names a file; while it is there, loading fails with the error that it names."""


def _load(_: Mapping[str, bytes]) -> recipes.Scorer:
    broken = Path(os.environ.get(BREAKS, "/nonexistent"))
    if broken.exists():
        raise {"RuntimeError": RuntimeError("odd"), "KeyError": KeyError(3), "SystemExit": SystemExit(3)}[
            broken.read_text()
        ]
    if ONE_PROCESS in os.environ:
        _let_one_in(Path(os.environ[ONE_PROCESS]) / f"child-of-{os.getppid()}")

    def score(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        return 100.0 * matrix[:, _LIVING_AREA]

    return score


def _let_one_in(marker: Path) -> None:
    check, worker = (marker.with_name(f"{marker.name}-{who}") for who in ("check", "worker"))
    if _makes(check) or _makes(worker):  # the arbiter loads it once, to see whether that is possible
        return
    while not _answers(int(os.environ["UMBRA_API_PORT"])):
        time.sleep(0.02)
    raise OSError("plain: one process loads it already")


def _makes(marker: Path) -> bool:
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _train(rows: Sequence[Row], prices: NDArray[np.float64], seed: int) -> recipes.Fitted:
    raise NotImplementedError("there is nothing to learn")


recipes.add(recipes.Recipe("plain", "100 dollars per square foot", _train, _load))
