"""The decision: rules in, one state out, with the reasons. Pure: the same facts give the same verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shadow.records import VerdictState
from shadow.verdict import exposure, guardrails, proof
from shadow.verdict.document import document
from shadow.verdict.facts import Facts
from shadow.verdict.findings import Findings, find
from shadow.verdict.outlook import nothing_known
from shadow.verdict.rules import Effect, Result, Rule
from shadow.verdict.watch import Rollback, rollback

_ORDER = (Effect.REJECT, Effect.BLOCKED, Effect.EXPIRED, Effect.INSUFFICIENT, Effect.CONTINUE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the evidence says of a candidate, by which rules, and why."""

    state: VerdictState
    since: datetime
    rules: tuple[Rule, ...]
    reasons: tuple[str, ...]
    rollback: Rollback | None
    found: Findings

    @property
    def facts(self) -> Facts:
        """What it was made of."""
        return self.found.facts

    def as_json(self) -> dict[str, object]:
        """The whole verdict as a document; numbers there are not are null."""
        return {
            "state": self.state.value,
            "since": self.since.isoformat(),
            "rules": [rule.as_json() for rule in self.rules],
            "reasons": list(self.reasons),
            "rollback": None
            if self.rollback is None
            else {"alarm": self.rollback.alarm, "because": list(self.rollback.because)},
            **document(self.found, self.rules),
        }


def decide(facts: Facts) -> Verdict:
    """Judge one candidate in one stream as of `facts.now`.

    Precedence: reject, blocked, promote (when every rule passes), expired, insufficient, continue. Nothing is
    latched: what passed before has to pass now.
    """
    found = find(facts)
    rules = (*proof.rules(found), *exposure.rules(found), *guardrails.rules(found), _horizon(facts))
    state = _state(rules)
    before = facts.previous
    since = before[1] if before is not None and before[0] is state else facts.now
    return Verdict(state, since, rules, _reasons(state, rules, found), rollback(found), found)


def _horizon(facts: Facts) -> Rule:
    """Without a promotion by then there will be none; whoever passes every other rule is still promoted."""
    days = (facts.now - facts.started_at) / timedelta(seconds=facts.policy.day_seconds)
    most = facts.policy.horizon_days
    result = Result.FAIL if days >= most else Result.PASS
    words = f"day {days:.1f} of {most}"
    return Rule("horizon", "Within the horizon", days, most, "days", result, Effect.EXPIRED, words)


def _state(rules: Sequence[Rule]) -> VerdictState:
    failing = {rule.effect for rule in rules if rule.result is Result.FAIL}
    open_ = {rule.effect for rule in rules if rule.result is not Result.PASS} - {Effect.EXPIRED}
    if Effect.REJECT in failing:
        return VerdictState.REJECT
    if Effect.BLOCKED in failing:
        return VerdictState.BLOCKED
    if not open_:
        return VerdictState.PROMOTE
    if Effect.EXPIRED in failing:
        return VerdictState.EXPIRED
    return VerdictState.INSUFFICIENT if Effect.INSUFFICIENT in open_ else VerdictState.CONTINUE


def _reasons(state: VerdictState, rules: Sequence[Rule], found: Findings) -> tuple[str, ...]:
    """Why it is so: everything that is in the way, the gravest first; never empty."""
    if state is VerdictState.PROMOTE:
        return (_why_promote(found), f"all {len(rules)} rules are met")
    in_the_way = [rule for rule in rules if rule.result is not Result.PASS]
    if state is VerdictState.INSUFFICIENT and not found.reading.houses:
        wrong = [f"{rule.title}: {rule.detail}" for rule in in_the_way if rule.result is Result.FAIL]
        return (nothing_known(found), *wrong)
    # What is known to be wrong stands before what is not known.
    ranked = sorted(in_the_way, key=lambda rule: (rule.result is Result.UNKNOWN, _ORDER.index(rule.effect)))
    return tuple(
        f"{rule.title}: {rule.detail}" + (" (unknown)" if rule.result is Result.UNKNOWN else "")
        for rule in ranked
    )


def _why_promote(found: Findings) -> str:
    facts, mean = found.facts, found.reading.mean or 0.0
    if found.by_certificate:
        return (
            f"{facts.candidate} differs from {facts.live} by {-mean:.5f} on average over "
            f"{found.reading.houses:,} pairs: whatever the outcomes, it is not worse by {facts.margin:.5f}"
        )
    return (
        f"{facts.candidate} is not worse than {facts.live} by {facts.margin:.5f} or more: mean difference "
        f"{mean:+.5f} over {found.reading.houses:,} sold houses on {len(found.full_days)} mature days"
    )
