"""The watch after a promotion: the model that was live before is a candidate now. Is it the better one?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from shadow.verdict.findings import Findings
from shadow.verdict.guardrails import Share, day_means
from shadow.verdict.keys import keys, regret


@dataclass(frozen=True, slots=True)
class Rollback:
    """Whether to go back to the model that was live before, and why."""

    alarm: bool
    because: tuple[str, ...]


def rollback(found: Findings) -> Rollback | None:
    """The alarm of a watch; None when this is no watch, or it is over and was quiet.

    Either key of regret suffices, as does a guardrail of the model that is live now: the other way round than
    elsewhere, since the candidate is the old one.
    """
    if not found.facts.was_live:
        return None
    because = tuple(_reasons(found))
    over = len([day for day, sums in found.facts.days if sums.sold]) > found.facts.policy.watch_days
    return None if over and not because else Rollback(bool(because), because)


def _reasons(found: Findings) -> Iterator[str]:
    facts, policy = found.facts, found.facts.policy
    old, new = facts.candidate, facts.live
    mature = found.mature
    regretted = keys(facts, facts.days, mature, regret, -facts.margin, policy.alpha)
    if regretted.houses.turned:
        shown = f"ln E {regretted.houses.ln_e:.2f} of {regretted.houses.threshold:.2f}"
        yield f"{old}, live before, is proved better than {new} by more than the margin: {shown}, by houses"
    if regretted.days.turned:
        yield f"{old}, live before, is proved better than {new} by more than the margin, by days"
    wrong = Share(
        mature.catastrophes_only_live,
        mature.catastrophes_only_candidate,
        mature.sold,
        policy.guardrails.catastrophes,
    )
    if wrong.exceeded(policy.alpha).turned:
        yield f"{new} is wrong by more than {policy.cap:g} on {wrong.value:.2%} more of the houses than {old}"
    best = max(day_means(found).values(), default=0.0)
    if best > -policy.worst_day.mean:
        yield f"on one day {new} did worse than {old} by {best:.4f} on average"
