"""The guardrails: rules that no gain in accuracy makes up for. A guardrail that fails blocks.

A share is the mean of a bounded variable and tested by the betting key. Its rule fails once the key proves
the share to be over its limit. It passes when the observed share is within the limit, there are enough rows
and the key proves nothing; with the policy's `require_proof` only once a key proves the share to be below the
limit. Else it is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from monitoring.statistics import sequential
from monitoring.statistics.drift import MINIMUM_HOUSES
from shadow.verdict.analysis import Analysis
from shadow.verdict.keys import RowsKey, rows_key
from shadow.verdict.rules import Effect, Rule, RuleResult

_DRIFT_STATES = ("there is none", "yellow", "red")


@dataclass(frozen=True, slots=True)
class Share:
    """Of `rows`, `against` speak against the candidate, `in_favour` for it; the rest do neither."""

    against: float
    in_favour: float
    rows: float
    limit: float

    @property
    def value(self) -> float | None:
        """The observed share: positive when it speaks against the candidate."""
        return (self.against - self.in_favour) / self.rows if self.rows else None

    def above_limit(self, alpha: float) -> RowsKey:
        """Compute the key of the share being above the limit."""
        rest = self.rows - self.against - self.in_favour
        return rows_key(sequential.bernoulli_sums(self.against, self.in_favour, rest, -self.limit), alpha)

    def below_limit(self, alpha: float) -> RowsKey:
        """Compute the key of the share being below the limit."""
        rest = self.rows - self.against - self.in_favour
        return rows_key(sequential.bernoulli_sums(self.in_favour, self.against, rest, self.limit), alpha)


def rules(analysis: Analysis) -> Iterator[Rule]:
    """Yield every guardrail."""
    limits, everything = analysis.evidence.policy.guardrails, analysis.everything
    scored, least = everything.pairs + everything.failed, analysis.evidence.policy.min.entities
    yield _worst_day(analysis)
    yield _share(analysis, "errors", "Failures", Share(everything.failed, 0, scored, limits.errors), least)
    yield _catastrophes(analysis)
    slow = Share(everything.slow, 0, everything.timed, limits.latency.share)
    yield _share(
        analysis, "latency", f"Slower than {limits.latency.budget_seconds:g} s", slow, limits.latency.rows
    )
    yield _dropped(analysis, least)
    yield _pending(analysis, least)
    absurd = Share(everything.absurd, 0, everything.pairs, limits.absurd)
    yield _share(analysis, "absurd", "More than a factor of 2 apart", absurd, least)
    yield _price_range(analysis)
    yield _drift(analysis)


def _share(analysis: Analysis, rule: str, title: str, share: Share, least: int) -> Rule:
    alpha, needs_proof = analysis.evidence.alpha, analysis.evidence.policy.guardrails.require_proof
    is_within = share.value is not None and share.value <= share.limit and share.rows >= least
    if share.above_limit(alpha).is_proved:
        result = RuleResult.FAIL
    elif share.below_limit(alpha).is_proved if needs_proof else is_within:
        result = RuleResult.PASS
    else:
        result = RuleResult.UNKNOWN
    detail = _share_detail(share, least, result)
    return Rule(rule, title, share.value, share.limit, "share", result, Effect.BLOCKED, detail)


def _share_detail(share: Share, least: int, result: RuleResult) -> str:
    net = f"{share.against - share.in_favour:,.0f} of {share.rows:,.0f} rows; the limit is {share.limit:.2%}"
    if result is RuleResult.FAIL:
        return f"{net}, and it is proved to be exceeded"
    return f"{net}; it takes {least:,} rows" if share.rows < least else net


def _worst_day(analysis: Analysis) -> Rule:
    """Fail when a single mature day is a disaster, however good all of them are together."""
    policy = analysis.evidence.policy.worst_day
    means = day_means(analysis)
    worst = min(means.values(), default=None)
    is_failed = worst is not None and worst < policy.mean
    has_rows = bool(analysis.differences.rows)
    result = RuleResult.FAIL if is_failed else RuleResult.PASS if has_rows else RuleResult.UNKNOWN
    detail = (
        f"no day with {policy.houses} houses yet"
        if worst is None
        else f"the worst of {len(means)} days has mean difference {worst:+.4f}"
    )
    return Rule("worst_day", "Worst day", worst, policy.mean, "log units", result, Effect.BLOCKED, detail)


def day_means(analysis: Analysis) -> dict[int, float]:
    """Return the mean difference of each day with enough rows to be judged alone, by outcomes if possible."""
    least = analysis.evidence.policy.worst_day.houses
    by_outcomes = {day: sums.d / sums.sold for day, sums in analysis.evidence.days if sums.sold >= least}
    if by_outcomes or not analysis.by_certificate:
        return by_outcomes
    judged = analysis.judged
    by_day = {day: judged.differences_of(sums) for day, sums in judged.days}
    return {
        day: differences.total / differences.rows
        for day, differences in by_day.items()
        if differences.rows >= least
    }


def _catastrophes(analysis: Analysis) -> Rule:
    """Compare in pairs: only rows that one model got wrong beyond the cap and the other did not count."""
    mature, policy = analysis.mature, analysis.evidence.policy
    only_candidate, only_live = mature.catastrophes_only_candidate, mature.catastrophes_only_live
    share = Share(only_candidate, only_live, mature.sold, policy.guardrails.catastrophes)
    title = f"Wrong by more than {policy.cap:g}, beyond the live model"
    rule = _share(analysis, "catastrophes", title, share, policy.min.entities)
    is_undecided = rule.result is RuleResult.UNKNOWN and mature.sold < policy.min.entities
    if not (analysis.by_certificate and is_undecided):
        return rule
    detail = "the certificate bounds what the candidate can lose, catastrophes included"
    return Rule(rule.rule, title, share.value, share.limit, "share", RuleResult.PASS, Effect.BLOCKED, detail)


def _dropped(analysis: Analysis, least: int) -> Rule:
    """Limit the rows dropped before scoring: they may differ from those scored."""
    exposure, limit = analysis.evidence.exposure, analysis.evidence.policy.guardrails.dropped
    dropped, eligible = (0, 0) if exposure is None else (exposure.dropped, exposure.eligible)
    share = Share(dropped, 0, eligible, limit)
    return _share(analysis, "dropped", "Dropped before any candidate saw them", share, least)


def _pending(analysis: Analysis, least: int) -> Rule:
    """Limit the rows not scored yet: they may differ from those scored."""
    exposure, limit = analysis.evidence.exposure, analysis.evidence.policy.guardrails.pending
    rows = 0 if exposure is None else exposure.eligible
    pending = exposure.pending / rows if exposure is not None and rows else None
    is_within = pending is not None and pending <= limit
    # Some of the first few rows are always pending, whatever the candidate.
    result = RuleResult.PASS if is_within else RuleResult.UNKNOWN if rows < least else RuleResult.FAIL
    detail = "not known" if exposure is None else f"{exposure.pending:,} of {rows:,} answered houses"
    return Rule("pending", "Not scored yet", pending, limit, "share", result, Effect.CONTINUE, detail)


def _price_range(analysis: Analysis) -> Rule:
    low, high = analysis.evidence.policy.guardrails.price_range_dollars
    pairs, outside = analysis.everything.pairs, analysis.everything.out_of_bounds
    result = RuleResult.FAIL if outside else RuleResult.PASS if pairs else RuleResult.UNKNOWN
    detail = f"{outside:,.0f} of {pairs:,.0f} prices outside of {low:,.0f} to {high:,.0f} dollars"
    value = outside if pairs else None
    return Rule("price_range", "Prices within range", value, 0.0, "houses", result, Effect.BLOCKED, detail)


def _drift(analysis: Analysis) -> Rule:
    """Fail on red drift: the evidence has to come from rows like those to be served."""
    state, gate = analysis.evidence.drift, analysis.evidence.policy.drift.gate
    result = RuleResult.UNKNOWN if state is None else RuleResult.FAIL if state >= 2 else RuleResult.PASS
    detail = _missing_for_drift(analysis) if state is None else _DRIFT_STATES[min(state, 2)]
    if not gate:
        result, detail = RuleResult.PASS, f"{detail}; the policy does not gate on it"
    return Rule("drift", "Drift", state, 2.0, "state", result, Effect.BLOCKED, detail)


def _missing_for_drift(analysis: Analysis) -> str:
    policy = analysis.evidence.policy.drift
    least, windows = max(policy.min_houses, MINIMUM_HOUSES), " or ".join(map(str, policy.windows_days))
    return f"not known yet: it takes {least:,} houses answered on the last {windows} whole days"
