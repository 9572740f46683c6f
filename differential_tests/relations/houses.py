"""Houses for hypothesis, generated from the schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies
from hypothesis.strategies import SearchStrategy

from model_package.schema import FIELDS, Field, Row, Value


def value(field: Field) -> SearchStrategy[Value]:
    """Generate every value of a field: its codes, its range with both ends, null if allowed."""
    known = _known(field)
    return strategies.none() | known if field.nullable else known


def _known(field: Field) -> SearchStrategy[Any]:
    low, high = field.minimum, field.maximum
    if low is None or high is None:
        return strategies.sampled_from(field.categories)
    if field.kind == "whole":
        return strategies.integers(int(low), int(high))
    return strategies.floats(low, high)


def house(ordinary: Sequence[Row]) -> SearchStrategy[Row]:
    """Generate an ordinary house with any fields changed; shrink to few changes."""
    anything = strategies.fixed_dictionaries({}, optional={field.name: value(field) for field in FIELDS})
    return strategies.builds(lambda row, other: row | other, strategies.sampled_from(ordinary), anything)
