"""The rules of exposure: with fewer rows, days or outcomes, nothing is decided in the candidate's favour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from shadow.verdict.analysis import Analysis
from shadow.verdict.rules import Effect, Rule, RuleResult, minimum_rule

_WEEK = 7


def rules(analysis: Analysis) -> Iterator[Rule]:
    """Yield every rule whose failing means that it is too early; none fails before the first row."""
    for rule in _minima(analysis):
        is_open = not analysis.differences.rows and rule.result is RuleResult.FAIL
        yield replace(rule, result=RuleResult.UNKNOWN) if is_open else rule
    yield _schema(analysis)


def _minima(analysis: Analysis) -> Iterator[Rule]:
    yield _entities(analysis)
    yield _days(analysis)
    yield _weekdays(analysis)
    yield _coverage(analysis)
    yield _per_segment(analysis)


def _entities(analysis: Analysis) -> Rule:
    least, rows = analysis.evidence.policy.min.entities, analysis.differences.rows
    detail = f"{rows:,} of {least:,} {analysis.noun}"
    return minimum_rule("entities", "Houses judged", rows, least, "houses", Effect.INSUFFICIENT, detail)


def _days(analysis: Analysis) -> Rule:
    least, days = analysis.evidence.policy.min.days, len(analysis.full_days)
    detail = f"{days} of {least} days with {analysis.noun}"
    return minimum_rule("days", "Days judged", days, least, "days", Effect.INSUFFICIENT, detail)


def _weekdays(analysis: Analysis) -> Rule:
    times = Counter(day % _WEEK for day in analysis.full_days)
    least = analysis.evidence.policy.min.weekdays
    fewest = min(times[weekday] for weekday in range(_WEEK))
    detail = f"the rarest day of the week was seen {fewest} of {least} times"
    return minimum_rule(
        "weekdays", "Every day of the week", fewest, least, "times", Effect.INSUFFICIENT, detail
    )


def _coverage(analysis: Analysis) -> Rule:
    least, share = analysis.evidence.policy.min.coverage, coverage(analysis)
    rule = ("coverage", "Outcomes known")
    if analysis.by_certificate:
        detail = "the certificate needs no outcomes"
        return Rule(*rule, share, least, "share", RuleResult.PASS, Effect.INSUFFICIENT, detail)
    detail = "no mature day has a house" if share is None else f"{share:.1%} of the houses of mature days"
    return minimum_rule(*rule, share, least, "share", Effect.INSUFFICIENT, detail)


def coverage(analysis: Analysis) -> float | None:
    """Return the share of rows on mature days whose outcome is known; withdrawn rows do not count."""
    mature = analysis.mature
    expected = mature.pairs - mature.withdrawn
    return mature.sold / expected if expected else None


def _per_segment(analysis: Analysis) -> Rule:
    least = analysis.evidence.policy.min.per_segment
    required = [segment for segment in analysis.segments if segment.required]
    rule = ("per_segment", "Houses judged per segment")
    if not required:
        is_empty = analysis.differences.rows == 0 and analysis.segments
        result = RuleResult.UNKNOWN if is_empty else RuleResult.PASS
        detail = "no house yet" if is_empty else "no segment has to be shown"
        return Rule(*rule, None, least, "houses", result, Effect.INSUFFICIENT, detail)
    fewest = min(required, key=lambda segment: segment.differences.rows)
    detail = f"{fewest.differences.rows:,} of {least:,} {analysis.noun} in {fewest.name}"
    return minimum_rule(*rule, fewest.differences.rows, least, "houses", Effect.INSUFFICIENT, detail)


def _schema(analysis: Analysis) -> Rule:
    then, now = analysis.evidence.schema_digest, analysis.evidence.schema_now
    result = RuleResult.UNKNOWN if now is None else RuleResult.PASS if now == then else RuleResult.FAIL
    details = {
        RuleResult.PASS: "the fields of a house are those the stream began with",
        RuleResult.FAIL: "the fields of a house have changed since the stream began: begin a new one",
        RuleResult.UNKNOWN: "which fields a house has now is not known",
    }
    return Rule("schema", "Fields unchanged", None, None, "", result, Effect.INSUFFICIENT, details[result])
