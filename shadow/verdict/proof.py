"""The rules of proof: the candidate is proved not worse, overall and by segment, and not proved worse."""

from __future__ import annotations

from collections.abc import Iterator

from shadow.verdict.analysis import Analysis, Segment, SegmentResult
from shadow.verdict.evidence import total_of
from shadow.verdict.keys import DaysKey, RowsKey
from shadow.verdict.rules import Effect, Rule, RuleResult


def rules(analysis: Analysis) -> Iterator[Rule]:
    """Yield every rule about which of the two models is better."""
    prefix = "certificate_" if analysis.by_certificate else "key_"
    about = "Certificate" if analysis.by_certificate else "Not worse"
    yield _rows_rule(analysis, f"{prefix}houses", f"{about}, by houses", analysis.keys.rows)
    yield _days_rule(f"{prefix}days", f"{about}, by days", analysis.keys.days)
    yield _fresh(analysis)
    yield _segments(analysis)
    yield _harm_by_rows(analysis)
    yield _harm_by_days(analysis)
    yield _segment_harm(analysis)


def _rows_rule(analysis: Analysis, rule: str, title: str, key: RowsKey) -> Rule:
    """Require the key on rows to prove it."""
    rows = analysis.differences.rows
    result = RuleResult.PASS if key.is_proved else RuleResult.FAIL if rows else RuleResult.UNKNOWN
    detail = f"ln E is {key.ln_e:.2f}; it takes {key.threshold:.2f}, over {rows:,} {analysis.noun}"
    return Rule(rule, title, key.ln_e, key.threshold, "ln E", result, Effect.CONTINUE, detail)


def _days_rule(rule: str, title: str, key: DaysKey) -> Rule:
    """Require the key on days to prove it."""
    is_open = key.lower is None
    result = RuleResult.PASS if key.is_proved else RuleResult.UNKNOWN if is_open else RuleResult.FAIL
    detail = (
        f"lower bound of the day sums: {_bound(key)}; above 0 from day {key.needed_days} on, after {key.days}"
    )
    return Rule(rule, title, key.lower, 0.0, "log units a day", result, Effect.CONTINUE, detail)


def _bound(key: DaysKey) -> str:
    return "none" if key.lower is None else f"{key.lower:.4f}"


def _fresh(analysis: Analysis) -> Rule:
    """Require the newest days not to look worse: sums over all days hide a recent change for long."""
    window, margin = analysis.evidence.policy.fresh_days, analysis.evidence.margin
    days = analysis.judged.days
    newest = max((day for day, _ in days), default=0)
    recent = tuple((day, sums) for day, sums in days if day > newest - window)
    mean = analysis.judged.differences_of(total_of(recent)).mean
    result = RuleResult.UNKNOWN if mean is None else RuleResult.PASS if mean > -margin else RuleResult.FAIL
    measured = "no house" if mean is None else f"mean difference {mean:+.4f}"
    detail = f"{measured} in the last {window} days; above {-margin:.4f} is expected"
    return Rule("fresh", "The last days too", mean, -margin, "log units", result, Effect.CONTINUE, detail)


def _segments(analysis: Analysis) -> Rule:
    required = [segment for segment in analysis.segments if segment.required]
    open_ = [segment for segment in required if segment.result is not SegmentResult.NOT_WORSE]
    proved = len(required) - len(open_)
    is_empty = analysis.differences.rows == 0 and bool(analysis.segments)
    result = RuleResult.UNKNOWN if is_empty else RuleResult.FAIL if open_ else RuleResult.PASS
    names = ", ".join(segment.name for segment in open_)
    detail = f"{proved} of {len(required)} shown" + (f"; not yet: {names}" if open_ else "")
    title = "Not worse in segments"
    return Rule("segments", title, proved, len(required), "segments", result, Effect.CONTINUE, detail)


def _harm_by_rows(analysis: Analysis) -> Rule:
    key = analysis.harm.rows
    detail = f"ln E of being worse is {key.ln_e:.2f}; {key.threshold:.2f} would prove it"
    return Rule(
        "harm_houses",
        "Not proved worse, by houses",
        key.ln_e,
        key.threshold,
        "ln E",
        _harm_result(analysis, is_proved=key.is_proved),
        _harm_effect(analysis),
        detail,
    )


def _harm_by_days(analysis: Analysis) -> Rule:
    key = analysis.harm.days
    detail = f"lower bound of how much worse the day sums are: {_bound(key)}; above 0 would prove it"
    return Rule(
        "harm_days",
        "Not proved worse, by days",
        key.lower,
        0.0,
        "log units a day",
        _harm_result(analysis, is_proved=key.is_proved),
        _harm_effect(analysis),
        detail,
    )


def _harm_effect(analysis: Analysis) -> Effect:
    """Reject a candidate that both keys prove worse; block one that either key does."""
    return Effect.REJECT if analysis.harm.is_proved else Effect.BLOCKED


def _harm_result(analysis: Analysis, *, is_proved: bool) -> RuleResult:
    has_rows = analysis.by_certificate or bool(analysis.mature.sold)
    return RuleResult.FAIL if is_proved else RuleResult.PASS if has_rows else RuleResult.UNKNOWN


def _segment_harm(analysis: Analysis) -> Rule:
    harmed = [segment for segment in analysis.segments if segment.result is SegmentResult.WORSE]
    worst = max(analysis.segments, key=lambda segment: segment.harm.ln_e, default=None)
    return Rule(
        "segment_harm",
        "Not proved worse in any segment",
        None if worst is None else worst.harm.ln_e,
        None if worst is None else worst.harm.threshold,
        "ln E",
        _harm_result(analysis, is_proved=bool(harmed)),
        Effect.BLOCKED,
        _segment_harm_detail(harmed, worst),
    )


def _segment_harm_detail(harmed: list[Segment], worst: Segment | None) -> str:
    if worst is None:
        return "the policy declares no segments"
    if harmed:
        return "proved worse in " + ", ".join(segment.name for segment in harmed)
    return f"nearest to it is {worst.name}: ln E {worst.harm.ln_e:.2f} of {worst.harm.threshold:.2f}"
