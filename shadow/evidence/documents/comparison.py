"""Agreement: the `comparison` document, how far candidate and live model are apart, and where."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring.statistics import comparison
from monitoring.statistics.comparison import Agreement
from monitoring.statistics.sums import Sums, total
from shadow.evidence.selection_bias import selection
from shadow.store import Store, evidence
from shadow.store.evidence import Pair
from shadow.store.streams import Stream
from shadow.verdict import Facts, date_of

POINTS, RANKED, WORST = 1000, 20_000, 50
_EDGES = [round(-0.3 + 0.02 * step, 2) for step in range(31)]
"""Of the histogram of g; what is beyond falls into its end bins."""
_DAYS = 400


def agreement(
    store: Store, models: Path, stream: Stream, facts: Facts, masked: Collection[str]
) -> dict[str, Any]:
    """The document; fields that are masked are in no house it shows."""
    with store.reading() as connection:
        bins = evidence.gaps(connection, stream)
        points = evidence.sample(connection, stream, POINTS)
        live, candidate = evidence.prices(connection, stream, RANKED)
        worst = evidence.worst(connection, stream, WORST)
        told = selection(connection, models, stream, facts, masked)
    quantiles = {f"p{percent}": comparison.gap_quantile(bins, percent / 100) for percent in (50, 90, 99)}
    return {
        **asdict(comparison.agreement(total([sums for _, sums in (*facts.days, *facts.preview)]))),
        **quantiles,
        "spearman": comparison.spearman(live, candidate) if len(live) > 1 else None,
        "histogram": _histogram(np.log(candidate / live)),
        "points": [_point(pair) for pair in points],
        "segments": _segments(facts),
        "days": _days(facts),
        "worst": [_house(pair, masked) for pair in worst],
        "selection": told,
    }


def _point(pair: Pair) -> dict[str, Any]:
    return {
        "id": str(pair.id),
        "live": pair.live_dollars,
        "candidate": pair.candidate_dollars,
        "sold": pair.sold_dollars,
    }


def _house(pair: Pair, masked: Collection[str]) -> dict[str, Any]:
    inputs = {name: value for name, value in pair.inputs.items() if name not in masked}
    return _point(pair) | {"captured_at": pair.captured_at.isoformat(), "gap": pair.gap, "inputs": inputs}


def _histogram(gaps: NDArray[np.float64]) -> dict[str, Any]:
    """Of the sampled pairs: exact counts of |g| would not tell which way it goes."""
    inside = np.clip(gaps, _EDGES[0], _EDGES[-1])
    return {"edges": _EDGES, "counts": np.histogram(inside, _EDGES)[0].tolist()}


def _segments(facts: Facts) -> list[dict[str, Any]]:
    names = dict.fromkeys([*facts.segments, *facts.preview_segments])
    parts = {name: _both(facts, name) for name in names}
    return [{"segment": name, **_row(sums)} for name, sums in parts.items()]


def _both(facts: Facts, name: str) -> Sums:
    return total([part[name] for part in (facts.segments, facts.preview_segments) if name in part])


def _days(facts: Facts) -> list[dict[str, Any]]:
    length = facts.policy.day_seconds
    newest = (*facts.days, *facts.preview)[-_DAYS:]
    return [{"date": date_of(day, length), **_row(sums)} for day, sums in newest if sums.pairs]


def _row(sums: Sums) -> dict[str, Any]:
    found: Agreement = comparison.agreement(sums)
    return {
        "pairs": found.pairs,
        "bias": found.bias,
        "mad": found.mad,
        "beyond_10": found.beyond_10,
        "sold": int(sums.sold),
        "mean": sums.d / sums.sold if sums.sold else None,
    }
