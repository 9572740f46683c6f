"""Measures: every column of `monitoring.statistics.sums.Sums` as an SQL aggregate over houses."""

from __future__ import annotations

from math import inf, log
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, case, func, or_

from monitoring.statistics.sums import Bets, Terms
from shadow.policy import Policy

Columns = dict[str, ColumnElement[Any]]


def plain(houses: FromClause, policy: Policy) -> Columns:
    """The measures that no margin enters."""
    return _counts(houses, policy) | _losses(houses) | _agreement(houses)


def keys(houses: FromClause, terms: Terms) -> Columns:
    """The logarithms of the betting factors; the cap in `terms` is that of the houses' losses."""
    ahead, behind = terms.margin, -terms.margin
    found: Columns = {}
    found |= _logs("promote", terms.gaining, houses.c.d, ahead)
    found |= _logs("harm", terms.losing, -houses.c.d, behind)
    found |= _logs("regret", terms.losing, houses.c.d, behind)
    found |= _logs("certificate", terms.gaining, -houses.c.m, ahead)
    found |= _logs("worst_case", terms.gaining, -houses.c.m_open, ahead)
    return found


def _logs(key: str, lambdas: Bets, gain: ColumnElement[float], margin: float) -> Columns:
    return {f"{key}_{bet}": _sum(func.ln(1 + stake * (gain + margin))) for bet, stake in enumerate(lambdas)}


def _counts(houses: FromClause, policy: Policy) -> Columns:
    low, high = policy.guardrails.price_range_dollars
    latency, candidate = houses.c.latency_seconds, houses.c.candidate
    return {
        "pairs": func.count(candidate),
        "failed": func.count(case((candidate.is_(None), 1))),
        "sold": func.count(houses.c.d),
        "withdrawn": func.count(case((and_(houses.c.withdrawn == 1, candidate.is_not(None)), 1))),
        "timed": func.count(latency),
        "slow": _count(latency > policy.guardrails.latency.budget_seconds),
        "out_of_bounds": _count(or_(candidate < low, candidate > high)),
    }


def _losses(houses: FromClause) -> Columns:
    live, candidate = houses.c.bad_live, houses.c.bad_candidate
    return {
        "loss_live": _sum(case((houses.c.d.is_not(None), houses.c.loss_live))),
        "loss_candidate": _sum(houses.c.loss_candidate),
        "d": _sum(houses.c.d),
        "d2": _sum(houses.c.d * houses.c.d),
        "d_min": func.coalesce(func.min(houses.c.d), inf),
        "catastrophes_live": _count(live),
        "catastrophes_candidate": _count(candidate),
        "catastrophes_only_live": _count(and_(live, ~candidate)),
        "catastrophes_only_candidate": _count(and_(candidate, ~live)),
    }


def _agreement(houses: FromClause) -> Columns:
    g, m, x, y = houses.c.g, houses.c.m, houses.c.x, houses.c.y
    paired_x = case((y.is_not(None), x))
    return {
        "m": _sum(m),
        "m2": _sum(m * m),
        "m_unsold": _sum(houses.c.m_open),
        "g": _sum(g),
        "g2": _sum(g * g),
        "abs_g": _sum(func.abs(g)),
        "abs_dollars": _sum(func.abs(houses.c.candidate - houses.c.live)),
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
