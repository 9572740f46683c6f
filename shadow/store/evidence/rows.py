"""Houses: pairs with all that is measured of them, computed once per house and then used many times."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, and_, case, func, select

from monitoring.statistics.sums import CENTRE_DOLLARS
from shadow.policy import Dimension, Policy
from shadow.store.database.dialects import fenced, with_fields
from shadow.store.evidence.pairs import Scope, pairs
from shadow.store.evidence.segments import fields, segment


@dataclass(frozen=True, slots=True)
class Houses:
    """Rows with the columns of `pairs`; `part_1`, `part_2`...: the segment in each dimension; and measures.

    x, y, g as in `Sums`; `m` the capped gap, `m_open` that of houses still open. Of sold ones both losses,
    `d`, and whether a model was wrong by more than the cap. Null where there is none.
    """

    rows: FromClause
    policy: Policy
    margin: float

    @property
    def parts(self) -> list[str]:
        """The columns that say a house's segment in each dimension."""
        return list(_parts(self.policy))


def houses(scope: Scope) -> Houses:
    """The houses of a scope."""
    policy = _policy(scope.stream.terms.policy)
    rows = _differing(_capped(_apart(scope, policy), policy.cap)).cte("houses")
    return Houses(rows, policy, scope.stream.terms.margin)


@lru_cache(maxsize=64)
def _policy(text: str) -> Policy:
    return Policy.parse(text)


def _parts(policy: Policy) -> dict[str, Dimension]:
    return {f"part_{place}": dimension for place, dimension in enumerate(policy.dimensions, 1)}


def _apart(scope: Scope, policy: Policy) -> FromClause:
    """Pairs with their segments and logarithms."""
    asked = fenced(pairs(scope), "asked")
    read = fenced(with_fields(asked, "inputs", fields(policy.dimensions), scope.database), "seen")
    kept = (one for one in read.c if one.name != "inputs" and not one.name.startswith("field_"))
    logs = {
        "x": func.ln(read.c.live / CENTRE_DOLLARS),
        "y": func.ln(read.c.candidate / CENTRE_DOLLARS),
        "g": func.ln(read.c.candidate / read.c.live),
        "off_live": func.abs(func.ln(read.c.live / read.c.price)),
        "off_candidate": func.abs(func.ln(read.c.candidate / read.c.price)),
    }
    named = {name: segment(dimension, read) for name, dimension in _parts(policy).items()} | logs
    return fenced(select(*kept, *(value.label(name) for name, value in named.items())), "apart")


def _capped(apart: FromClause, cap: float) -> FromClause:
    sold = apart.c.off_candidate.is_not(None)
    return fenced(
        select(
            apart,
            _at_most(func.abs(apart.c.g), cap).label("m"),
            case((sold, _at_most(apart.c.off_live, cap))).label("loss_live"),
            case((sold, _at_most(apart.c.off_candidate, cap))).label("loss_candidate"),
            and_(sold, apart.c.off_live > cap).label("bad_live"),
            and_(sold, apart.c.off_candidate > cap).label("bad_candidate"),
        ),
        "capped",
    )


def _differing(capped: FromClause) -> Select[Any]:
    is_open = and_(capped.c.price.is_(None), capped.c.withdrawn == 0)
    d = (capped.c.loss_live - capped.c.loss_candidate).label("d")
    return select(capped, d, case((is_open, capped.c.m)).label("m_open")).offset(0)


def _at_most(value: ColumnElement[float], most: float) -> ColumnElement[float]:
    return case((value > most, most), else_=value)
