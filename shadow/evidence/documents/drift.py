"""The `drift` document: the drift of every field with both distributions, and the training-serving skew."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from math import isfinite
from typing import Any

from monitoring.statistics import drift as statistics
from shadow.evidence import drift
from shadow.evidence.context import StreamContext
from shadow.evidence.documents.shapes import (
    BinShare,
    DriftDocument,
    FieldDriftEntry,
    PredictionDrift,
    PredictionDrifts,
    SkewEntry,
    WindowEntry,
)
from shadow.evidence.drift import CANDIDATE_PRICE, LIVE_PRICE, ColumnDrift, DriftWindow, StreamDrift
from shadow.policy import Policy
from shadow.store import Store
from shadow.store.drift import replays
from shadow.store.drift.replays import Replay
from shadow.store.streams.excerpts import is_masked
from shadow.verdict import date_of


def drift_document(
    store: Store, context: StreamContext, measured: StreamDrift, masked: Collection[str]
) -> DriftDocument:
    """Fill the document. Masked fields, and ages made of them, are left out but count for the state."""
    policy, live = context.policy, context.live_reference
    rank = {name: index for index, name in enumerate(live.by_importance, 1)}
    return DriftDocument(
        state=measured.state,
        enough=measured.state is not None,
        windows={str(length): _window(window, policy) for length, window in measured.windows.items()},
        fields=tuple(
            FieldDriftEntry(name, rank.get(name), **_column(name, measured, policy))
            for name in live.fields
            if not is_masked(name, masked)
        ),
        predictions=PredictionDrifts(
            live=_predictions(LIVE_PRICE, measured, policy),
            candidate=_predictions(CANDIDATE_PRICE, measured, policy),
        ),
        skew=tuple(_skew(replay, policy) for replay in _replays(store, context)),
    )


def _replays(store: Store, context: StreamContext) -> list[Replay]:
    models = (context.stream.terms.live, context.stream.candidate)
    with store.reading() as connection:
        newest = [replays.newest(connection, model, context.policy.day_seconds) for model in models]
    return [replay for replay in newest if replay is not None]


def _predictions(name: str, measured: StreamDrift, policy: Policy) -> PredictionDrift | None:
    return PredictionDrift(**_column(name, measured, policy)) if name in measured.states else None


def _column(name: str, measured: StreamDrift, policy: Policy) -> dict[str, Any]:
    windows = measured.windows
    column = drift.first_sufficient(list(windows.values()), name, policy.drift.min_houses)
    return {
        **asdict(column.drift),
        "state": measured.states[name],
        "psi_by_window": {str(length): window.columns[name].drift.psi for length, window in windows.items()},
        **_distributions(column),
    }


def _distributions(column: ColumnDrift) -> dict[str, tuple[BinShare, ...]]:
    bins = statistics.bins(column.reference, column.counts)
    return {
        "reference": _shares(bins.labels, bins.reference),
        "window": _shares(bins.labels, bins.window),
    }


def _shares(labels: Collection[str], rows: Collection[int]) -> tuple[BinShare, ...]:
    total = sum(rows)
    return tuple(
        BinShare(label, round(number / total, 6) if total else None)
        for label, number in zip(labels, rows, strict=True)
    )


def _window(window: DriftWindow, policy: Policy) -> WindowEntry:
    first, end = (date_of(day, policy.day_seconds) for day in (window.days.first, window.days.end))
    return WindowEntry(window.rows, first, end)


def _skew(replay: Replay, policy: Policy) -> SkewEntry:
    return SkewEntry(
        model=str(replay.model),
        date=date_of(replay.day, policy.day_seconds),
        houses=replay.houses,
        worst_log_ratio=replay.worst_log_ratio if isfinite(replay.worst_log_ratio) else None,
        beyond=replay.beyond,
        state=2 if replay.beyond else 0,
    )
