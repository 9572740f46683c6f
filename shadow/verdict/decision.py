"""The decision: rules in, one state out, with the reasons. Pure: the same evidence gives the same verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shadow.records import VerdictState
from shadow.verdict import exposure, guardrails, proof
from shadow.verdict.analysis import Analysis, analyse
from shadow.verdict.evidence import StreamEvidence
from shadow.verdict.outlook import before_any_row
from shadow.verdict.rules import Effect, Rule, RuleResult
from shadow.verdict.watch import RollbackAdvice, advise_rollback

_GRAVITY = (Effect.REJECT, Effect.BLOCKED, Effect.EXPIRED, Effect.INSUFFICIENT, Effect.CONTINUE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state of a candidate as the evidence has it, with the rules that led to it and the reasons."""

    state: VerdictState
    since: datetime
    rules: tuple[Rule, ...]
    reasons: tuple[str, ...]
    rollback: RollbackAdvice | None
    analysis: Analysis

    @property
    def evidence(self) -> StreamEvidence:
        """The evidence it was computed from."""
        return self.analysis.evidence


def decide(evidence: StreamEvidence) -> Verdict:
    """Judge one candidate in one stream as of `evidence.now`.

    Precedence: reject, blocked, promote (when every rule passes), expired, insufficient, continue. Nothing is
    latched: a rule that passed before has to pass now.
    """
    analysis = analyse(evidence)
    rules = (
        *proof.rules(analysis),
        *exposure.rules(analysis),
        *guardrails.rules(analysis),
        _horizon(evidence),
    )
    state = _state(rules)
    previous = evidence.previous
    since = previous[1] if previous is not None and previous[0] is state else evidence.now
    reasons = _reasons(state, rules, analysis)
    return Verdict(state, since, rules, reasons, advise_rollback(analysis), analysis)


def _horizon(evidence: StreamEvidence) -> Rule:
    """Fail once the policy's horizon is over; a candidate that passes every other rule is still promoted."""
    days = (evidence.now - evidence.started_at) / timedelta(seconds=evidence.policy.day_seconds)
    most = evidence.policy.horizon_days
    result = RuleResult.FAIL if days >= most else RuleResult.PASS
    detail = f"day {days:.1f} of {most}"
    return Rule("horizon", "Within the horizon", days, most, "days", result, Effect.EXPIRED, detail)


def _state(rules: Sequence[Rule]) -> VerdictState:
    failing = {rule.effect for rule in rules if rule.result is RuleResult.FAIL}
    unmet = {rule.effect for rule in rules if rule.result is not RuleResult.PASS} - {Effect.EXPIRED}
    if Effect.REJECT in failing:
        return VerdictState.REJECT
    if Effect.BLOCKED in failing:
        return VerdictState.BLOCKED
    if not unmet:
        return VerdictState.PROMOTE
    if Effect.EXPIRED in failing:
        return VerdictState.EXPIRED
    return VerdictState.INSUFFICIENT if Effect.INSUFFICIENT in unmet else VerdictState.CONTINUE


def _reasons(state: VerdictState, rules: Sequence[Rule], analysis: Analysis) -> tuple[str, ...]:
    """List everything that is in the way, the gravest first; never empty."""
    if state is VerdictState.PROMOTE:
        return (_why_promote(analysis), f"all {len(rules)} rules are met")
    unmet = [rule for rule in rules if rule.result is not RuleResult.PASS]
    if state is VerdictState.INSUFFICIENT and not analysis.differences.rows:
        failing = [f"{rule.title}: {rule.detail}" for rule in unmet if rule.result is RuleResult.FAIL]
        return (before_any_row(analysis), *failing)
    # Rules that fail stand before those that are unknown.
    ranked = sorted(unmet, key=lambda rule: (rule.result is RuleResult.UNKNOWN, _GRAVITY.index(rule.effect)))
    return tuple(
        f"{rule.title}: {rule.detail}" + (" (unknown)" if rule.result is RuleResult.UNKNOWN else "")
        for rule in ranked
    )


def _why_promote(analysis: Analysis) -> str:
    evidence, differences = analysis.evidence, analysis.differences
    candidate, live, margin = evidence.candidate, evidence.live, evidence.margin
    mean = differences.mean or 0.0
    if analysis.by_certificate:
        return (
            f"{candidate} differs from {live} by {-mean:.5f} on average over "
            f"{differences.rows:,} pairs: whatever the outcomes, it is not worse by {margin:.5f}"
        )
    return (
        f"{candidate} is not worse than {live} by {margin:.5f} or more: mean difference "
        f"{mean:+.5f} over {differences.rows:,} sold houses on {len(analysis.full_days)} mature days"
    )
