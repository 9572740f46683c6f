"""Segments: a policy's dimensions as SQL, with the same results as `shadow.policy.segments_of`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, FromClause, case

from shadow.policy import Dimension
from shadow.policy.dimensions import AGE, LIVE_PRICE, MISSING, OTHER
from shadow.store.database.dialects import NUMBER, TEXT, FieldType


def fields(dimensions: Iterable[Dimension]) -> dict[str, FieldType]:
    """Return the input fields that the dimensions read, as text where only its absence counts."""
    types: dict[str, FieldType] = {}
    for dimension in dimensions:
        if dimension.by == AGE:
            types |= {"year_sold": NUMBER, "year_built": NUMBER}
        elif dimension.by != LIVE_PRICE and (dimension.edges or dimension.by not in types):
            types[dimension.by] = NUMBER if dimension.edges else TEXT
    return types


def segment(dimension: Dimension, rows: FromClause) -> ColumnElement[str]:
    """Build the segment of a row; `rows` have `live`, the live prediction in dollars, and `field_...`."""
    names = dimension.segments
    value = _value(dimension.by, rows)
    if dimension.missing:
        return case((value.is_(None), names[0]), else_=names[1])
    if dimension.groups:
        groups = ((value.in_(codes), name) for name, (_, codes) in zip(names, dimension.groups, strict=False))
        return case(*groups, else_=f"{dimension.name}:{OTHER}")
    below = ((value < edge, name) for name, edge in zip(names, dimension.edges, strict=False))
    unknown = (value.is_(None), f"{dimension.name}:{MISSING}")
    return case(unknown, *below, else_=names[len(dimension.edges)])


def _value(by: str, rows: FromClause) -> ColumnElement[Any]:
    if by == LIVE_PRICE:
        return rows.c.live
    if by == AGE:
        return rows.c.field_year_sold - rows.c.field_year_built
    return rows.c[f"field_{by}"]
