"""The matrix of houses: the numbers that every scorer gets."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from model_package.schema.fields import FIELDS, Row, Value

_CATEGORIES = tuple(field for field in FIELDS if field.kind == "category")
_NUMBERS = tuple(field for field in FIELDS if field.kind != "category")
_category_values = itemgetter(*(field.name for field in _CATEGORIES))
_number_values = itemgetter(*(field.name for field in _NUMBERS))
# None is a key too: an unknown category is NaN like an unknown number.
_CODES: tuple[dict[Value, float], ...] = tuple(
    {code: float(index) for index, code in enumerate(field.categories)} | {None: float("nan")}
    for field in _CATEGORIES
)
# The columns of FIELDS in the order categories first, numbers second, and back again.
_GROUPED = [FIELDS.index(field) for field in (*_CATEGORIES, *_NUMBERS)]
_ORDER = np.argsort(_GROUPED)


def matrix(rows: Sequence[Row]) -> NDArray[np.float64]:
    """Encode houses: array of shape (n, len(FIELDS)), columns in the order of FIELDS.

    Numbers as they are, null as NaN, a category as its position in the field's list. The rows must be valid
    (parsed by this schema): a code that is not listed raises KeyError.
    """
    encoded = [
        (
            *[codes[value] for codes, value in zip(_CODES, _category_values(row), strict=True)],
            *_number_values(row),
        )
        for row in rows
    ]
    return np.array(encoded, dtype=np.float64).reshape(len(rows), len(FIELDS)).take(_ORDER, axis=1)
