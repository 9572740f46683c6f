"""The watch after a promotion: whether the model that was live before, now a candidate, is the better one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from shadow.verdict.analysis import Analysis
from shadow.verdict.guardrails import Share, day_means
from shadow.verdict.keys import key_pair, regret_differences


@dataclass(frozen=True, slots=True)
class RollbackAdvice:
    """Whether to go back to the model that was live before, and why."""

    alarm: bool
    because: tuple[str, ...]


def advise_rollback(analysis: Analysis) -> RollbackAdvice | None:
    """Return the alarm of a watch; None when this is no watch, or it ended without an alarm.

    Either key of regret suffices, as does a guardrail of the model that is live now: the reverse of other
    streams, since the candidate is the old model.
    """
    evidence = analysis.evidence
    if not evidence.was_live:
        return None
    because = tuple(_reasons(analysis))
    watched_days = sum(sums.sold > 0 for _, sums in evidence.days)
    is_over = watched_days > evidence.policy.watch_days
    return None if is_over and not because else RollbackAdvice(bool(because), because)


def _reasons(analysis: Analysis) -> Iterator[str]:
    evidence, policy = analysis.evidence, analysis.evidence.policy
    old, new = evidence.candidate, evidence.live
    yield from _regret(analysis)
    if _catastrophes_of_new(analysis).above_limit(policy.alpha).is_proved:
        share = _catastrophes_of_new(analysis).value
        yield f"{new} is wrong by more than {policy.cap:g} on {share:.2%} more of the houses than {old}"
    best = max(day_means(analysis).values(), default=0.0)
    if best > -policy.worst_day.mean:
        yield f"on one day {new} did worse than {old} by {best:.4f} on average"


def _regret(analysis: Analysis) -> Iterator[str]:
    evidence = analysis.evidence
    old, new = evidence.candidate, evidence.live
    regret = key_pair(
        evidence, evidence.days, analysis.mature, regret_differences, -evidence.margin, evidence.policy.alpha
    )
    if regret.rows.is_proved:
        capital = f"ln E {regret.rows.ln_e:.2f} of {regret.rows.threshold:.2f}"
        yield f"{old}, live before, is proved better than {new} by more than the margin: {capital}, by houses"
    if regret.days.is_proved:
        yield f"{old}, live before, is proved better than {new} by more than the margin, by days"


def _catastrophes_of_new(analysis: Analysis) -> Share:
    mature = analysis.mature
    return Share(
        mature.catastrophes_only_live,
        mature.catastrophes_only_candidate,
        mature.sold,
        analysis.evidence.policy.guardrails.catastrophes,
    )
