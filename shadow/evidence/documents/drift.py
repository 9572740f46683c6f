"""The `drift` document: fields ranked by how far they moved, both distributions, and the skew."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import Any

from monitoring.statistics import drift as measured
from shadow.evidence import drift
from shadow.evidence.drift import CANDIDATE_PRICE, LIVE_PRICE, Moved, Reference, Window
from shadow.policy import Policy
from shadow.store import Store
from shadow.store.drift import replays
from shadow.store.drift.replays import Replay
from shadow.store.streams import Stream
from shadow.store.streams.excerpts import is_masked
from shadow.verdict import date_of

_PRICES = {"live": LIVE_PRICE, "candidate": CANDIDATE_PRICE}


def document(
    store: Store, models: Path, stream: Stream, policy: Policy, now: datetime, masked: Collection[str]
) -> dict[str, Any]:
    """Make the document. Masked fields, and ages made of them, are not in it but count for the state."""
    reference = Reference(models, stream)
    with store.reading() as connection:
        states = drift.states(connection, reference, policy, now)
        windows = {
            length: drift.window_before(connection, reference, policy, length, 0, now)
            for length in policy.drift.windows_days
        }
        replayed = [
            replays.newest(connection, model, policy.day_seconds)
            for model in (stream.terms.live, stream.candidate)
        ]
    whole = drift.together(reference, states)
    shown = [name for name in reference.live.fields if not is_masked(name, masked)]
    place = {name: index for index, name in enumerate(reference.live.by_importance, 1)}
    return {
        "state": whole,
        "enough": whole is not None,
        "windows": {str(length): _span(window, policy) for length, window in windows.items()},
        "fields": [
            {"field": name, "importance": place.get(name), **_column(name, windows, policy, states)}
            for name in shown
        ],
        "predictions": {
            role: _column(name, windows, policy, states) if name in states else None
            for role, name in _PRICES.items()
        },
        "skew": [_skew(one, policy) for one in replayed if one is not None],
    }


def _column(
    name: str, windows: Mapping[int, Window], policy: Policy, states: Mapping[str, int | None]
) -> dict[str, Any]:
    moved = drift.widest(list(windows.values()), name, policy.drift.min_houses)
    facts = {**asdict(moved.drift), "state": states[name]}
    by_window = {str(length): window.columns[name].drift.psi for length, window in windows.items()}
    return {**facts, "psi_by_window": by_window, **_distributions(moved)}


def _distributions(moved: Moved) -> dict[str, Any]:
    bins = measured.bins(moved.reference, moved.counts)
    return {
        "reference": _shares(bins.labels, bins.reference),
        "window": _shares(bins.labels, bins.window),
    }


def _shares(labels: Collection[str], houses: Collection[int]) -> list[dict[str, Any]]:
    whole = sum(houses)
    return [
        {"bin": label, "share": round(number / whole, 6) if whole else None}
        for label, number in zip(labels, houses, strict=True)
    ]


def _span(window: Window, policy: Policy) -> dict[str, Any]:
    length = policy.day_seconds
    first, end = date_of(window.days.first, length), date_of(window.days.end, length)
    return {"houses": window.houses, "from": first, "to": end}


def _skew(one: Replay, policy: Policy) -> dict[str, Any]:
    return {
        "model": str(one.model),
        "date": date_of(one.day, policy.day_seconds),
        "houses": one.houses,
        "worst_log_ratio": one.worst_log_ratio if isfinite(one.worst_log_ratio) else None,
        "beyond": one.beyond,
        "state": 2 if one.beyond else 0,
    }
