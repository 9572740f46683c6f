"""The `evidence` document: both keys and the interval after each mature day."""

from __future__ import annotations

import math
from collections.abc import Sequence

from monitoring.statistics import sequential
from monitoring.statistics.sums import Sums
from shadow.evidence.documents.shapes import TimelineDay, TimelineDocument
from shadow.verdict import StreamEvidence, date_of
from shadow.verdict.rules import finite

POINTS = 400


def timeline_document(evidence: StreamEvidence) -> TimelineDocument:
    """Fill the document: an entry for each day with a sold row, at most POINTS, always with the last."""
    days = [(day, sums) for day, sums in evidence.days if sums.sold]
    blocks = [sums.d + evidence.margin * sums.sold for _, sums in days]
    chosen = set(_evenly_spaced(len(days)))
    entries, so_far = [], Sums.zero()
    for index, (day, sums) in enumerate(days):
        so_far = so_far + sums
        if index in chosen:
            entries.append(_entry(evidence, day, sums, so_far, blocks[: index + 1]))
    return TimelineDocument(math.log(1 / evidence.alpha), tuple(entries))


def _entry(
    evidence: StreamEvidence, day: int, sums: Sums, so_far: Sums, blocks: Sequence[float]
) -> TimelineDay:
    k_star = evidence.policy.k_star
    low, high = sequential.interval(blocks, evidence.alpha, k_star)
    # Bounds are of the mean of a day's sum, margin included; the document has the mean of a row.
    per_row = len(blocks) / so_far.sold
    return TimelineDay(
        date=date_of(day, evidence.policy.day_seconds),
        sold=int(so_far.sold),
        ln_e=finite(sequential.ln_e(so_far.promote)),
        harm_ln_e=finite(sequential.ln_e(so_far.harm)),
        mean=so_far.d / so_far.sold,
        day_mean=sums.d / sums.sold,
        lower=finite(low * per_row - evidence.margin),
        upper=finite(high * per_row - evidence.margin),
        key_b=finite(sequential.lower_bound(blocks, evidence.alpha, k_star)),
    )


def _evenly_spaced(count: int) -> list[int]:
    """Choose at most POINTS of `count` indices, evenly, the last among them."""
    if count <= POINTS:
        return list(range(count))
    return [count - 1 - (POINTS - 1 - point) * (count - 1) // (POINTS - 1) for point in range(POINTS)]
