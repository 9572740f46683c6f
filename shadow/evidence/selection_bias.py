"""Selection: whether the houses whose price is known are like those that are still unsold.

Between the two: PSI of every profiled field and of g = ln(candidate / live), beside what chance reaches
(docs/statistics.md, "Late outcomes"). It needs no price, and it describes: no rule rests on it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from model_package import profile
from model_package.schema import BY_NAME, Value
from monitoring.statistics import distances, drift
from shadow.evidence.reference import Described, both
from shadow.store import Connection, evidence
from shadow.store.evidence import Pair
from shadow.store.streams import Stream
from shadow.store.streams.excerpts import is_masked
from shadow.verdict import Facts

HOUSES, LEAST = 20_000, 100
_UNASKED: Mapping[str, Value] = dict.fromkeys(BY_NAME)
_DECILES = np.arange(1, 10) / 10


def selection(
    connection: Connection, models: Path, stream: Stream, facts: Facts, masked: Collection[str]
) -> dict[str, Any]:
    """Compare the houses of mature days; raises AlteredArtifact or InvalidArtifact."""
    live, _ = both(models, stream)
    day = facts.watermark.day
    pairs = [] if day is None else evidence.mature_sample(connection, stream, day + 1, HOUSES)
    return compare(pairs, live, masked)


def compare(pairs: Iterable[Pair], live: Described, masked: Collection[str]) -> dict[str, Any]:
    """Sold against unsold pairs, in the coarse bins of the live model's profile; g in its deciles of all.

    State 0 alike, 1 yellow, 2 red, None: too few to tell, which fewer than 100 of either are. Masked fields
    count for nothing. The rise of missing values alone makes nothing red, as it does in drift: of 100 houses,
    chance moves it as far.
    """
    fields = {name: one for name, one in live.fields.items() if not is_masked(name, masked)}
    sold, unsold = _counted(pairs, fields)
    found: dict[str, Any] = {"sold": len(sold.gaps), "unsold": len(unsold.gaps)}
    if min(found.values()) < LEAST:
        return found | {"gap": dict.fromkeys(("psi", "floor", "state")), "fields": [], "state": None}
    columns = len(sold.bins) + 1
    gap = _apart(columns, *_by_decile(sold.gaps, unsold.gaps))
    rows = [{"field": name, **_apart(columns, sold.bins[name], unsold.bins[name])} for name in sold.bins]
    states = {row["field"]: row["state"] for row in rows}
    whole = drift.dataset_state(states, live.by_importance, [gap["state"]])
    is_open = whole == drift.NONE and None in (gap["state"], *states.values())
    return found | {
        "gap": gap,
        "fields": sorted(rows, key=lambda row: (row["state"] or 0, row["psi"]), reverse=True),
        "state": None if is_open else whole,
    }


@dataclass(frozen=True, slots=True)
class _Side:
    """Sold or unsold houses: how many fell into each coarse bin of each field, and every g."""

    bins: Mapping[str, Counter[Value]]
    gaps: list[float] = field(default_factory=list)


def _counted(pairs: Iterable[Pair], fields: Mapping[str, Mapping[str, Any]]) -> tuple[_Side, _Side]:
    """Count while they are read: the values themselves, of which each house has its own, are not kept."""
    known = {name: one for name, one in fields.items() if name in profile.AGES or name in BY_NAME}
    sold, unsold = (_Side({name: Counter() for name in known}) for _ in range(2))
    for pair in pairs:
        side = unsold if pair.sold_dollars is None else sold
        side.gaps.append(pair.gap)
        asked = profile.columns([{**_UNASKED, **pair.inputs}])
        for name, reference in known.items():
            side.bins[name][_bin(asked[name][0], reference)] += 1
    return sold, unsold


def _bin(value: Value, reference: Mapping[str, Any]) -> Value:
    if value is None:
        return profile.MISSING
    if reference["kind"] == "categorical":
        name = profile.as_text(value)
        return name if name in reference["counts"] else profile.OTHER
    number = float(value)
    return bisect_right(reference["edges"], number) if isfinite(number) else "nonfinite"


def _by_decile(sold: Sequence[float], unsold: Sequence[float]) -> tuple[Counter[Value], Counter[Value]]:
    edges = np.quantile([*sold, *unsold], _DECILES).tolist()
    return Counter(bisect_right(edges, g) for g in sold), Counter(bisect_right(edges, g) for g in unsold)


def _apart(columns: int, sold: Mapping[Value, int], unsold: Mapping[Value, int]) -> dict[str, Any]:
    labels = [*{**sold, **unsold}]
    counts = [sold.get(one, 0) for one in labels], [unsold.get(one, 0) for one in labels]
    psi, floor = float(distances.psi(*counts)), float(distances.psi_floor(*counts, columns))
    state = None if drift.is_undecided(psi, floor) else drift.state(psi, floor)
    return {"psi": psi, "floor": floor, "state": state}
