"""The rules that guard: what no gain in accuracy makes up for. One that fails blocks.

A share is the mean of a bounded variable and judged by the betting key. It fails once the key is turned
against the candidate: the share is proved to be over its limit. It passes when the share seen is within the
limit, there are enough rows and that key is not turned; with the policy's `require_proof` only once the key
for it is turned. Else it is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from monitoring.statistics import sequential
from monitoring.statistics.drift import MINIMUM_HOUSES
from shadow.verdict.findings import Findings
from shadow.verdict.keys import HousesKey, houses_key
from shadow.verdict.rules import Effect, Result, Rule

_DRIFT = ("there is none", "yellow", "red")


@dataclass(frozen=True, slots=True)
class Share:
    """Of `rows` houses `against` speak against the candidate, `in_favour` for it; the rest do neither."""

    against: float
    in_favour: float
    rows: float
    limit: float

    @property
    def value(self) -> float | None:
        """The share seen: positive when it speaks against the candidate."""
        return (self.against - self.in_favour) / self.rows if self.rows else None

    def exceeded(self, alpha: float) -> HousesKey:
        """Turned: proved to be more than the limit."""
        rest = self.rows - self.against - self.in_favour
        return houses_key(sequential.bernoulli_sums(self.against, self.in_favour, rest, -self.limit), alpha)

    def kept(self, alpha: float) -> HousesKey:
        """Turned: proved to be less than the limit."""
        rest = self.rows - self.against - self.in_favour
        return houses_key(sequential.bernoulli_sums(self.in_favour, self.against, rest, self.limit), alpha)


def rules(found: Findings) -> Iterator[Rule]:
    """Every guardrail."""
    limits, everything = found.facts.policy.guardrails, found.everything
    looked_at, least = everything.pairs + everything.failed, found.facts.policy.min.entities
    yield _worst_day(found)
    yield _share(found, "errors", "Failures", Share(everything.failed, 0, looked_at, limits.errors), least)
    yield _catastrophes(found)
    slow = Share(everything.slow, 0, everything.timed, limits.latency.share)
    yield _share(
        found, "latency", f"Slower than {limits.latency.budget_seconds:g} s", slow, limits.latency.rows
    )
    yield from _exposure(found, least)
    absurd = Share(everything.absurd, 0, everything.pairs, limits.absurd)
    yield _share(found, "absurd", "More than a factor of 2 apart", absurd, least)
    yield _price_range(found)
    yield _drift(found)


def _share(found: Findings, rule: str, title: str, share: Share, least: int) -> Rule:
    alpha, proof = found.facts.alpha, found.facts.policy.guardrails.require_proof
    within = share.value is not None and share.value <= share.limit and share.rows >= least
    if share.exceeded(alpha).turned:
        result = Result.FAIL
    elif share.kept(alpha).turned if proof else within:
        result = Result.PASS
    else:
        result = Result.UNKNOWN
    return Rule(
        rule, title, share.value, share.limit, "share", result, Effect.BLOCKED, _words(share, least, result)
    )


def _words(share: Share, least: int, result: Result) -> str:
    seen = f"{share.against - share.in_favour:,.0f} of {share.rows:,.0f} rows; the limit is {share.limit:.2%}"
    if result is Result.FAIL:
        return f"{seen}, and it is proved to be exceeded"
    return f"{seen}; it takes {least:,} rows" if share.rows < least else seen


def _worst_day(found: Findings) -> Rule:
    """No mature day may be a disaster, however good all of them are together."""
    policy = found.facts.policy.worst_day
    means = day_means(found)
    worst = min(means.values(), default=None)
    seen = bool(found.reading.houses)
    failed = worst is not None and worst < policy.mean
    result = Result.FAIL if failed else Result.PASS if seen else Result.UNKNOWN
    words = (
        f"no day with {policy.houses} houses yet"
        if worst is None
        else f"the worst of {len(means)} days has mean difference {worst:+.4f}"
    )
    return Rule("worst_day", "Worst day", worst, policy.mean, "log units", result, Effect.BLOCKED, words)


def day_means(found: Findings) -> dict[int, float]:
    """The mean difference of each day that has enough houses to be judged alone; with outcomes, by them."""
    least = found.facts.policy.worst_day.houses
    by_outcomes = {day: sums.d / sums.sold for day, sums in found.facts.days if sums.sold >= least}
    if by_outcomes or not found.by_certificate:
        return by_outcomes
    readings = {day: found.read(sums) for day, sums in found.days}
    return {day: one.difference / one.houses for day, one in readings.items() if one.houses >= least}


def _catastrophes(found: Findings) -> Rule:
    """Paired: only a house that one model got wrong beyond the cap and the other did not tells them apart."""
    mature, policy = found.mature, found.facts.policy
    only_candidate, only_live = mature.catastrophes_only_candidate, mature.catastrophes_only_live
    share = Share(only_candidate, only_live, mature.sold, policy.guardrails.catastrophes)
    title = f"Wrong by more than {policy.cap:g}, beyond the live model"
    rule = _share(found, "catastrophes", title, share, policy.min.entities)
    if not (found.by_certificate and rule.result is Result.UNKNOWN and mature.sold < policy.min.entities):
        return rule
    words = "the certificate bounds what the candidate can lose, catastrophes included"
    return Rule(rule.rule, title, share.value, share.limit, "share", Result.PASS, Effect.BLOCKED, words)


def _exposure(found: Findings, least: int) -> Iterator[Rule]:
    """What the candidate did not see may not be like what it saw."""
    exposure, limits = found.facts.exposure, found.facts.policy.guardrails
    rows = 0 if exposure is None else exposure.eligible
    dropped = Share(0 if exposure is None else exposure.dropped, 0, rows, limits.dropped)
    yield _share(found, "dropped", "Dropped before any candidate saw them", dropped, least)
    pending = exposure.pending / rows if exposure is not None and rows else None
    is_within = pending is not None and pending <= limits.pending
    # Of the first few houses some always wait: that says nothing of the candidate.
    result = Result.PASS if is_within else Result.UNKNOWN if rows < least else Result.FAIL
    words = "not known" if exposure is None else f"{exposure.pending:,} of {rows:,} answered houses"
    yield Rule("pending", "Not scored yet", pending, limits.pending, "share", result, Effect.CONTINUE, words)


def _price_range(found: Findings) -> Rule:
    low, high = found.facts.policy.guardrails.price_range_dollars
    pairs, outside = found.everything.pairs, found.everything.out_of_bounds
    result = Result.FAIL if outside else Result.PASS if pairs else Result.UNKNOWN
    words = f"{outside:,.0f} of {pairs:,.0f} prices outside of {low:,.0f} to {high:,.0f} dollars"
    return Rule(
        "price_range",
        "Prices within range",
        outside if pairs else None,
        0.0,
        "houses",
        result,
        Effect.BLOCKED,
        words,
    )


def _drift_needs(found: Findings) -> str:
    """What it takes until drift is known."""
    policy = found.facts.policy.drift
    least, windows = max(policy.min_houses, MINIMUM_HOUSES), " or ".join(map(str, policy.windows_days))
    return f"not known yet: it takes {least:,} houses answered on the last {windows} whole days"


def _drift(found: Findings) -> Rule:
    """The evidence must come from houses like those to be served."""
    state, gate = found.facts.drift, found.facts.policy.drift.gate
    result = Result.UNKNOWN if state is None else Result.FAIL if state >= 2 else Result.PASS
    words = _drift_needs(found) if state is None else _DRIFT[min(state, 2)]
    if not gate:
        result, words = Result.PASS, f"{words}; the policy does not gate on it"
    return Rule("drift", "Drift", state, 2.0, "state", result, Effect.BLOCKED, words)
