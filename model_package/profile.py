"""The reference profile: how fields, predictions and errors were distributed when a model was made.

Bins and edges are fixed here, once: later windows are counted into them without the training data.
Counts, `missing` and `nonfinite` add up to n. Method: quantile bins of the reference (docs/data.md).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_package.recipes import Dollars
from model_package.schema import FIELDS, Row, Value

FORMAT = 1
DISCRETE_VALUES = 20
TOP_VALUES = 50
BINS = 20
FINE_BINS = 100
OTHER, MISSING, UNSEEN = "__other__", "__missing__", "__unseen__"
# A year itself only ever moves on; the age at the sale is what may drift.
AGES = {
    "age": "year_built",
    "remodel_age": "year_remodeled",
    "garage_age": "garage_year_built",
}
_YEARS = {*AGES.values(), "year_sold"}


def build(rows: Sequence[Row], predictions: Dollars, held_out: tuple[Dollars, Dollars]) -> dict[str, Any]:
    """Build the profile of training rows and their predictions, and of the errors on held-out sales.

    `held_out` is (predictions, prices). Errors of the training sales themselves would promise too much.
    """
    log_error = np.log(held_out[0] / held_out[1])
    return {
        "format": FORMAT,
        "n": len(rows),
        "fields": {name: describe(values) for name, values in columns(rows).items()},
        "prediction": describe(predictions.tolist()),
        "log_error": describe(log_error.tolist()),
        "loss": describe(np.minimum(np.abs(log_error), 0.5).tolist()),
    }


def columns(rows: Sequence[Row]) -> dict[str, list[Value]]:
    """Return the profiled columns: every field but the years, and the ages derived from those."""
    columns: dict[str, list[Value]] = {
        field.name: [row[field.name] for row in rows] for field in FIELDS if field.name not in _YEARS
    }
    return columns | {age: [_age(row, year) for row in rows] for age, year in AGES.items()}


def _age(row: Row, year: str) -> Value:
    built, sold = row[year], row["year_sold"]
    return sold - built if isinstance(built, int) and isinstance(sold, int) else None


def describe(values: Sequence[Value]) -> dict[str, Any]:
    """Describe one column: by its values when they are texts or few, else by quantile bins."""
    numbers = {value for value in values if isinstance(value, int | float) and math.isfinite(value)}
    if any(isinstance(value, str) for value in values) or len(numbers) <= DISCRETE_VALUES:
        return _categorical(values)
    return _numeric(np.array(values, dtype=np.float64), sum(value is None for value in values))


def _categorical(values: Sequence[Value]) -> dict[str, Any]:
    counts = Counter(bin_label(value) for value in values if value is not None)
    top = dict(counts.most_common(TOP_VALUES))
    named = {OTHER: counts.total() - sum(top.values()), MISSING: len(values) - counts.total(), UNSEEN: 0}
    return {"kind": "categorical", "n": len(values), "counts": top | named}


def bin_label(value: Value) -> str:
    """Write a value as the key of its bin: 2 and 2.0 are the same."""
    return f"{value:.12g}" if isinstance(value, int | float) else str(value)


def _numeric(values: NDArray[np.float64], missing: int) -> dict[str, Any]:
    finite = values[np.isfinite(values)]
    edges, fine_edges = _edges(finite, BINS), _edges(finite, FINE_BINS)
    return {
        "kind": "numeric",
        "n": len(values),
        "missing": missing,
        "nonfinite": len(values) - len(finite) - missing,
        "mean": float(finite.mean()),
        "sd": float(finite.std(ddof=1)),
        "min": float(finite.min()),
        "max": float(finite.max()),
        "out_of_range": 0,
        "edges": edges.tolist(),
        "counts": _counts(finite, edges),
        "fine_edges": fine_edges.tolist(),
        "fine_counts": _counts(finite, fine_edges),
    }


def _edges(finite: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    """Return the inner quantile edges, each once."""
    return np.unique(np.quantile(finite, np.arange(1, bins) / bins))


def _counts(finite: NDArray[np.float64], edges: NDArray[np.float64]) -> list[int]:
    """Count values by bin: bin i holds edges[i-1] <= x < edges[i], and the outer bins are open."""
    positions = np.searchsorted(edges, finite, side="right")
    return np.bincount(positions, minlength=len(edges) + 1).tolist()  # type: ignore[no-any-return]
