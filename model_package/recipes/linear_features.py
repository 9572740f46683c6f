"""The fitted encoder of the linear model: the schema's matrix to numbers a weight can be put on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_package.schema import FIELDS, NAMES

# Sizes act on a price in proportion, grades and years by steps.
LOGGED = tuple(field.name for field in FIELDS if field.unit in ("feet", "square feet"))
_IS_LOGGED = np.array([name in LOGGED for name in NAMES])
# An array: a list would be made into one for every request.
CATEGORY_COLUMNS = np.array([column for column, field in enumerate(FIELDS) if field.kind == "category"])


class InvalidEncoder(ValueError):
    """An encoder that does not fit the schema."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """How each field is filled and bounded: arrays of shape (len(FIELDS),), in the order of FIELDS.

    A null takes `fill`, then every number is held within what training saw (`low` to `high`): a line says
    nothing about houses beyond its data, and an answer stays finite. Sizes go through log(1 + x). The code
    of a category is its place in the field's list; null has the place after the last.
    """

    fill: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def encode(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Encode the schema's matrix, shape (n, len(FIELDS)), as one of that shape without a NaN."""
        # Row by row in memory, so that a sum along a row is rounded alike in a batch of any size.
        encoded = np.ascontiguousarray(np.where(np.isnan(matrix), self.fill, matrix))
        np.maximum(encoded, self.low, out=encoded)
        np.minimum(encoded, self.high, out=encoded)
        np.log1p(encoded, out=encoded, where=_IS_LOGGED)
        return encoded

    def as_json(self) -> dict[str, object]:
        """Return one entry per field."""
        return {"fields": [_entry(self, column) for column in range(len(FIELDS))]}


def encoder(learned: Mapping[str, Mapping[str, float]]) -> Encoder:
    """Make an encoder of `fill`, `low` and `high` by the name of each number."""
    codes = {f.name: dict.fromkeys(("fill", "high"), float(len(f.categories))) | {"low": 0.0} for f in FIELDS}
    bounds_by_field = [learned.get(name, codes[name]) for name in NAMES]
    return Encoder(
        *(np.array([bounds[name] for bounds in bounds_by_field]) for name in ("fill", "low", "high"))
    )


def _entry(fitted: Encoder, column: int) -> dict[str, object]:
    field = FIELDS[column]
    if field.kind == "category":
        return {"field": field.name, "codes": list(field.categories)}
    bounds = {bound: float(getattr(fitted, bound)[column]) for bound in ("fill", "low", "high")}
    return {"field": field.name, "log1p": bool(_IS_LOGGED[column]), **bounds}


def from_json(document: Mapping[str, Any]) -> Encoder:
    """Read `Encoder.as_json`; raises InvalidEncoder when it is of other fields."""
    entries = document["fields"]
    fitted = encoder({entry["field"]: entry for entry in entries if "codes" not in entry})
    if fitted.as_json() != document:
        raise InvalidEncoder("the encoder's fields are not those of the schema: train the model again")
    return fitted
