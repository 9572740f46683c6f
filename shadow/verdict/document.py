"""The document of a verdict: its state and reasons with every number that they rest on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from monitoring.statistics import sequential
from monitoring.statistics.sums import total
from shadow.json_shapes import to_json
from shadow.verdict import outlook, planning
from shadow.verdict.analysis import Analysis, Segment
from shadow.verdict.decision import Verdict
from shadow.verdict.evidence import StreamEvidence
from shadow.verdict.exposure import coverage
from shadow.verdict.keys import DaysKey, RowsKey, block_sums, sold_differences
from shadow.verdict.rules import Rule, finite
from shadow.verdict.shapes import (
    CertificateKeys,
    DaysKeyEntry,
    Difference,
    KeyEntries,
    Losses,
    NeededEntry,
    PolicyEntry,
    Preliminary,
    RollbackEntry,
    RowCounts,
    RowsKeyEntry,
    RuleEntry,
    SegmentEntry,
    VerdictDocument,
    WatermarkEntry,
)
from shadow.verdict.watch import RollbackAdvice

_DAY_SECONDS = 86_400


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    """Return the document of a verdict as a JSON object."""
    document: dict[str, Any] = to_json(verdict_document(verdict))
    return document


def verdict_document(verdict: Verdict) -> VerdictDocument:
    """Fill the document of a verdict; numbers that JSON does not have are None."""
    analysis, evidence = verdict.analysis, verdict.evidence
    return VerdictDocument(
        state=verdict.state.value,
        since=verdict.since.isoformat(),
        rules=tuple(map(_rule, verdict.rules)),
        reasons=verdict.reasons,
        rollback=_rollback(verdict.rollback),
        candidate=str(evidence.candidate),
        live=str(evidence.live),
        stream=evidence.stream_id,
        evaluated_at=evidence.now.isoformat(),
        policy=_policy(evidence),
        watermark=_watermark(evidence),
        counts=_counts(analysis),
        losses=_losses(analysis),
        difference=_difference(analysis),
        keys=_keys(analysis),
        needed=_needed(verdict),
        bad_day_rate_not_excluded=planning.bad_day_rate_not_excluded(analysis),
        tipping_point=planning.tipping_point(analysis),
        preliminary=_preliminary(evidence),
        segments=tuple(map(_segment, analysis.segments)),
    )


def date_of(day: int, day_seconds: int) -> str:
    """Return when a day begins: as a date when days are days, else as a time (UTC)."""
    begins = datetime.fromtimestamp(day * day_seconds, UTC)
    return begins.date().isoformat() if day_seconds == _DAY_SECONDS else begins.isoformat()


def _rule(rule: Rule) -> RuleEntry:
    return RuleEntry(
        rule.rule,
        rule.title,
        finite(rule.value),
        finite(rule.threshold),
        rule.unit,
        rule.result.value,
        rule.effect.value,
        rule.detail,
    )


def _rollback(advice: RollbackAdvice | None) -> RollbackEntry | None:
    return None if advice is None else RollbackEntry(advice.alarm, advice.because)


def _policy(evidence: StreamEvidence) -> PolicyEntry:
    policy = evidence.policy
    return PolicyEntry(
        policy.name, policy.sha256, policy.day_seconds, evidence.alpha, evidence.margin, policy.cap
    )


def _watermark(evidence: StreamEvidence) -> WatermarkEntry:
    mark = evidence.watermark
    date = None if mark.day is None else date_of(mark.day, evidence.policy.day_seconds)
    return WatermarkEntry(mark.day, date, mark.maturity_seconds, mark.delays_seen)


def _counts(analysis: Analysis) -> RowCounts:
    mature = analysis.mature
    return RowCounts(
        pairs=int(mature.pairs),
        sold=int(mature.sold),
        withdrawn=int(mature.withdrawn),
        unsold=int(mature.pairs - mature.sold - mature.withdrawn),
        days=sum(sums.sold > 0 for _, sums in analysis.evidence.days),
        coverage=coverage(analysis),
    )


def _losses(analysis: Analysis) -> Losses:
    mature = analysis.mature
    return Losses(_mean(mature.loss_live, mature.sold), _mean(mature.loss_candidate, mature.sold))


def _mean(total_loss: float, rows: float) -> float | None:
    return total_loss / rows if rows else None


def _difference(analysis: Analysis) -> Difference:
    """Return the mean difference of sold rows with its two-sided interval, valid at every look.

    The interval is that of the day sums over the mean number of rows a day, less the margin they contain.
    """
    evidence, mature = analysis.evidence, analysis.mature
    blocks = block_sums(evidence.days, sold_differences, evidence.margin)
    mean = _mean(mature.d, mature.sold)
    if len(blocks) < 2:
        return Difference(mean)
    ends = sequential.interval(blocks, evidence.alpha, evidence.policy.k_star)
    lower, upper = (finite(end * len(blocks) / mature.sold - evidence.margin) for end in ends)
    return Difference(mean, lower, upper)


def _keys(analysis: Analysis) -> KeyEntries:
    outcomes, harm, certificate = analysis.outcomes, analysis.harm, analysis.certificate
    return KeyEntries(
        rows=_rows_key(outcomes.rows),
        days=_days_key(outcomes.days),
        harm_rows=_rows_key(harm.rows),
        harm_days=_days_key(harm.days),
        certificate=CertificateKeys(_rows_key(certificate.rows), _days_key(certificate.days)),
    )


def _rows_key(key: RowsKey) -> RowsKeyEntry:
    return RowsKeyEntry(finite(key.ln_e), key.threshold)


def _days_key(key: DaysKey) -> DaysKeyEntry:
    return DaysKeyEntry(finite(key.lower), 0.0, key.days, key.needed_days)


def _needed(verdict: Verdict) -> NeededEntry:
    plan = planning.sample_size(verdict.analysis)
    sentence = outlook.sentence(verdict.analysis, plan, verdict.rules)
    return NeededEntry(plan.rows_50, plan.rows_90, plan.days, sentence)


def _preliminary(evidence: StreamEvidence) -> Preliminary:
    preview = total([sums for _, sums in evidence.preview])
    return Preliminary(int(preview.sold), _mean(preview.d, preview.sold))


def _segment(segment: Segment) -> SegmentEntry:
    return SegmentEntry(
        segment=segment.name,
        pairs=segment.pairs,
        sold=segment.sold,
        mean=segment.differences.mean,
        ln_e=finite(segment.key.ln_e),
        result=segment.result.value,
    )
