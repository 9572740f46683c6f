"""Measured rows: pairs with every measure of them, computed once per row and then used many times."""

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
class MeasuredRows:
    """`rows` has the columns of `pairs`, `part_1`, `part_2`... (the segment in each dimension) and measures.

    x, y, g as in `Sums`; `m` the capped gap, `m_open` the same of rows whose outcome is open. Of rows with a
    known outcome also both losses, `d`, and whether a model was wrong by more than the cap. Null where there
    is none.
    """

    rows: FromClause
    policy: Policy
    margin: float

    @property
    def segment_columns(self) -> list[str]:
        """The columns that hold a row's segment, one per dimension."""
        return list(_by_column(self.policy))


def measured_rows(scope: Scope) -> MeasuredRows:
    """Build the query for the measured rows of a scope."""
    policy = _policy(scope.stream.terms.policy)
    rows = _with_differences(_with_losses(_with_logs(scope, policy), policy.cap)).cte("measured")
    return MeasuredRows(rows, policy, scope.stream.terms.margin)


@lru_cache(maxsize=64)
def _policy(text: str) -> Policy:
    return Policy.parse(text)


def _by_column(policy: Policy) -> dict[str, Dimension]:
    return {f"part_{number}": dimension for number, dimension in enumerate(policy.dimensions, 1)}


def _with_logs(scope: Scope, policy: Policy) -> FromClause:
    """Add segments and logarithms to the pairs."""
    paired = fenced(pairs(scope), "paired")
    read = fenced(with_fields(paired, "inputs", fields(policy.dimensions), scope.database), "read")
    columns = (
        column for column in read.c if column.name != "inputs" and not column.name.startswith("field_")
    )
    logs = {
        "x": func.ln(read.c.live / CENTRE_DOLLARS),
        "y": func.ln(read.c.candidate / CENTRE_DOLLARS),
        "g": func.ln(read.c.candidate / read.c.live),
        "off_live": func.abs(func.ln(read.c.live / read.c.price)),
        "off_candidate": func.abs(func.ln(read.c.candidate / read.c.price)),
    }
    added = {name: segment(dimension, read) for name, dimension in _by_column(policy).items()} | logs
    return fenced(select(*columns, *(value.label(name) for name, value in added.items())), "logs")


def _with_losses(rows: FromClause, cap: float) -> FromClause:
    """Add the capped gap, both capped losses, and whether a model was wrong by more than the cap."""
    sold = rows.c.off_candidate.is_not(None)
    return fenced(
        select(
            rows,
            _at_most(func.abs(rows.c.g), cap).label("m"),
            case((sold, _at_most(rows.c.off_live, cap))).label("loss_live"),
            case((sold, _at_most(rows.c.off_candidate, cap))).label("loss_candidate"),
            and_(sold, rows.c.off_live > cap).label("bad_live"),
            and_(sold, rows.c.off_candidate > cap).label("bad_candidate"),
        ),
        "losses",
    )


def _with_differences(rows: FromClause) -> Select[Any]:
    """Add the difference of the losses, and the capped gap of rows whose outcome is open."""
    is_open = and_(rows.c.price.is_(None), rows.c.withdrawn == 0)
    d = (rows.c.loss_live - rows.c.loss_candidate).label("d")
    return select(rows, d, case((is_open, rows.c.m)).label("m_open")).offset(0)


def _at_most(value: ColumnElement[float], limit: float) -> ColumnElement[float]:
    return case((value > limit, limit), else_=value)
