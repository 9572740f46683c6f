"""Where the sales come from that a model is trained on, as named on the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from model_package.dataset import Dataset, openml, read_csv
from model_package.synthetic import DEFAULT_HOUSES, synthetic

OPENML = "openml"


def sales(source: str | None, seed: int, waiting: Callable[[str], None] = lambda _: None) -> Dataset:
    """A CSV file by its path, `openml`, or None for synthetic houses; raises dataset.InvalidDataset.

    `waiting` is told in words when the file is a pipe.
    """
    if source is None:
        return synthetic(DEFAULT_HOUSES, seed)
    return openml() if source == OPENML else read_csv(Path(source), waiting)
