"""What the tests of model_package share: sales, and both recipes trained on them once."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from model_package import artifact, train
from model_package.artifact import Model
from model_package.dataset import Dataset, Split, split
from model_package.synthetic import synthetic

REPOSITORY = Path(__file__).parents[2]
TRAINED_AT = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def ames_csv() -> Path:
    """The real sales: never in the repository; a test that needs them skips without them."""
    beside = REPOSITORY.parent / "shared" / "data" / "ames_2006_2009.csv"
    path = Path(os.environ.get("UMBRA_TEST_AMES_CSV") or beside)
    if not path.is_file():
        pytest.skip("the real sales are not here: set UMBRA_TEST_AMES_CSV to ames_2006_2009.csv")
    return path


@pytest.fixture(scope="session")
def sales() -> Dataset:
    return synthetic(2500, seed=3)


@pytest.fixture(scope="session")
def later_sales(sales: Dataset) -> Split:
    return split(sales)


@pytest.fixture(scope="session")
def trained(sales: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models directory with linear@1 and gbm@1: to be read only."""
    models = tmp_path_factory.mktemp("models")
    for recipe in ("linear", "gbm"):
        train.train(recipe, sales, models, 7, trained_at=TRAINED_AT)
    return models


@pytest.fixture(params=["linear", "gbm"])
def model(request: pytest.FixtureRequest, trained: Path) -> Model:
    return artifact.load(trained / request.param / "1")


@pytest.fixture(params=["linear", "gbm"])
def saved(request: pytest.FixtureRequest, trained: Path, tmp_path: Path) -> Path:
    """A copy of a trained version directory, to be spoiled."""
    copy = tmp_path / "models" / request.param / "1"
    shutil.copytree(trained / request.param / "1", copy)
    for file in copy.iterdir():
        file.chmod(0o644)
    return copy
