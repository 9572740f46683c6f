"""The outlook: what a promotion is still likely to take, in a sentence."""

from __future__ import annotations

from collections.abc import Sequence

from shadow.verdict.analysis import Analysis
from shadow.verdict.planning import SampleSizePlan, missing_days
from shadow.verdict.rules import Rule, RuleResult

_PLANNED_RULES = (
    "entities",
    "days",
    "weekdays",
    "key_houses",
    "key_days",
    "certificate_houses",
    "certificate_days",
)
"""The rules that more rows and days will satisfy, which the plan counts."""


def before_any_row(analysis: Analysis) -> str:
    """Give the one reason while no row can be judged."""
    pairs = int(analysis.everything.pairs)
    compared = "no house was compared yet"
    if pairs:
        compared = f"{pairs:,} compared so far, none with a known price on a mature day"
    return f"nothing is known yet: it takes {_minimum(analysis)} ({compared})"


def sentence(analysis: Analysis, plan: SampleSizePlan, rules: Sequence[Rule]) -> str:
    """Say what is likely to be missing still, if everything goes on as it went."""
    unmet = [rule for rule in rules if rule.result is not RuleResult.PASS]
    if not unmet:
        return "nothing"
    if plan.rows_50 is None or plan.rows_90 is None:
        return _unforeseeable(analysis)
    phrases = _planned(plan)
    if not phrases:
        phrases = [f"{rule.title}: {rule.detail}" for rule in unmet if rule.rule not in _PLANNED_RULES]
    return "; ".join(phrases) or "a mature day more: the newest days do not count yet"


def _planned(plan: SampleSizePlan) -> list[str]:
    phrases = []
    if plan.rows_90:
        phrases.append(f"{plan.rows_50:,} more houses in half of cases, {plan.rows_90:,} in nine of ten")
    if plan.days is None:
        phrases.append("how many days is not foreseeable: so far the days do not look good enough")
    elif plan.days:
        phrases.append(f"about {plan.days:,} more days")
    return phrases


def _unforeseeable(analysis: Analysis) -> str:
    rows, least = analysis.differences.rows, analysis.evidence.policy.min
    if rows < least.entities or missing_days(analysis):
        beyond = f"; how many more the {rows:,} so far do not tell" if rows else ""
        return f"at least {_minimum(analysis)}{beyond}"
    return f"not foreseeable: over {rows:,} {analysis.noun} the candidate does not look good enough"


def _minimum(analysis: Analysis) -> str:
    """Say what the policy's minimum still lacks."""
    rows = max(analysis.evidence.policy.min.entities - analysis.differences.rows, 0)
    days = missing_days(analysis)
    more = "more " if analysis.differences.rows else ""
    phrases = [f"{rows:,} {more}{analysis.noun}"] * bool(rows) + [f"{days:,} {more}days"] * bool(days)
    return " on ".join(phrases) if phrases else "more mature days"
