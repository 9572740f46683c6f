"""A store that the real pipeline filled, shared by the notebooks."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
sys.path.insert(0, str(NOTEBOOKS))

import filled_store  # noqa: E402 (found only now)

from shadow.settings import Settings  # noqa: E402


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Two months of a small town; nobody changes it."""
    made = filled_store.of_directory(tmp_path_factory.mktemp("notebooks") / "data")
    filled_store.fill(made, filled_store.END)
    return made
