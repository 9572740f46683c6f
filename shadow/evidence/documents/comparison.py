"""The `comparison` document: how far the predictions of candidate and live model are apart, and where."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring.statistics import comparison
from monitoring.statistics.sums import Sums, total
from shadow.evidence.context import StreamContext
from shadow.evidence.documents.shapes import (
    AgreementLimits,
    ComparisonDocument,
    DayAgreement,
    Histogram,
    PricedPoint,
    SegmentAgreement,
    WorstPair,
)
from shadow.evidence.selection_bias import selection_bias
from shadow.store import Store
from shadow.store import evidence as stored_evidence
from shadow.store.evidence import PredictionPair
from shadow.verdict import StreamEvidence, date_of

POINTS, RANKED, WORST = 1000, 20_000, 50
_EDGES = tuple(round(-0.3 + 0.02 * step, 2) for step in range(31))
"""Of the histogram of g; values beyond them count in its end bins."""
_DAYS = 400


def comparison_document(
    store: Store, context: StreamContext, evidence: StreamEvidence, masked: Collection[str]
) -> ComparisonDocument:
    """Fill the document; masked fields are left out of every row it quotes."""
    stream = context.stream
    with store.reading() as connection:
        bins = stored_evidence.gap_bins(connection, stream)
        points = stored_evidence.sample(connection, stream, POINTS)
        live, candidate = stored_evidence.price_arrays(connection, stream, RANKED)
        worst = stored_evidence.largest_gaps(connection, stream, WORST)
        selection = selection_bias(connection, context, evidence.watermark.day, masked)
    return ComparisonDocument(
        **_agreement(total([sums for _, sums in (*evidence.days, *evidence.preview)])),
        p50=comparison.gap_quantile(bins, 0.5),
        p90=comparison.gap_quantile(bins, 0.9),
        p99=comparison.gap_quantile(bins, 0.99),
        spearman=comparison.spearman(live, candidate) if len(live) > 1 else None,
        histogram=_histogram(np.log(candidate / live)),
        points=tuple(map(_point, points)),
        segments=_segments(evidence),
        days=_days(evidence),
        worst=tuple(_worst_pair(pair, masked) for pair in worst),
        selection=selection,
    )


def _agreement(sums: Sums) -> dict[str, Any]:
    agreement = comparison.agreement(sums)
    limits = None if agreement.limits is None else AgreementLimits(**asdict(agreement.limits))
    return asdict(agreement) | {"limits": limits}


def _point(pair: PredictionPair) -> PricedPoint:
    return PricedPoint(str(pair.id), pair.live_dollars, pair.candidate_dollars, pair.sold_dollars)


def _worst_pair(pair: PredictionPair, masked: Collection[str]) -> WorstPair:
    return WorstPair(
        str(pair.id),
        pair.live_dollars,
        pair.candidate_dollars,
        pair.sold_dollars,
        captured_at=pair.captured_at.isoformat(),
        gap=pair.gap,
        inputs={name: value for name, value in pair.inputs.items() if name not in masked},
    )


def _histogram(gaps: NDArray[np.float64]) -> Histogram:
    """Count the sampled pairs: the exact counts are of |g|, which has no direction."""
    inside = np.clip(gaps, _EDGES[0], _EDGES[-1])
    return Histogram(_EDGES, tuple(np.histogram(inside, _EDGES)[0].tolist()))


def _segments(evidence: StreamEvidence) -> tuple[SegmentAgreement, ...]:
    names = dict.fromkeys([*evidence.segments, *evidence.preview_segments])
    by_period = (evidence.segments, evidence.preview_segments)
    return tuple(
        SegmentAgreement(name, **_measures(total([sums[name] for sums in by_period if name in sums])))
        for name in names
    )


def _days(evidence: StreamEvidence) -> tuple[DayAgreement, ...]:
    length = evidence.policy.day_seconds
    newest = (*evidence.days, *evidence.preview)[-_DAYS:]
    return tuple(DayAgreement(date_of(day, length), **_measures(sums)) for day, sums in newest if sums.pairs)


def _measures(sums: Sums) -> dict[str, Any]:
    agreement = comparison.agreement(sums)
    return {
        "pairs": agreement.pairs,
        "bias": agreement.bias,
        "mad": agreement.mad,
        "beyond_10": agreement.beyond_10,
        "sold": int(sums.sold),
        "mean": sums.d / sums.sold if sums.sold else None,
    }
