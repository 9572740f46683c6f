"""Field bins: the bins of a model's profile as SQL, with the labels that `monitoring.statistics.drift` reads.

A numeric field has "0" to "k", the bins of its fine edges, "missing" and "nonfinite"; beside those "below"
and "above" count what is out of the range of the reference. A categorical one has its values, "__missing__",
and for other values "__other__" where the reference has rare ones that it does not name, else "__unseen__".
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, literal_column

from model_package.profile import MISSING, OTHER, UNSEEN

_LARGEST = sys.float_info.max
_DIGITS = 5e-12  # relative; a value is named by its first twelve digits

Description = Mapping[str, Any]


def label(value: ColumnElement[Any], description: Description) -> ColumnElement[str]:
    """Build the bin of a value; a categorical value is text or a number, as in the reference."""
    if description["kind"] == "categorical":
        return _named(value, description["counts"])
    inside = _bin(value, description["fine_edges"], 0, len(description["fine_edges"]))
    return case((value.is_(None), "missing"), (~_is_finite(value), "nonfinite"), else_=inside)


def outside(value: ColumnElement[Any], description: Description) -> dict[str, ColumnElement[bool]]:
    """Build the conditions that put a value out of the reference's range, by label."""
    if description["kind"] == "categorical":
        return {}
    low, high = _number(description["min"]), _number(description["max"])
    return {"below": and_(_is_finite(value), value < low), "above": and_(_is_finite(value), value > high)}


def _is_finite(value: ColumnElement[Any]) -> ColumnElement[bool]:
    return func.abs(value) <= _number(_LARGEST)  # NaN is larger than any number to Postgres


def _bin(value: ColumnElement[Any], edges: Sequence[float], low: int, high: int) -> ColumnElement[str]:
    """Build a binary search: the number of edges of [low, high) that are at most the value."""
    if low == high:
        return literal_column(f"'{low}'")
    middle = (low + high) // 2
    upper = _bin(value, edges, middle + 1, high)
    return case((value < _number(edges[middle]), _bin(value, edges, low, middle)), else_=upper)


def _named(value: ColumnElement[Any], counts: Mapping[str, int]) -> ColumnElement[str]:
    names = [name for name in counts if name not in (OTHER, MISSING, UNSEEN)]
    rest = OTHER if counts[OTHER] else UNSEEN
    return case((value.is_(None), MISSING), *((_is(value, name), name) for name in names), else_=rest)


def _is(value: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    if not _is_numeric(value):
        return value == name
    number = float(name)
    return func.abs(value - _number(number)) <= _number(abs(number) * _DIGITS)


def _is_numeric(value: ColumnElement[Any]) -> bool:
    return bool(value.type.python_type is float)


def _number(value: float) -> ColumnElement[Any]:
    # Thousands of parameters would have to be sent each time.
    return literal_column(repr(float(value)))
