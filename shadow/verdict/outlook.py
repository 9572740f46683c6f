"""The outlook: what a promotion takes still, in a sentence for people."""

from __future__ import annotations

from collections.abc import Sequence

from shadow.verdict.findings import Findings
from shadow.verdict.planning import Needed, missing_days
from shadow.verdict.rules import Result, Rule

_COUNTED = (
    "entities",
    "days",
    "weekdays",
    "key_houses",
    "key_days",
    "certificate_houses",
    "certificate_days",
)
"""The rules that more houses and days will satisfy, which are planned."""


def nothing_known(found: Findings) -> str:
    """The one reason while no house can be judged: it is no fault of the candidate."""
    pairs = int(found.everything.pairs)
    compared = "no house was compared yet"
    if pairs:
        compared = f"{pairs:,} compared so far, none with a known price on a mature day"
    return f"nothing is known yet: it takes {_least(found)} ({compared})"


def words(found: Findings, plan: Needed, rules: Sequence[Rule]) -> str:
    """What is likely to be missing still, if everything goes on as it went."""
    waiting = [rule for rule in rules if rule.result is not Result.PASS]
    if not waiting:
        return "nothing"
    if plan.houses_50 is None or plan.houses_90 is None:
        return _unforeseeable(found)
    parts = [*_planned(plan)]
    if not parts:
        parts = [f"{rule.title}: {rule.detail}" for rule in waiting if rule.rule not in _COUNTED]
    return "; ".join(parts) or "a mature day more: the newest days do not count yet"


def _planned(plan: Needed) -> list[str]:
    parts = []
    if plan.houses_90:
        parts.append(f"{plan.houses_50:,} more houses in half of cases, {plan.houses_90:,} in nine of ten")
    if plan.days is None:
        parts.append("how many days is not foreseeable: so far the days do not look good enough")
    elif plan.days:
        parts.append(f"about {plan.days:,} more days")
    return parts


def _unforeseeable(found: Findings) -> str:
    houses, least = found.reading.houses, found.facts.policy.min
    if houses < least.entities or missing_days(found):
        seen = f"; how many more the {houses:,} so far do not tell" if houses else ""
        return f"at least {_least(found)}{seen}"
    return f"not foreseeable: over {houses:,} {found.noun} the candidate does not look good enough"


def _least(found: Findings) -> str:
    """What the policy wants to be seen at least and has not been, in words."""
    houses = max(found.facts.policy.min.entities - found.reading.houses, 0)
    days = missing_days(found)
    more = "more " if found.reading.houses else ""
    parts = [f"{houses:,} {more}{found.noun}"] * bool(houses) + [f"{days:,} {more}days"] * bool(days)
    return " on ".join(parts) if parts else "more mature days"
