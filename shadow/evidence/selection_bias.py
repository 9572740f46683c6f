"""Selection bias: whether rows whose outcome is known are like those whose outcome is still open.

Between the two: PSI of every profiled field and of g = ln(candidate / live), beside the value that chance
reaches (docs/statistics.md, "Late outcomes"). It needs no outcome, and it describes: no rule rests on it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import numpy as np

from model_package import profile
from model_package.schema import BY_NAME, Value
from monitoring.statistics import distances, drift
from shadow.evidence.context import StreamContext
from shadow.evidence.documents.shapes import Distance, FieldDistance, SelectionBias
from shadow.evidence.reference import Reference
from shadow.store import Connection
from shadow.store.evidence import PredictionPair, mature_sample
from shadow.store.streams.excerpts import is_masked

SAMPLE, LEAST = 20_000, 100
_EMPTY_ROW: Mapping[str, Value] = dict.fromkeys(BY_NAME)
_DECILES = np.arange(1, 10) / 10


def selection_bias(
    connection: Connection, context: StreamContext, mature_day: int | None, masked: Collection[str]
) -> SelectionBias:
    """Compare a sample of the rows up to the newest mature day; None: no day is mature."""
    pairs = [] if mature_day is None else mature_sample(connection, context.stream, mature_day + 1, SAMPLE)
    return compare(pairs, context.live_reference, masked)


def compare(pairs: Iterable[PredictionPair], live: Reference, masked: Collection[str]) -> SelectionBias:
    """Compare sold with unsold pairs, in the coarse bins of the live model's profile; g in its deciles.

    State 0 alike, 1 yellow, 2 red, None: too few, which fewer than 100 of either are. Masked fields are left
    out. A rise of missing values alone turns nothing red, as it does in drift: with 100 rows, chance reaches
    that far.
    """
    fields = {name: profiled for name, profiled in live.fields.items() if not is_masked(name, masked)}
    sold, unsold = count_by_bin(pairs, fields)
    if min(len(sold.gaps), len(unsold.gaps)) < LEAST:
        return SelectionBias(len(sold.gaps), len(unsold.gaps))
    columns = len(sold.bins) + 1
    gap = _distance(columns, *_by_decile(sold.gaps, unsold.gaps))
    by_field = {name: _distance(columns, sold.bins[name], unsold.bins[name]) for name in sold.bins}
    return SelectionBias(
        len(sold.gaps),
        len(unsold.gaps),
        gap=gap,
        fields=_ranked(by_field),
        state=_state(gap, by_field, live),
    )


def _ranked(by_field: Mapping[str, Distance]) -> tuple[FieldDistance, ...]:
    rows = [
        FieldDistance(name, distance.psi, distance.floor, distance.state)
        for name, distance in by_field.items()
    ]
    return tuple(sorted(rows, key=lambda row: (row.state or 0, row.psi), reverse=True))


def _state(gap: Distance, by_field: Mapping[str, Distance], live: Reference) -> int | None:
    states = {name: distance.state for name, distance in by_field.items()}
    overall = drift.dataset_state(states, live.by_importance, [gap.state])
    is_open = overall == drift.NONE and None in (gap.state, *states.values())
    return None if is_open else overall


@dataclass(frozen=True, slots=True)
class OutcomeGroup:
    """Sold or unsold rows: how many fell into each coarse bin of each field, and every g."""

    bins: Mapping[str, Counter[Value]]
    gaps: list[float] = field(default_factory=list)


def count_by_bin(
    pairs: Iterable[PredictionPair], fields: Mapping[str, Mapping[str, Any]]
) -> tuple[OutcomeGroup, OutcomeGroup]:
    """Count sold and unsold pairs while they are read; the rows' values themselves are not retained."""
    known = {name: profiled for name, profiled in fields.items() if name in profile.AGES or name in BY_NAME}
    sold, unsold = (OutcomeGroup({name: Counter() for name in known}) for _ in range(2))
    for pair in pairs:
        group = unsold if pair.sold_dollars is None else sold
        group.gaps.append(pair.gap)
        values = profile.columns([{**_EMPTY_ROW, **pair.inputs}])
        for name, reference in known.items():
            group.bins[name][_bin(values[name][0], reference)] += 1
    return sold, unsold


def _bin(value: Value, reference: Mapping[str, Any]) -> Value:
    if value is None:
        return profile.MISSING
    if reference["kind"] == "categorical":
        name = profile.bin_label(value)
        return name if name in reference["counts"] else profile.OTHER
    number = float(value)
    return bisect_right(reference["edges"], number) if isfinite(number) else "nonfinite"


def _by_decile(sold: Sequence[float], unsold: Sequence[float]) -> tuple[Counter[Value], Counter[Value]]:
    edges = np.quantile([*sold, *unsold], _DECILES).tolist()
    return Counter(bisect_right(edges, g) for g in sold), Counter(bisect_right(edges, g) for g in unsold)


def _distance(columns: int, sold: Mapping[Value, int], unsold: Mapping[Value, int]) -> Distance:
    labels = [*{**sold, **unsold}]
    counts = [sold.get(label, 0) for label in labels], [unsold.get(label, 0) for label in labels]
    psi, floor = float(distances.psi(*counts)), float(distances.psi_floor(*counts, columns))
    state = None if drift.is_undecided(psi, floor) else drift.state(psi, floor)
    return Distance(psi, floor, state)
