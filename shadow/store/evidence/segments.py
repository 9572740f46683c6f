"""Segments: a policy's dimensions as SQL. The same houses as `shadow.policy.segments_of` puts there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, FromClause, case

from shadow.policy import Dimension
from shadow.policy.dimensions import AGE, LIVE_PRICE, MISSING, OTHER
from shadow.store.database.dialects import NUMBER, TEXT, FieldType


def fields(dimensions: Iterable[Dimension]) -> dict[str, FieldType]:
    """The fields of a house that the dimensions look at. Whether one is missing, its text says."""
    found: dict[str, FieldType] = {}
    for one in dimensions:
        if one.by == AGE:
            found |= {"year_sold": NUMBER, "year_built": NUMBER}
        elif one.by != LIVE_PRICE and (one.edges or one.by not in found):
            found[one.by] = NUMBER if one.edges else TEXT
    return found


def segment(dimension: Dimension, houses: FromClause) -> ColumnElement[str]:
    """The segment of a house; `houses` have `live`, the live answer in dollars, and `field_...`."""
    names = dimension.segments
    value = _value(dimension.by, houses)
    if dimension.missing:
        return case((value.is_(None), names[0]), else_=names[1])
    if dimension.groups:
        groups = ((value.in_(codes), name) for name, (_, codes) in zip(names, dimension.groups, strict=False))
        return case(*groups, else_=f"{dimension.name}:{OTHER}")
    below = ((value < edge, name) for name, edge in zip(names, dimension.edges, strict=False))
    unknown = (value.is_(None), f"{dimension.name}:{MISSING}")
    return case(unknown, *below, else_=names[len(dimension.edges)])


def _value(by: str, houses: FromClause) -> ColumnElement[Any]:
    if by == LIVE_PRICE:
        return houses.c.live
    if by == AGE:
        return houses.c.field_year_sold - houses.c.field_year_built
    return houses.c[f"field_{by}"]
