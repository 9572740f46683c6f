"""Analysis: the estimates and test statistics of a verdict, computed once from the evidence.

Judged are the sold rows of mature days. When these prove nothing but the certificate holds, which needs no
outcomes (|d| <= min(|ln candidate - ln live|, c)), judged is every pair of all days that have ended, each at
its worst.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from monitoring.statistics.sums import Sums, total
from shadow.verdict.evidence import DaySums, StreamEvidence, total_of
from shadow.verdict.keys import (
    DifferencesOf,
    KeyPair,
    PairedDifferences,
    RowsKey,
    harm_differences,
    key_pair,
    rows_key,
    sold_differences,
    worst_case_differences,
)


class SegmentResult(StrEnum):
    """How the candidate does in a segment."""

    NOT_WORSE = "shown"  # proved not to be worse by more than the segments' margin
    OPEN = "open"  # has to be proved, and is not yet
    NOT_REQUIRED = "unproven"  # too small for a proof to be required
    WORSE = "harmed"  # proved to be worse by more than the segments' margin


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment; `required`: its share of the pairs is large enough that it has to be proved."""

    name: str
    pairs: int
    sold: int
    differences: PairedDifferences
    key: RowsKey
    harm: RowsKey
    required: bool

    @property
    def result(self) -> SegmentResult:
        """How the candidate does in it."""
        if self.harm.is_proved:
            return SegmentResult.WORSE
        if not self.required:
            return SegmentResult.NOT_REQUIRED
        return SegmentResult.NOT_WORSE if self.key.is_proved else SegmentResult.OPEN


@dataclass(frozen=True, slots=True)
class JudgedRows:
    """What is judged: which differences, on which days, and the sums of these days together."""

    by_certificate: bool
    days: DaySums
    sums: Sums
    differences_of: DifferencesOf

    @property
    def differences(self) -> PairedDifferences:
        """The differences of all days together."""
        return self.differences_of(self.sums)


@dataclass(frozen=True, slots=True)
class Analysis:
    """What is judged, and the results.

    `mature`: the sums of all mature days; `everything`: of all days, for what needs no outcomes.
    """

    evidence: StreamEvidence
    judged: JudgedRows
    mature: Sums
    everything: Sums
    outcomes: KeyPair
    certificate: KeyPair
    harm: KeyPair
    segments: tuple[Segment, ...]

    @property
    def by_certificate(self) -> bool:
        """Whether the certificate decides, and not the outcomes."""
        return self.judged.by_certificate

    @property
    def keys(self) -> KeyPair:
        """The keys that decide."""
        return self.certificate if self.by_certificate else self.outcomes

    @property
    def differences(self) -> PairedDifferences:
        """The differences of all that is judged."""
        return self.judged.differences

    @property
    def full_days(self) -> list[int]:
        """The judged days that have a row."""
        return [day for day, sums in self.judged.days if self.judged.differences_of(sums).rows]

    @property
    def noun(self) -> str:
        """What the rows judged are called."""
        return "pairs" if self.by_certificate else "sold houses"


def analyse(evidence: StreamEvidence) -> Analysis:
    """Compute every estimate and every key."""
    days, margin, alpha = evidence.days, evidence.margin, evidence.alpha
    mature = total_of(days)
    ended = days + evidence.elapsed_preview
    ended_sums = mature + total_of(evidence.elapsed_preview)
    outcomes = key_pair(evidence, days, mature, sold_differences, margin, alpha)
    certificate = key_pair(evidence, ended, ended_sums, worst_case_differences, margin, alpha)
    judged = (
        JudgedRows(True, ended, ended_sums, worst_case_differences)
        if certificate.is_proved and not outcomes.is_proved
        else JudgedRows(False, days, mature, sold_differences)
    )
    return Analysis(
        evidence=evidence,
        judged=judged,
        mature=mature,
        everything=mature + total_of(evidence.preview),
        outcomes=outcomes,
        certificate=certificate,
        harm=key_pair(evidence, days, mature, harm_differences, -margin, alpha),
        segments=tuple(_segments(evidence, judged)),
    )


def _segments(evidence: StreamEvidence, judged: JudgedRows) -> list[Segment]:
    """Analyse every declared segment, and the small ones of each dimension pooled, which need no proof."""
    segments: list[Segment] = []
    for dimension in evidence.policy.dimensions:
        sums_of = {name: _sums(evidence, name, judged) for name in dimension.segments}
        declared = [_segment(evidence, name, sums, judged) for name, sums in sums_of.items()]
        small = [sums_of[segment.name] for segment in declared if not segment.required and segment.pairs]
        pooled = _segment(evidence, f"{dimension.name}:small", total(small), judged)
        segments += declared + [replace(pooled, required=False)] * (len(small) > 1)
    return segments


def _sums(evidence: StreamEvidence, name: str, judged: JudgedRows) -> Sums:
    by_segment: list[Mapping[str, Sums]] = [evidence.segments]
    by_segment += [evidence.preview_segments] * judged.by_certificate
    return total([sums[name] for sums in by_segment if name in sums])


def _segment(evidence: StreamEvidence, name: str, sums: Sums, judged: JudgedRows) -> Segment:
    """Analyse one segment. Shares are of pairs, so that missing outcomes cannot make a segment small.

    It is proved at alpha itself: since all have to be, no correction is needed (intersection-union test).
    Harm in any of S counts, so there the capital must reach S / alpha (Bonferroni on e-values).
    """
    policy, alpha = evidence.policy, evidence.alpha
    differences = judged.differences_of(sums)
    harm = rows_key(harm_differences(sums).bets, alpha)
    everyone = judged.sums.pairs
    return Segment(
        name=name,
        pairs=int(sums.pairs),
        sold=int(sums.sold),
        differences=differences,
        key=rows_key(differences.bets, alpha),
        harm=RowsKey(harm.ln_e, math.log(max(1, len(policy.segment_names)) / alpha)),
        required=everyone > 0 and sums.pairs >= policy.segments.min_share * everyone,
    )
