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
    and_,
    case,
    cast,
    func,
    literal,
    select,
    true,
    union_all,
)

from monitoring.comparison import BIN_RATIO, SMALLEST_GAP
from monitoring.sums import Sums, Terms
from shadow.policy import Policy
from shadow.store.dialects import fenced
from shadow.store.evidence import measures
from shadow.store.evidence.houses import gaps, losses, parts, policy_of
from shadow.store.evidence.pairs import Scope, pairs

WHOLE = ""
"""The segment that is all houses."""
EXTREMES: Mapping[str, Any] = {"d_min": func.min, "g_max": func.max}
"""The measures that merge otherwise than by addition."""


def sums(scope: Scope) -> Select[Any]:
    """`day`, `segment` and every measure of Sums; those of segments with the policy's margin for them."""
    terms = scope.stream.terms
    policy = policy_of(terms.policy)
    houses = losses(scope)
    keys = measures.keys(houses, Terms(policy.cap, terms.margin))
    of_parts = measures.keys(houses, Terms(policy.cap, policy.segments.margin))
    columns = measures.plain(houses, policy) | keys | {f"part_{name}": key for name, key in of_parts.items()}
    cells = _cells(houses, policy, columns)
    return _by_segment(cells, policy, Sums.columns(), frozenset(keys))


def gap_bins(scope: Scope) -> Select[Any]:
    """`day`, `segment`, `bin` and `houses`: pairs by |g|, in bins of 2 %."""
    policy = policy_of(scope.stream.terms.policy)
    wide = gaps(scope)
    size = func.abs(wide.c.g)
    bins = _bin(case((size > SMALLEST_GAP, size), else_=SMALLEST_GAP)).label("bin")
    binned = fenced(select(wide, bins).where(wide.c.g.is_not(None)), "binned")
    cells = _cells(binned, policy, {"houses": func.count()}, "bin")
    return _by_segment(cells, policy, ("houses",), frozenset(), "bin")


def delay_bins(scope: Scope) -> Select[Any]:
    """`day`, `bin` and `houses`: sold pairs by the delay of their first price, in bins of 2 %."""
    seen = fenced(pairs(scope), "seen")
    bins = _bin(1 + seen.c.delay_seconds).label("bin")
    sold = and_(seen.c.price.is_not(None), seen.c.candidate.is_not(None))
    binned = select(seen.c.day, bins).where(sold).subquery("binned")
    return select(*binned.c, func.count().label("houses")).group_by(*binned.c)


def widest(scope: Scope, most: int) -> Select[Any]:
    """`day`, `capture_id` and `gap` (g) of the pairs that are furthest apart."""
    seen = fenced(pairs(scope), "seen")
    gap = func.ln(seen.c.candidate / seen.c.live)
    found = select(seen.c.day, seen.c.id.label("capture_id"), gap.label("gap"))
    return found.where(seen.c.candidate.is_not(None)).order_by(func.abs(gap).desc(), seen.c.id).limit(most)


def _bin(size: ColumnElement[float]) -> ColumnElement[int]:
    return cast(func.floor(func.ln(size) / log(BIN_RATIO)), BigInteger)


def _cells(houses: FromClause, policy: Policy, columns: measures.Columns, *by: str) -> FromClause:
    """Measures by day and by all dimensions at once."""
    named = [houses.c[name] for name in ("day", *by, *parts(policy))]
    return (
        select(*named, *(column.label(name) for name, column in columns.items()))
        .group_by(*named)
        .cte("cells")
    )


def _by_segment(
    cells: FromClause, policy: Policy, names: Sequence[str], own: Collection[str], *by: str
) -> Select[Any]:
    """Add up cells, each once for the whole (place 0) and once for its segment in each dimension.

    Of the measures `names` those in `own` have another column for segments.
    """
    every = (select(literal(number).label("place")) for number in range(len(parts(policy)) + 1))
    places = union_all(*every).subquery("places")
    whole = places.c.place == 0
    here = case(
        (whole, WHOLE), *((places.c.place == at, cells.c[name]) for at, name in enumerate(parts(policy), 1))
    )
    measured = (
        (case((whole, cells.c[name]), else_=cells.c[f"part_{name}"]) if name in own else cells.c[name]).label(
            name
        )
        for name in names
    )
    columns = cells.c.day, here.label("segment"), *(cells.c[name] for name in by), *measured
    spread = select(*columns).select_from(cells.join(places, true())).subquery("spread")
    group = [spread.c[name] for name in ("day", "segment", *by)]
    added = (EXTREMES.get(name, func.sum)(spread.c[name]).label(name) for name in names)
    return select(*group, *added).group_by(*group)
