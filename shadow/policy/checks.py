"""Checks of a policy's keys against each other and against the schema's fields."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

from shadow.policy.dimensions import AGE, LIVE_PRICE, RESERVED, Dimension
from shadow.policy.faults import InvalidPolicy
from shadow.policy.tables import DeclaredDimension, Segments

_DIMENSIONS = "segments.dimensions"


def check(values: dict[str, Any]) -> None:
    """Compare keys with each other; raises InvalidPolicy."""
    margin, cap = values["margin"], values["cap"]
    if len(margin) != 1:
        raise InvalidPolicy("margin", margin, "either `relative` or `absolute`")
    if margin.get("absolute", 0.0) > cap / 2:
        raise InvalidPolicy("margin.absolute", margin["absolute"], f"at most half of cap, {cap / 2:g}")
    if values["segments"]["margin"] > cap / 2:
        raise InvalidPolicy(
            "segments.margin", values["segments"]["margin"], f"at most half of cap, {cap / 2:g}"
        )
    _ascending("guardrails.price_range_dollars", values["guardrails"]["price_range_dollars"])
    _ascending("drift.windows_days", values["drift"]["windows_days"])


def declared(segments: Segments) -> tuple[Dimension, ...]:
    """Return the declared dimensions, checked against the schema's fields; raises InvalidPolicy."""
    dimensions = tuple(
        _dimension(f"{_DIMENSIONS}.{name}", name, declaration)
        for name, declaration in segments.dimensions.items()
    )
    names = [name for dimension in dimensions for name in dimension.segments]
    if len(names) > segments.max:
        raise InvalidPolicy(
            _DIMENSIONS, f"{len(names)} segments", f"at most {segments.max} in all: {', '.join(names)}"
        )
    return dimensions


def _dimension(key: str, name: str, declaration: DeclaredDimension) -> Dimension:
    if [declaration.edges, declaration.groups, declaration.missing].count(None) != 2:
        raise InvalidPolicy(
            key, declaration.model_dump(exclude_none=True), "one of edges, groups and missing = true"
        )
    nullable, codes = _field_of(key, declaration)
    if declaration.edges is not None:
        return Dimension(name, declaration.by, edges=_edges(key, declaration.edges), nullable=nullable)
    if declaration.groups is not None:
        groups = _groups(key, declaration.groups, codes)
        rest = nullable or len(codes) > sum(len(group) for _, group in groups)
        return Dimension(name, declaration.by, groups=groups, nullable=nullable, rest=rest)
    return Dimension(name, declaration.by, missing=True, nullable=True)


def _field_of(key: str, declaration: DeclaredDimension) -> tuple[bool, tuple[str, ...]]:
    """Return whether the dimension's field may be null, and its codes if it is a category."""
    # Imported when called: the schema takes 16 MB that most processes do not need.
    from model_package.schema import BY_NAME  # noqa: PLC0415

    if declaration.by not in (LIVE_PRICE, AGE) and declaration.by not in BY_NAME:
        raise InvalidPolicy(
            f"{key}.by", declaration.by, f"{LIVE_PRICE}, {AGE} or a field: {', '.join(BY_NAME)}"
        )
    field = BY_NAME.get(declaration.by)
    nullable, codes = (False, ()) if field is None else (field.nullable, field.categories)
    if declaration.edges is not None and codes:
        raise InvalidPolicy(f"{key}.edges", declaration.edges, f"groups: {declaration.by} is a category")
    if declaration.groups is not None and not codes:
        raise InvalidPolicy(f"{key}.groups", declaration.groups, f"edges: {declaration.by} is a number")
    if declaration.missing and not nullable:
        raise InvalidPolicy(f"{key}.missing", True, f"edges or groups: {declaration.by} is never null")
    return nullable, codes


def _edges(key: str, edges: tuple[float, ...]) -> tuple[float, ...]:
    if not edges:
        raise InvalidPolicy(f"{key}.edges", edges, "at least one edge")
    _ascending(f"{key}.edges", edges)
    return edges


def _groups(
    key: str, groups: dict[str, tuple[str, ...]], codes: tuple[str, ...]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if not groups:
        raise InvalidPolicy(f"{key}.groups", groups, "at least one group")
    for name, members in groups.items():
        if name in RESERVED or not members:
            raise InvalidPolicy(
                f"{key}.groups.{name}", members, f"codes, and a name other than {', '.join(sorted(RESERVED))}"
            )
        if unknown := [code for code in members if code not in codes]:
            raise InvalidPolicy(f"{key}.groups.{name}", unknown[0], f"one of {', '.join(codes)}")
    times = Counter(code for members in groups.values() for code in members)
    if twice := [code for code, count in times.items() if count > 1]:
        raise InvalidPolicy(f"{key}.groups", twice[0], "each code in one group at most, once")
    return tuple((name, tuple(members)) for name, members in groups.items())


def _ascending(key: str, values: tuple[float, ...]) -> None:
    if any(low >= high for low, high in pairwise(values)):
        raise InvalidPolicy(key, values, "ascending numbers, each once")
