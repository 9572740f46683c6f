"""Columns: every column of `monitoring.statistics.sums.Sums` as an SQL aggregate over measured rows."""

from __future__ import annotations

from math import inf, log
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, case, func, or_

from monitoring.statistics.sums import Bets, Terms
from shadow.policy import Policy

Columns = dict[str, ColumnElement[Any]]


def plain(rows: FromClause, policy: Policy) -> Columns:
    """Return the measures that do not depend on a margin."""
    return _counts(rows, policy) | _losses(rows) | _agreement(rows)


def keys(rows: FromClause, terms: Terms) -> Columns:
    """Return the logarithms of the betting factors; the cap in `terms` is the one of the rows' losses."""
    ahead, behind = terms.margin, -terms.margin
    return {
        **_logs("promote", terms.gaining, rows.c.d, ahead),
        **_logs("harm", terms.losing, -rows.c.d, behind),
        **_logs("regret", terms.losing, rows.c.d, behind),
        **_logs("certificate", terms.gaining, -rows.c.m, ahead),
        **_logs("worst_case", terms.gaining, -rows.c.m_open, ahead),
    }


def _logs(key: str, lambdas: Bets, gain: ColumnElement[float], margin: float) -> Columns:
    return {f"{key}_{bet}": _sum(func.ln(1 + stake * (gain + margin))) for bet, stake in enumerate(lambdas)}


def _counts(rows: FromClause, policy: Policy) -> Columns:
    low, high = policy.guardrails.price_range_dollars
    latency, candidate = rows.c.latency_seconds, rows.c.candidate
    return {
        "pairs": func.count(candidate),
        "failed": func.count(case((candidate.is_(None), 1))),
        "sold": func.count(rows.c.d),
        "withdrawn": func.count(case((and_(rows.c.withdrawn == 1, candidate.is_not(None)), 1))),
        "timed": func.count(latency),
        "slow": _count(latency > policy.guardrails.latency.budget_seconds),
        "out_of_bounds": _count(or_(candidate < low, candidate > high)),
    }


def _losses(rows: FromClause) -> Columns:
    live, candidate = rows.c.bad_live, rows.c.bad_candidate
    return {
        "loss_live": _sum(case((rows.c.d.is_not(None), rows.c.loss_live))),
        "loss_candidate": _sum(rows.c.loss_candidate),
        "d": _sum(rows.c.d),
        "d2": _sum(rows.c.d * rows.c.d),
        "d_min": func.coalesce(func.min(rows.c.d), inf),
        "catastrophes_live": _count(live),
        "catastrophes_candidate": _count(candidate),
        "catastrophes_only_live": _count(and_(live, ~candidate)),
        "catastrophes_only_candidate": _count(and_(candidate, ~live)),
    }


def _agreement(rows: FromClause) -> Columns:
    g, m, x, y = rows.c.g, rows.c.m, rows.c.x, rows.c.y
    paired_x = case((y.is_not(None), x))
    return {
        "m": _sum(m),
        "m2": _sum(m * m),
        "m_unsold": _sum(rows.c.m_open),
        "g": _sum(g),
        "g2": _sum(g * g),
        "abs_g": _sum(func.abs(g)),
        "abs_dollars": _sum(func.abs(rows.c.candidate - rows.c.live)),
        **{f"beyond_{percent}": _count(func.abs(g) > percent / 100) for percent in (5, 10, 20)},
        "absurd": _count(func.abs(g) > log(2)),
        "g_max": func.coalesce(func.max(func.abs(g)), 0.0),
        "x": _sum(paired_x),
        "y": _sum(y),
        "x2": _sum(paired_x * paired_x),
        "y2": _sum(y * y),
        "xy": _sum(x * y),
    }


def _sum(value: ColumnElement[float]) -> ColumnElement[float]:
    return func.coalesce(func.sum(value), 0.0)


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(case((condition, 1)))
