"""Drift: whether the houses asked for, and what both models say of them, are still as the profiles have them.

Fields and live prices are held against the live model's profile, the candidate's prices against its own
(docs/statistics.md, "Drift"). A window is the whole days before a moment; a state has to hold in two of those
windows that ended in the last three days.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from monitoring.statistics import drift
from monitoring.statistics.drift import WINDOWS, FieldDrift
from shadow.evidence.reference import both
from shadow.policy import Policy
from shadow.store import Connection, Store
from shadow.store.drift import field_counts
from shadow.store.drift.field_counts import FieldCounts
from shadow.store.evidence.span import Days, day_at
from shadow.store.streams import Stream

LIVE_PRICE, CANDIDATE_PRICE = "live price", "candidate price"


@dataclass(frozen=True, slots=True)
class Moved:
    """One column: its reference, its houses by bin in a window, and how far the one is from the other."""

    reference: Mapping[str, Any]
    counts: Mapping[str, int]
    drift: FieldDrift


@dataclass(frozen=True, slots=True)
class Window:
    """Every profiled column over some days; both models' prices are among them."""

    days: Days
    columns: Mapping[str, Moved]

    @property
    def houses(self) -> int:
        """How many houses the live model answered in it."""
        return self.columns[LIVE_PRICE].drift.houses if LIVE_PRICE in self.columns else 0


class Reference:
    """What windows are held against: the profiles of a stream's two models."""

    def __init__(self, models: Path, stream: Stream) -> None:
        self.live, self.candidate = both(models, stream)
        self._day_seconds = stream.terms.day_seconds

    def window(self, connection: Connection, days: Days) -> Window:
        """Measure all columns over some days."""
        span = self._day_seconds, days.first, days.end
        of_live = field_counts.windows(connection, self.live.digest, *span)
        of_candidate = field_counts.windows(connection, self.candidate.digest, *span)
        columns = {name: (reference, of_live.get(name, {})) for name, reference in self.live.fields.items()}
        for name, described, counts in (
            (LIVE_PRICE, self.live, of_live),
            (CANDIDATE_PRICE, self.candidate, of_candidate),
        ):
            if described.prices is not None:
                columns[name] = described.prices, counts.get(field_counts.PREDICTION, {})
        return Window(days, {name: _moved(*pair, len(columns)) for name, pair in columns.items()})


class Counting:
    """Counts new houses into the bins of the profiles of one stream's two models."""

    def __init__(self, models: Path, stream: Stream) -> None:
        length, self._since = stream.terms.day_seconds, stream.started_at
        asked = zip(both(models, stream), (None, stream.terms.candidate_id), strict=True)
        self._counts = [
            FieldCounts(
                one.digest, one.model, {"fields": one.fields, "prediction": one.prices}, length, scored
            )
            for one, scored in asked
            if one.prices is not None
        ]

    def bring_up_to_date(self, store: Store, stop: threading.Event | None = None) -> None:
        """Count what has come since; each step is one transaction. Ends early on a stop."""
        for counts in self._counts:
            more = True
            while more and not (stop is not None and stop.is_set()):
                with store.writing() as connection:
                    more = counts.go_on(connection, self._since)


def window_before(
    connection: Connection, reference: Reference, policy: Policy, length: int, back: int, now: datetime
) -> Window:
    """The `length` whole days that ended `back` days before the day of `now`."""
    end = day_at(now, policy.day_seconds) - back
    return reference.window(connection, Days(end - length, end))


def states(
    connection: Connection, reference: Reference, policy: Policy, now: datetime
) -> Mapping[str, int | None]:
    """The state of each column: 0 in order, 1 yellow, 2 red; None: too few houses to tell."""
    ended = [_windows(connection, reference, policy, back, now) for back in reversed(range(WINDOWS))]
    least = policy.drift.min_houses
    return {
        name: drift.persistent([_state(widest(windows, name, least), least) for windows in ended])
        for name in ended[-1][0].columns
    }


def widest(windows: Sequence[Window], name: str, least: int) -> Moved:
    """A column over the shortest of the windows that holds enough of its houses, else over the longest."""
    moved = [window.columns[name] for window in windows]
    return next((one for one in moved if one.drift.houses >= least), moved[-1])


def together(reference: Reference, states: Mapping[str, int | None]) -> int | None:
    """The state of all columns together; None: too few houses to tell."""
    prices = [states.get(name) for name in (LIVE_PRICE, CANDIDATE_PRICE)]
    fields = {name: one for name, one in states.items() if name not in (LIVE_PRICE, CANDIDATE_PRICE)}
    return drift.dataset_state(fields, reference.live.by_importance, prices)


def state(connection: Connection, models: Path, stream: Stream, policy: Policy, now: datetime) -> int | None:
    """The state of all columns together, as of a moment; raises AlteredArtifact or InvalidArtifact.

    Houses of days before that moment that were stored after it count, too.
    """
    reference = Reference(models, stream)
    return together(reference, states(connection, reference, policy, now))


def _windows(
    connection: Connection, reference: Reference, policy: Policy, back: int, now: datetime
) -> list[Window]:
    """The shorter window; the longer one too, while some column has too few houses in the shorter."""
    short, long = policy.drift.windows_days
    found = window_before(connection, reference, policy, short, back, now)
    if all(one.drift.houses >= policy.drift.min_houses for one in found.columns.values()):
        return [found]
    return [found, window_before(connection, reference, policy, long, back, now)]


def _state(moved: Moved, least: int) -> int | None:
    return moved.drift.state if moved.drift.houses >= least else None


def _moved(reference: Mapping[str, Any], counts: Mapping[str, int], fields: int) -> Moved:
    return Moved(reference, counts, drift.field_drift(reference, counts, fields))
