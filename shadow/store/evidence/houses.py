"""Houses: pairs with all that is measured of them, computed once per house and then used many times."""

from __future__ import annotations

from functools import lru_cache

from sqlalchemy import ColumnElement, FromClause, and_, case, func, select

from monitoring.sums import CENTRE_DOLLARS
from shadow.policy import Dimension, Policy
from shadow.store.dialects import Parsed, fenced
from shadow.store.evidence.pairs import Scope, pairs
from shadow.store.evidence.segments import segment


@lru_cache(maxsize=64)
def policy_of(text: str) -> Policy:
    """The policy of a stream, read once."""
    return Policy.parse(text)


def parts(policy: Policy) -> dict[str, Dimension]:
    """The dimensions of a policy by the column that says a house's segment in it."""
    return {f"part_{place}": dimension for place, dimension in enumerate(policy.dimensions, 1)}


def gaps(scope: Scope) -> FromClause:
    """Pairs with segments and logarithms: x, y, g as in `Sums`; `off_...` is |ln(prediction / price)|."""
    policy = policy_of(scope.stream.terms.policy)
    asked = fenced(pairs(scope), "asked")
    read = fenced(select(asked, Parsed(asked.c.inputs).label("house")), "seen")
    named = (segment(one, read.c.house, read.c.live).label(name) for name, one in parts(policy).items())
    kept = (column for column in read.c if column.name not in ("inputs", "house"))
    logs = {
        "x": func.ln(read.c.live / CENTRE_DOLLARS),
        "y": func.ln(read.c.candidate / CENTRE_DOLLARS),
        "g": func.ln(read.c.candidate / read.c.live),
        "off_live": func.abs(func.ln(read.c.live / read.c.price)),
        "off_candidate": func.abs(func.ln(read.c.candidate / read.c.price)),
    }
    return fenced(select(*kept, *named, *(value.label(name) for name, value in logs.items())), "gaps")


def losses(scope: Scope) -> FromClause:
    """The same with the capped gap `m`, `m_open` of open houses, and both losses and `d` of sold ones."""
    cap = policy_of(scope.stream.terms.policy).cap
    wide = gaps(scope)
    sold = wide.c.off_candidate.is_not(None)
    capped = fenced(
        select(
            wide,
            _at_most(func.abs(wide.c.g), cap).label("m"),
            case((sold, _at_most(wide.c.off_live, cap))).label("loss_live"),
            case((sold, _at_most(wide.c.off_candidate, cap))).label("loss_candidate"),
            and_(sold, wide.c.off_live > cap).label("bad_live"),
            and_(sold, wide.c.off_candidate > cap).label("bad_candidate"),
        ),
        "capped",
    )
    is_open = and_(capped.c.price.is_(None), capped.c.withdrawn == 0)
    d = (capped.c.loss_live - capped.c.loss_candidate).label("d")
    return fenced(select(capped, d, case((is_open, capped.c.m)).label("m_open")), "houses")


def _at_most(value: ColumnElement[float], most: float) -> ColumnElement[float]:
    return case((value > most, most), else_=value)
