"""Rollup: sum measured rows by day and segment.

The sums are taken twice: by all dimensions at once, which reads each row once, then
those few cells by segment.
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
from shadow.store.evidence.rows import MeasuredRows

ALL_ROWS = ""
"""The segment that is every row."""
EXTREMES: Mapping[str, Any] = {"d_min": func.min, "g_max": func.max}
"""The measures that merge by another function than addition."""


def sums(measured: MeasuredRows) -> Select[Any]:
    """Select `day`, `segment` and every measure of Sums; of segments with the policy's margin for them."""
    policy = measured.policy
    keys = measures.keys(measured.rows, Terms(policy.cap, measured.margin))
    of_segments = measures.keys(measured.rows, Terms(policy.cap, policy.segments.margin))
    plain = measures.plain(measured.rows, policy)
    columns = plain | keys | {f"part_{name}": key for name, key in of_segments.items()}
    group = ("day", *measured.segment_columns)
    cells = _cells(measured.rows, group, columns, "cells")
    return _by_segment(cells, measured, Sums.columns(), frozenset(keys))


def gap_bins(measured: MeasuredRows) -> Select[Any]:
    """Select `day`, `segment`, `bin` and `houses`: pairs by |g|, in bins of 2 %."""
    size = func.abs(measured.rows.c.g)
    bins = _bin(case((size > SMALLEST_GAP, size), else_=SMALLEST_GAP)).label("bin")
    binned = fenced(select(measured.rows, bins).where(measured.rows.c.g.is_not(None)), "binned")
    group = ("day", "bin", *measured.segment_columns)
    cells = _cells(binned, group, {"houses": func.count()}, "gap_cells")
    return _by_segment(cells, measured, ("houses",), frozenset(), "bin")


def delay_bins(measured: MeasuredRows) -> Select[Any]:
    """Select `day`, `bin` and `houses`: sold pairs by the delay of their first price, in bins of 2 %."""
    rows = measured.rows
    bins = _bin(1 + rows.c.delay_seconds).label("bin")
    late = select(rows.c.day, bins).where(rows.c.d.is_not(None)).subquery("late")
    return select(*late.c, func.count().label("houses")).group_by(*late.c)


def widest(measured: MeasuredRows, limit: int) -> Select[Any]:
    """Select `day`, `capture_id` and `gap` (g) of the pairs with the largest |g|."""
    rows = measured.rows
    query = select(rows.c.day, rows.c.id.label("capture_id"), rows.c.g.label("gap"))
    return query.where(rows.c.g.is_not(None)).order_by(func.abs(rows.c.g).desc(), rows.c.id).limit(limit)


def _bin(size: ColumnElement[float]) -> ColumnElement[int]:
    return cast(func.floor(func.ln(size) / log(BIN_RATIO)), BigInteger)


def _cells(rows: FromClause, by: Sequence[str], columns: measures.Columns, name: str) -> FromClause:
    """Sum the measures by day and by all dimensions at once."""
    group = [rows.c[column] for column in by]
    measured = (measure.label(label) for label, measure in columns.items())
    return select(*group, *measured).group_by(*group).cte(name)


def _by_segment(
    cells: FromClause, measured: MeasuredRows, names: Sequence[str], own: Collection[str], *by: str
) -> Select[Any]:
    """Sum the cells, each once for all rows (dimension 0) and once for its segment in each dimension.

    Of the measures `names` those in `own` have another column for segments.
    """
    numbers = (
        select(literal(number).label("dimension")) for number in range(len(measured.segment_columns) + 1)
    )
    dimensions = union_all(*numbers).subquery("dimensions")
    is_of_all = dimensions.c.dimension == 0
    segments = (
        (dimensions.c.dimension == number, cells.c[name])
        for number, name in enumerate(measured.segment_columns, 1)
    )
    split = {name: case((is_of_all, cells.c[name]), else_=cells.c[f"part_{name}"]) for name in own}
    columns = (
        cells.c.day,
        case((is_of_all, ALL_ROWS), *segments).label("segment"),
        *(cells.c[name] for name in by),
        *(split.get(name, cells.c[name]).label(name) for name in names),
    )
    spread = select(*columns).select_from(cells.join(dimensions, true())).subquery("spread")
    group = [spread.c[name] for name in ("day", "segment", *by)]
    added = (EXTREMES.get(name, func.sum)(spread.c[name]).label(name) for name in names)
    return select(*group, *added).group_by(*group)
