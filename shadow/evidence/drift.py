"""Drift: whether the houses asked for, and what both models say of them, are still as the profiles have them.

Fields and live prices are held against the live model's profile, the candidate's prices against its own
(statistics.md 4.3, 4.4). A window is the whole days before a moment; a state has to hold in two of those
windows that ended in the last three days.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from monitoring import drift
from monitoring.drift import WINDOWS, FieldDrift
from shadow.evidence.described import Described, describe
from shadow.policy import Policy
from shadow.store import Connection, Store, field_counts
from shadow.store.evidence.span import Days, day_at
from shadow.store.field_counts import FieldCounts
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
        """How many houses it holds."""
        return self.columns[LIVE_PRICE].drift.houses


class Reference:
    """What windows are held against: the profiles of a stream's two models."""

    def __init__(self, models: Path, stream: Stream) -> None:
        self.live: Described = describe(models, stream.terms.live)
        self.candidate: Described = describe(models, stream.candidate)
        self._day_seconds = stream.terms.day_seconds

    def window(self, connection: Connection, days: Days) -> Window:
        """Measure all columns over some days."""
        fields = self.live.profile.get("fields", {})
        span = self._day_seconds, days.first, days.end
        of_live = field_counts.windows(connection, self.live.digest, *span)
        of_candidate = field_counts.windows(connection, self.candidate.digest, *span)
        columns = {name: (reference, of_live.get(name, {})) for name, reference in fields.items()}
        for name, described, counts in (
            (LIVE_PRICE, self.live, of_live),
            (CANDIDATE_PRICE, self.candidate, of_candidate),
        ):
            if "prediction" in described.profile:
                columns[name] = described.profile["prediction"], counts.get(field_counts.PREDICTION, {})
        return Window(days, {name: _moved(*pair, len(columns)) for name, pair in columns.items()})


class Counting:
    """Counts new houses into the bins of the profiles of one stream's two models."""

    def __init__(self, models: Path, stream: Stream) -> None:
        live, candidate = describe(models, stream.terms.live), describe(models, stream.candidate)
        length = stream.terms.day_seconds
        self._since = stream.started_at
        self._counts = (
            FieldCounts(live.digest, live.model, live.profile, length),
            FieldCounts(
                candidate.digest, candidate.model, candidate.profile, length, stream.terms.candidate_id
            ),
        )

    def bring_up_to_date(self, store: Store) -> None:
        """Count what has come since; each step is one transaction."""
        for counts in self._counts:
            more = True
            while more:
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
    windows = [_enough(connection, reference, policy, back, now) for back in reversed(range(WINDOWS))]
    return {
        name: drift.persistent([window.columns[name].drift.state for window in windows])
        for name in windows[-1].columns
    }


def together(reference: Reference, states: Mapping[str, int | None]) -> int | None:
    """The state of all columns together; None: too few houses to tell."""
    prices = [states.get(name) for name in (LIVE_PRICE, CANDIDATE_PRICE)]
    fields = {name: one for name, one in states.items() if name not in (LIVE_PRICE, CANDIDATE_PRICE)}
    return drift.dataset_state(fields, reference.live.by_importance, prices)


def state(connection: Connection, models: Path, stream: Stream, policy: Policy, now: datetime) -> int | None:
    """The state of all columns together, as of a moment."""
    reference = Reference(models, stream)
    return together(reference, states(connection, reference, policy, now))


def _enough(connection: Connection, reference: Reference, policy: Policy, back: int, now: datetime) -> Window:
    """The shorter window, or the longer one while the shorter holds too few houses."""
    short, long = policy.drift.windows_days
    found = window_before(connection, reference, policy, short, back, now)
    if found.houses >= policy.drift.min_houses:
        return found
    return window_before(connection, reference, policy, long, back, now)


def _moved(reference: Mapping[str, Any], counts: Mapping[str, int], fields: int) -> Moved:
    return Moved(reference, counts, drift.field_drift(reference, counts, fields))
