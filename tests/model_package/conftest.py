"""What the tests of model_package share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def ames_csv() -> Path:
    """The real sales: never in the repository; a test that needs them skips without them."""
    beside = REPOSITORY.parent / "shared" / "data" / "ames_2006_2009.csv"
    path = Path(os.environ.get("UMBRA_TEST_AMES_CSV") or beside)
    if not path.is_file():
        pytest.skip("the real sales are not here: set UMBRA_TEST_AMES_CSV to ames_2006_2009.csv")
    return path
