"""Planning: how many more rows and days a promotion is likely to take, and what cannot be excluded yet."""

from __future__ import annotations

import math
from dataclasses import dataclass

from monitoring.statistics import sequential
from shadow.verdict.analysis import Analysis
from shadow.verdict.guardrails import day_means
from shadow.verdict.keys import block_sums, rows_key, sold_differences

_WEEK = 7
_PERCENT = 100


@dataclass(frozen=True, slots=True)
class SampleSizePlan:
    """How many more rows it takes in half and in nine tenths of cases, and days; None: not foreseeable."""

    rows_50: int | None
    rows_90: int | None
    days: int | None


def sample_size(analysis: Analysis) -> SampleSizePlan:
    """Plan what a promotion is still likely to take, if everything goes on as it went. Never a reason.

    n50 = 2 sd^2 (ln(1/alpha) + 1) / (effect + delta)^2; n90 with 5 for 1. It fitted three measured cases
    within 25 %; a segment that has few rows may take longer.
    """
    rows, days = analysis.differences.rows, len(analysis.full_days)
    planned = _rows_in_all(analysis)
    least = analysis.evidence.policy.min
    if planned is None or not days:
        return SampleSizePlan(None, None, None)
    more_50, more_90 = (max(0, math.ceil(max(number, least.entities) - rows)) for number in planned)
    more_days = _more_days(analysis)
    if more_days is None:
        return SampleSizePlan(more_50, more_90, None)
    at_this_rate = math.ceil(more_90 * days / rows)
    return SampleSizePlan(more_50, more_90, max(missing_days(analysis), at_this_rate, more_days))


def missing_days(analysis: Analysis) -> int:
    """Count the days that the policy's minimum still lacks."""
    least, days = analysis.evidence.policy.min, len(analysis.full_days)
    return max(least.days - days, _WEEK * least.weekdays - days, 0)


def _rows_in_all(analysis: Analysis) -> tuple[float, float] | None:
    """Plan the rows in all that the key on rows is likely to take: in half and in nine tenths of cases."""
    differences, evidence = analysis.differences, analysis.evidence
    if analysis.keys.rows.is_proved:
        return 0.0, 0.0
    if differences.mean is None or differences.rows < 2:
        return None
    sums = analysis.judged.sums
    squares = sums.m2 if analysis.by_certificate else sums.d2
    sd = math.sqrt(max(squares / differences.rows - differences.mean**2, 0.0))
    n50, n90 = sequential.rows_needed(sd, differences.mean, evidence.margin, evidence.alpha)
    return (n50, n90) if math.isfinite(n90) else None


def _more_days(analysis: Analysis) -> int | None:
    """Plan the days that the key on days is likely to take beyond those judged."""
    evidence, judged = analysis.evidence, analysis.judged
    if analysis.keys.days.is_proved:
        return 0
    blocks = block_sums(judged.days, judged.differences_of, evidence.margin)
    in_all = sequential.days_needed(blocks, evidence.alpha, evidence.policy.k_star)
    return max(0, math.ceil(in_all) - len(blocks)) if math.isfinite(in_all) else None


def bad_day_rate_not_excluded(analysis: Analysis) -> float:
    """Return the largest share of bad days at which so many clean days in a row still have chance alpha.

    1 - alpha^(1 / days), about 3 / days at alpha 0.05 (rule of three). Clean: a day that can be judged alone
    and is no worse than the worst day allowed.
    """
    worst = analysis.evidence.policy.worst_day.mean
    clean = sum(mean >= worst for mean in day_means(analysis).values())
    return float(1 - analysis.evidence.policy.alpha ** (1 / clean)) if clean else 1.0


def tipping_point(analysis: Analysis) -> float | None:
    """Return the share of missing outcomes that would all have to be worst cases to undo the proof.

    Worst case of a pair without outcome: d = -min(|ln(candidate / live)|, c). To a hundredth, upwards; 1: all
    of them, if at all. None: nothing is proved, or nothing is missing.
    """
    mature = analysis.mature
    if not analysis.outcomes.is_proved or mature.pairs <= mature.sold + mature.withdrawn:
        return None
    shares = (percent / _PERCENT for percent in range(1, _PERCENT + 1))
    return next((share for share in shares if _undoes_proof(analysis, share)), 1.0)


def _undoes_proof(analysis: Analysis, share: float) -> bool:
    evidence, mature = analysis.evidence, analysis.mature
    bets = [bet + share * worst for bet, worst in zip(mature.promote, mature.worst_case, strict=True)]
    if not rows_key(bets, evidence.alpha).is_proved:
        return True
    blocks = block_sums(evidence.days, sold_differences, evidence.margin)
    worst_cases = [
        share * (evidence.margin * (sums.pairs - sums.sold - sums.withdrawn) - sums.m_unsold)
        for _, sums in evidence.days
        if sums.sold
    ]
    supposed = [block + worst for block, worst in zip(blocks, worst_cases, strict=True)]
    return not sequential.lower_bound(supposed, evidence.alpha, evidence.policy.k_star) > 0
