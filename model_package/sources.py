"""Sources of the sales that train a model, as named on the command line."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path

from model_package.dataset import Dataset, InvalidDataset, openml, read_csv
from model_package.synthetic import DEFAULT_HOUSES, synthetic

OPENML = "openml"


def sales(source: str | None, seed: int, waiting: Callable[[str], None] = lambda _: None) -> Dataset:
    """Load sales from a CSV file, `openml`, or (None) synthetic ones; raises dataset.InvalidDataset.

    `waiting` gets a message when the file is a pipe.
    """
    if source is None:
        return synthetic(DEFAULT_HOUSES, seed)
    return _public() if source == OPENML else read_csv(Path(source), waiting)


def _public() -> Dataset:
    """Fetch the public table; raises InvalidDataset with one sentence when that fails."""
    try:
        with warnings.catch_warnings(action="ignore"):  # one for each attempt, with the same words
            return openml()
    except (OSError, HTTPException) as fault:
        reason = getattr(fault, "reason", None) or fault
        explanation = getattr(reason, "strerror", None) or reason
        raise InvalidDataset(
            f"{OPENML}: the public table cannot be fetched ({explanation}); "
            "give a file instead: --data FILE.csv"
        ) from fault
