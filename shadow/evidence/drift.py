"""Drift: how far the rows of late, and both models' predictions, are from what the profiles hold.

Fields and live prices are compared with the live model's profile, the candidate's prices with its own
(docs/statistics.md, "Drift"). A window is the whole days before a moment; a state has to hold in two of those
windows that ended in the last three days.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitoring.statistics import drift
from monitoring.statistics.drift import WINDOWS, FieldDrift
from shadow.evidence.context import StreamContext
from shadow.evidence.reference import Reference
from shadow.store import Connection, Store
from shadow.store.drift import field_counts
from shadow.store.drift.field_counts import FieldCounts
from shadow.store.evidence.span import DayRange, day_at

LIVE_PRICE, CANDIDATE_PRICE = "live price", "candidate price"


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """One column in one window: its profile, its rows by bin, and the distance between the two."""

    reference: Mapping[str, Any]
    counts: Mapping[str, int]
    drift: FieldDrift


@dataclass(frozen=True, slots=True)
class DriftWindow:
    """Every profiled column over some days; both models' prices are among them."""

    days: DayRange
    columns: Mapping[str, ColumnDrift]

    @property
    def rows(self) -> int:
        """How many rows the live model answered in it."""
        return self.columns[LIVE_PRICE].drift.houses if LIVE_PRICE in self.columns else 0


@dataclass(frozen=True, slots=True)
class StreamDrift:
    """The drift of a stream at a moment.

    `windows`: by length in days, those that ended with the last whole day. `states`: of each column, 0 in
    order, 1 yellow, 2 red, None while it has too few rows; `state`: of all columns together.
    """

    windows: Mapping[int, DriftWindow]
    states: Mapping[str, int | None]
    state: int | None


class BinCounter:
    """Counts new rows into the bins of the profiles of one stream's two models."""

    def __init__(self, context: StreamContext) -> None:
        stream = context.stream
        self._since = stream.started_at
        models = ((context.live_reference, None), (context.candidate_reference, stream.terms.candidate_id))
        self._counts = [
            FieldCounts(
                reference.digest,
                reference.model,
                {"fields": reference.fields, "prediction": reference.prices},
                stream.terms.day_seconds,
                candidate_id,
            )
            for reference, candidate_id in models
            if reference.prices is not None
        ]

    def update(self, store: Store, stop: threading.Event | None = None) -> None:
        """Count what has come since; each step is one transaction. Ends early on a stop."""
        for counts in self._counts:
            more = True
            while more and not (stop is not None and stop.is_set()):
                with store.writing() as connection:
                    more = counts.count_next(connection, self._since)


def measure(store: Store, context: StreamContext, now: datetime) -> StreamDrift:
    """Measure the drift of every column as of a moment.

    Rows of days before that moment that were stored after it count, too.
    """
    with store.reading() as connection:
        newest = {
            length: window_before(connection, context, length, 0, now)
            for length in context.policy.drift.windows_days
        }
        earlier = [_windows(connection, context, back, now) for back in reversed(range(1, WINDOWS))]
    states = _states([*earlier, list(newest.values())], context.policy.drift.min_houses)
    return StreamDrift(newest, states, overall_state(context.live_reference, states))


def window_before(
    connection: Connection, context: StreamContext, length: int, back: int, now: datetime
) -> DriftWindow:
    """Measure all columns over the `length` whole days that ended `back` days before the day of `now`."""
    end = day_at(now, context.policy.day_seconds) - back
    days = DayRange(end - length, end)
    profiles_and_counts = _profiles_and_counts(connection, context, days)
    number = len(profiles_and_counts)
    return DriftWindow(
        days,
        {
            name: ColumnDrift(profile, counts, drift.field_drift(profile, counts, number))
            for name, (profile, counts) in profiles_and_counts.items()
        },
    )


def first_sufficient(windows: Sequence[DriftWindow], name: str, least: int) -> ColumnDrift:
    """Return a column over the shortest window with enough of its rows, else over the longest."""
    columns = [window.columns[name] for window in windows]
    return next((column for column in columns if column.drift.houses >= least), columns[-1])


def overall_state(live: Reference, states: Mapping[str, int | None]) -> int | None:
    """Combine the states of all columns; None: too few rows."""
    prices = [states.get(name) for name in (LIVE_PRICE, CANDIDATE_PRICE)]
    fields = {name: state for name, state in states.items() if name not in (LIVE_PRICE, CANDIDATE_PRICE)}
    return drift.dataset_state(fields, live.by_importance, prices)


def _profiles_and_counts(
    connection: Connection, context: StreamContext, days: DayRange
) -> dict[str, tuple[Mapping[str, Any], Mapping[str, int]]]:
    """Read the profile and the rows by bin of each column."""
    live, candidate = context.live_reference, context.candidate_reference
    span = context.stream.terms.day_seconds, days.first, days.end
    live_counts = field_counts.bin_counts(connection, live.digest, *span)
    candidate_counts = field_counts.bin_counts(connection, candidate.digest, *span)
    columns: dict[str, tuple[Mapping[str, Any], Mapping[str, int]]] = {
        name: (profile, live_counts.get(name, {})) for name, profile in live.fields.items()
    }
    for name, prices, counts in (
        (LIVE_PRICE, live.prices, live_counts),
        (CANDIDATE_PRICE, candidate.prices, candidate_counts),
    ):
        if prices is not None:
            columns[name] = prices, counts.get(field_counts.PREDICTION, {})
    return columns


def _states(ended: Sequence[Sequence[DriftWindow]], least: int) -> dict[str, int | None]:
    """Return the state of each column from the windows that ended on each of the last days, oldest first."""
    return {
        name: drift.persistent([_state(first_sufficient(windows, name, least), least) for windows in ended])
        for name in ended[-1][0].columns
    }


def _windows(connection: Connection, context: StreamContext, back: int, now: datetime) -> list[DriftWindow]:
    """Measure the shorter window; the longer one too, while some column has too few rows in the shorter."""
    short, long = context.policy.drift.windows_days
    least = context.policy.drift.min_houses
    window = window_before(connection, context, short, back, now)
    if all(column.drift.houses >= least for column in window.columns.values()):
        return [window]
    return [window, window_before(connection, context, long, back, now)]


def _state(column: ColumnDrift, least: int) -> int | None:
    return column.drift.state if column.drift.houses >= least else None
