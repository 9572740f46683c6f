"""Reading evidence: what has been computed, and the same computed again as of an earlier moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, Select, func, select

from monitoring.statistics.comparison import BIN_RATIO, quantile_of_bins
from monitoring.statistics.sums import Sums, total
from shadow.store.database.dialects import allow_long_queries
from shadow.store.database.tables import evidence, gap_bins, outcome_delays
from shadow.store.evidence import rollup
from shadow.store.evidence.due import first_kept_day
from shadow.store.evidence.pairs import Scope
from shadow.store.evidence.rollup import EXTREMES, WHOLE
from shadow.store.evidence.rows import houses
from shadow.store.evidence.span import Days, days_in
from shadow.store.streams import Stream

DaySums = list[tuple[int, Sums]]
_DAYS_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Delays:
    """How many outcomes came how late: houses by bin, 1.02^bin <= 1 + seconds < 1.02^(bin + 1)."""

    houses: Mapping[int, int]

    @property
    def seen(self) -> int:
        """How many delays there are."""
        return sum(self.houses.values())

    def quantile(self, share: float) -> float:
        """The delay in seconds that `share` of the outcomes do not exceed: upper edge of its bin, 2 % at most
        too long; 0 when there are none.

        >>> round(Delays({0: 95, 100: 5}).quantile(0.95), 2), round(Delays({0: 94, 100: 6}).quantile(0.95), 2)
        (0.02, 6.39)
        """
        place = quantile_of_bins(self.houses, share)
        return 0.0 if place is None else float(BIN_RATIO ** (place + 1)) - 1


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything computed of a stream, by day and segment ("": all houses), as of one moment."""

    sums: Mapping[tuple[int, str], Sums]
    delays: Delays
    gaps: Mapping[tuple[str, int], int]

    def __add__(self, other: Evidence) -> Evidence:
        """The evidence of both: of days that are in one of them only."""
        late = Counter(self.delays.houses) + Counter(other.delays.houses)
        apart = Counter(self.gaps) + Counter(other.gaps)
        return Evidence({**self.sums, **other.sums}, Delays(late), apart)

    def day_sums(self, before_day: int | None = None, from_day: int | None = None) -> DaySums:
        """The sums of each day of [from_day, before_day), ascending."""
        days = (
            (day, sums)
            for (day, name), sums in self.sums.items()
            if name == WHOLE and _is_in(day, before_day, from_day)
        )
        return sorted(days, key=lambda pair: pair[0])

    def segment_sums(self, before_day: int | None = None, from_day: int | None = None) -> dict[str, Sums]:
        """The sums of each segment over the days of [from_day, before_day)."""
        found: dict[str, list[Sums]] = {}
        for (day, name), sums in sorted(self.sums.items(), key=lambda pair: pair[0]):
            if name != WHOLE and _is_in(day, before_day, from_day):
                found.setdefault(name, []).append(sums)
        return {name: total(some) for name, some in found.items()}

    def gap_bins(self, segment: str = WHOLE) -> dict[int, int]:
        """Houses by bin of |g|."""
        return {place: houses for (name, place), houses in self.gaps.items() if name == segment}


def day_sums(
    connection: Connection, stream: Stream, before_day: int | None = None, from_day: int | None = None
) -> DaySums:
    """The sums of each day of [from_day, before_day), ascending."""
    query = select(evidence).where(*_of(stream, before_day, from_day), evidence.c.segment == WHOLE)
    return [(row.day, _sums(row)) for row in connection.execute(query.order_by(evidence.c.day))]


def segment_sums(
    connection: Connection, stream: Stream, before_day: int | None = None, from_day: int | None = None
) -> dict[str, Sums]:
    """The sums of each segment over the days of [from_day, before_day)."""
    added = (EXTREMES.get(name, func.sum)(evidence.c[name]).label(name) for name in Sums.columns())
    query = select(evidence.c.segment, *added).where(
        *_of(stream, before_day, from_day), evidence.c.segment != WHOLE
    )
    rows = connection.execute(query.group_by(evidence.c.segment).order_by(evidence.c.segment))
    return {row.segment: _sums(row) for row in rows}


def delays(connection: Connection, stream: Stream) -> Delays:
    """The delays of the stream's outcomes."""
    table = outcome_delays.c
    query = select(table.bin, func.sum(table.houses)).where(table.stream_id == stream.id).group_by(table.bin)
    return Delays({place: int(houses) for place, houses in connection.execute(query)})


def gaps(connection: Connection, stream: Stream, segment: str = WHOLE) -> dict[int, int]:
    """Houses by bin of |g|, which holds 1.02^bin <= |g| < 1.02^(bin + 1); |g| counts as 1e-6 at least."""
    table = gap_bins.c
    here = (table.stream_id == stream.id) & (table.segment == segment)
    query = select(table.bin, func.sum(table.houses)).where(here).group_by(table.bin).order_by(table.bin)
    return {place: int(houses) for place, houses in connection.execute(query)}


def as_of(connection: Connection, stream: Stream, moment: datetime) -> Evidence:
    """The evidence as it was at `moment`, computed from what had been stored by then.

    Takes as long as computing all of it. Days whose captures have been removed are as they were computed.
    """
    kept, days = first_kept_day(connection, stream), days_in(stream, moment)
    if kept is None or kept <= days.first:
        return _computed(connection, stream, days, moment)
    old = _stored(connection, stream, min(kept, days.end))
    return old + _computed(connection, stream, Days(kept, max(kept, days.end)), moment)


def _computed(connection: Connection, stream: Stream, days: Days, moment: datetime) -> Evidence:
    allow_long_queries(connection)
    scope = Scope(stream, connection.dialect.name, moment)
    rows = houses(scope)
    sums, late, apart = rollup.sums(rows), rollup.delay_bins(rows), rollup.gap_bins(rows)
    found = Evidence({}, Delays({}), {})
    for some in days.pieces(_DAYS_AT_ONCE):
        found += _read(connection, sums, late, apart, scope.part(some))
    return found


def _stored(connection: Connection, stream: Stream, before_day: int) -> Evidence:
    sums, late, apart = (
        select(table).where(table.c.stream_id == stream.id, table.c.day < before_day)
        for table in (evidence, outcome_delays, gap_bins)
    )
    return _read(connection, sums, late, apart, {})


def _read(
    connection: Connection, sums: Select[Any], late: Select[Any], apart: Select[Any], part: Mapping[str, UUID]
) -> Evidence:
    by_delay, by_gap = Counter[int](), Counter[tuple[str, int]]()
    found = {(row.day, row.segment): _sums(row) for row in connection.execute(sums, part)}
    for row in connection.execute(late, part):
        by_delay[row.bin] += int(row.houses)
    for row in connection.execute(apart, part):
        by_gap[row.segment, row.bin] += int(row.houses)
    return Evidence(found, Delays(by_delay), by_gap)


def _sums(row: Row[Any]) -> Sums:
    return Sums.of(cast(Mapping[str, float], row._mapping))


def _of(stream: Stream, before_day: int | None, from_day: int | None) -> list[ColumnElement[bool]]:
    return [
        evidence.c.stream_id == stream.id,
        *([] if before_day is None else [evidence.c.day < before_day]),
        *([] if from_day is None else [evidence.c.day >= from_day]),
    ]


def _is_in(day: int, before_day: int | None, from_day: int | None) -> bool:
    return (before_day is None or day < before_day) and (from_day is None or day >= from_day)
