"""Planning: how much more it is likely to take, and what the evidence so far cannot exclude."""

from __future__ import annotations

import math
from dataclasses import dataclass

from monitoring.statistics import sequential
from shadow.verdict.findings import Findings
from shadow.verdict.guardrails import day_means
from shadow.verdict.keys import block_sums, houses_key, sold

_WEEK = 7
_PERCENT = 100


@dataclass(frozen=True, slots=True)
class Needed:
    """How many more houses it takes in half and in nine tenths of cases, and days; None: not foreseeable."""

    houses_50: int | None
    houses_90: int | None
    days: int | None


def needed(found: Findings) -> Needed:
    """What a promotion is likely to take still, if everything goes on as it went. A plan, never a reason.

    n50 = 2 sd^2 (ln(1/alpha) + 1) / (effect + delta)^2; n90 with 5 for 1. It fitted three measured cases
    within 25 %; a segment that has few houses may take longer.
    """
    houses, days = found.reading.houses, len(found.full_days)
    rows = _rows(found)
    least = found.facts.policy.min
    if rows is None or not days:
        return Needed(None, None, None)
    more_50, more_90 = (max(0, math.ceil(max(wanted, least.entities) - houses)) for wanted in rows)
    blocks = _more_blocks(found)
    if blocks is None:
        return Needed(more_50, more_90, None)
    return Needed(more_50, more_90, max(missing_days(found), math.ceil(more_90 * days / houses), blocks))


def missing_days(found: Findings) -> int:
    """Days more that the policy wants to be judged at least."""
    least, days = found.facts.policy.min, len(found.full_days)
    return max(least.days - days, _WEEK * least.weekdays - days, 0)


def _rows(found: Findings) -> tuple[float, float] | None:
    """Houses in all that the key on houses is likely to take."""
    reading, facts = found.reading, found.facts
    if found.keys.houses.turned:
        return 0.0, 0.0
    if reading.mean is None or reading.houses < 2:
        return None
    squares = found.judged.m2 if found.by_certificate else found.judged.d2
    sd = math.sqrt(max(squares / reading.houses - reading.mean**2, 0.0))
    n50, n90 = sequential.rows_needed(sd, reading.mean, facts.margin, facts.alpha)
    return (n50, n90) if math.isfinite(n90) else None


def _more_blocks(found: Findings) -> int | None:
    """Days more that the key on days is likely to take."""
    facts = found.facts
    if found.keys.days.turned:
        return 0
    blocks = block_sums(found.days, found.read, facts.margin)
    in_all = sequential.days_needed(blocks, facts.alpha, facts.policy.k_star)
    return max(0, math.ceil(in_all) - len(blocks)) if math.isfinite(in_all) else None


def bad_day_rate_not_excluded(found: Findings) -> float:
    """The largest share of bad days of which that many clean days in a row are still seen with chance alpha.

    1 - alpha^(1 / days), about 3 / days at alpha 0.05 (rule of three): what has not been seen yet cannot be
    excluded. Clean: a day that can be judged alone and is no worse than the worst day allowed.
    """
    worst = found.facts.policy.worst_day.mean
    clean = sum(mean >= worst for mean in day_means(found).values())
    return float(1 - found.facts.policy.alpha ** (1 / clean)) if clean else 1.0


def tipping_point(found: Findings) -> float | None:
    """The share of missing outcomes that must all be worst cases for a key to turn back; 1: all, if at all.

    Worst case of a pair without outcome: d = -min(|ln(candidate / live)|, c). To a hundredth, upwards. None:
    nothing to flip (the keys are not turned), or nothing missing.
    """
    mature = found.mature
    if not found.outcomes.turned or mature.pairs <= mature.sold + mature.withdrawn:
        return None
    shares = (percent / _PERCENT for percent in range(1, _PERCENT + 1))
    return next((share for share in shares if _flips(found, share)), 1.0)


def _flips(found: Findings, share: float) -> bool:
    facts, mature = found.facts, found.mature
    bets = [bet + share * worst for bet, worst in zip(mature.promote, mature.worst_case, strict=True)]
    if not houses_key(bets, facts.alpha).turned:
        return True
    blocks = block_sums(facts.days, sold, facts.margin)
    lost = [
        share * (facts.margin * (sums.pairs - sums.sold - sums.withdrawn) - sums.m_unsold)
        for _, sums in facts.days
        if sums.sold
    ]
    moved = [block + worst for block, worst in zip(blocks, lost, strict=True)]
    return not sequential.lower_bound(moved, facts.alpha, facts.policy.k_star) > 0
