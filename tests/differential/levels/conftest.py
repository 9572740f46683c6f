"""One pair of models for faults and harmless changes, and the data directory of an API that serves them."""

from __future__ import annotations

import csv
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest
from serving import Api, prepare, serving

from model_package.schema import NAMES
from model_package.synthetic import synthetic

sys.path.insert(0, str(Path(__file__).parent))

HOUSES, SEED = 800, 3  # what the models of tests/differential are trained on


@pytest.fixture(scope="session")
def sales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Provide the sales that `models` were trained on, as CSV."""
    path, sales = tmp_path_factory.mktemp("sales") / "sales.csv", synthetic(HOUSES, SEED)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*NAMES, "sale_price"])
        writer.writeheader()
        for row, price in zip(sales.rows, sales.prices.tolist(), strict=True):
            writer.writerow(row | {"sale_price": price})
    return path


@pytest.fixture(scope="session")
def prepared(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Provide a data directory in which linear@1 is live."""
    data = tmp_path_factory.mktemp("prepared")
    prepare(models, data)
    return data


Start = Callable[..., Api]


@pytest.fixture
def start(models: Path, prepared: Path, tmp_path: Path) -> Iterator[Start]:
    """Start an API over a copy of the prepared directory; all of them end with the test."""
    numbers = count()
    with ExitStack() as ends:

        def started(**options: object) -> Api:
            data = Path(shutil.copytree(prepared, tmp_path / f"data-{next(numbers)}"))
            return ends.enter_context(serving(models, data, **{"workers": 1, **options}))  # type: ignore[arg-type]

        yield started


@pytest.fixture(scope="session")
def api(models: Path, prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Provide an unpatched API with one worker."""
    data = Path(shutil.copytree(prepared, tmp_path_factory.mktemp("api") / "data"))
    with serving(models, data, workers=1) as running:
        yield running
