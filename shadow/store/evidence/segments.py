"""Segments: a policy's dimensions as SQL. The same houses as `shadow.policy.segments_of` puts there."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, case

from shadow.policy import Dimension
from shadow.policy.dimensions import AGE, LIVE_PRICE, MISSING, OTHER


def segment(
    dimension: Dimension, inputs: ColumnElement[Any], live: ColumnElement[float]
) -> ColumnElement[str]:
    """The name of the segment a house with these inputs and this live answer (dollars) belongs to."""
    names = dimension.segments
    if dimension.missing:
        return case((inputs[dimension.by].as_string().is_(None), names[0]), else_=names[1])
    if dimension.groups:
        code = inputs[dimension.by].as_string()
        groups = ((code.in_(codes), name) for name, (_, codes) in zip(names, dimension.groups, strict=False))
        return case(*groups, else_=f"{dimension.name}:{OTHER}")
    value = _number(dimension.by, inputs, live)
    below = ((value < edge, name) for name, edge in zip(names, dimension.edges, strict=False))
    unknown = (value.is_(None), f"{dimension.name}:{MISSING}")
    return case(unknown, *below, else_=names[len(dimension.edges)])


def _number(by: str, inputs: ColumnElement[Any], live: ColumnElement[float]) -> ColumnElement[Any]:
    if by == LIVE_PRICE:
        return live
    value: ColumnElement[Any] = inputs["year_sold" if by == AGE else by].as_float()
    return value - inputs["year_built"].as_float() if by == AGE else value
