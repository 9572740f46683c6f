"""Rollup: houses added up by day and segment.

Summed twice: by all dimensions at once, which passes each house once, then those few cells by segment.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import log
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    case,
    cast,
    func,
    literal,
    select,
    true,
    union_all,
)

from monitoring.statistics.comparison import BIN_RATIO, SMALLEST_GAP
from monitoring.statistics.sums import Sums, Terms
from shadow.store.database.dialects import fenced
from shadow.store.evidence import columns as measures
from shadow.store.evidence.rows import Houses

WHOLE = ""
"""The segment that is all houses."""
EXTREMES: Mapping[str, Any] = {"d_min": func.min, "g_max": func.max}
"""The measures that merge otherwise than by addition."""


def sums(houses: Houses) -> Select[Any]:
    """`day`, `segment` and every measure of Sums; those of segments with the policy's margin for them."""
    policy = houses.policy
    keys = measures.keys(houses.rows, Terms(policy.cap, houses.margin))
    of_parts = measures.keys(houses.rows, Terms(policy.cap, policy.segments.margin))
    plain = measures.plain(houses.rows, policy)
    columns = plain | keys | {f"part_{name}": key for name, key in of_parts.items()}
    named = ("day", *houses.parts)
    return _by_segment(_cells(houses.rows, named, columns, "cells"), houses, Sums.columns(), frozenset(keys))


def gap_bins(houses: Houses) -> Select[Any]:
    """`day`, `segment`, `bin` and `houses`: pairs by |g|, in bins of 2 %."""
    size = func.abs(houses.rows.c.g)
    bins = _bin(case((size > SMALLEST_GAP, size), else_=SMALLEST_GAP)).label("bin")
    binned = fenced(select(houses.rows, bins).where(houses.rows.c.g.is_not(None)), "apart_by")
    cells = _cells(binned, ("day", "bin", *houses.parts), {"houses": func.count()}, "gap_cells")
    return _by_segment(cells, houses, ("houses",), frozenset(), "bin")


def delay_bins(houses: Houses) -> Select[Any]:
    """`day`, `bin` and `houses`: sold pairs by the delay of their first price, in bins of 2 %."""
    rows = houses.rows
    bins = _bin(1 + rows.c.delay_seconds).label("bin")
    late = select(rows.c.day, bins).where(rows.c.d.is_not(None)).subquery("late")
    return select(*late.c, func.count().label("houses")).group_by(*late.c)


def widest(houses: Houses, most: int) -> Select[Any]:
    """`day`, `capture_id` and `gap` (g) of the pairs that are furthest apart."""
    rows = houses.rows
    found = select(rows.c.day, rows.c.id.label("capture_id"), rows.c.g.label("gap"))
    return found.where(rows.c.g.is_not(None)).order_by(func.abs(rows.c.g).desc(), rows.c.id).limit(most)


def _bin(size: ColumnElement[float]) -> ColumnElement[int]:
    return cast(func.floor(func.ln(size) / log(BIN_RATIO)), BigInteger)


def _cells(rows: FromClause, by: Sequence[str], columns: measures.Columns, name: str) -> FromClause:
    """Measures by day and by all dimensions at once."""
    group = [rows.c[one] for one in by]
    return select(*group, *(one.label(name) for name, one in columns.items())).group_by(*group).cte(name)


def _by_segment(
    cells: FromClause, houses: Houses, names: Sequence[str], own: Collection[str], *by: str
) -> Select[Any]:
    """Add up cells, each once for the whole (place 0) and once for its segment in each dimension.

    Of the measures `names` those in `own` have another column for segments.
    """
    every = (select(literal(number).label("place")) for number in range(len(houses.parts) + 1))
    places = union_all(*every).subquery("places")
    whole = places.c.place == 0
    parts = ((places.c.place == at, cells.c[name]) for at, name in enumerate(houses.parts, 1))
    of_parts = {name: case((whole, cells.c[name]), else_=cells.c[f"part_{name}"]) for name in own}
    measured = (of_parts.get(name, cells.c[name]).label(name) for name in names)
    segment = case((whole, WHOLE), *parts).label("segment")
    columns = cells.c.day, segment, *(cells.c[name] for name in by), *measured
    spread = select(*columns).select_from(cells.join(places, true())).subquery("spread")
    group = [spread.c[name] for name in ("day", "segment", *by)]
    added = (EXTREMES.get(name, func.sum)(spread.c[name]).label(name) for name in names)
    return select(*group, *added).group_by(*group)
