"""Sums: read stored evidence, or compute it again as of an earlier moment."""

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
from shadow.store.database.tables import evidence, outcome_delays
from shadow.store.database.tables import gap_bins as gap_bin_table
from shadow.store.evidence import rollup
from shadow.store.evidence.due import first_complete_day
from shadow.store.evidence.pairs import Scope
from shadow.store.evidence.rollup import ALL_ROWS, EXTREMES
from shadow.store.evidence.rows import measured_rows
from shadow.store.evidence.span import DayRange, days_in
from shadow.store.streams import Stream

DaySums = list[tuple[int, Sums]]
_DAYS_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Delays:
    """How late outcomes came: rows by bin, 1.02^bin <= 1 + seconds < 1.02^(bin + 1)."""

    rows: Mapping[int, int]

    @property
    def count(self) -> int:
        """The number of delays."""
        return sum(self.rows.values())

    def quantile(self, share: float) -> float:
        """Return the delay in seconds that `share` of the outcomes do not exceed; 0 when there are none.

        It is the upper edge of a bin: at most 2 % too long.

        >>> round(Delays({0: 95, 100: 5}).quantile(0.95), 2), round(Delays({0: 94, 100: 6}).quantile(0.95), 2)
        (0.02, 6.39)
        """
        bin_number = quantile_of_bins(self.rows, share)
        return 0.0 if bin_number is None else float(BIN_RATIO ** (bin_number + 1)) - 1


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything computed of a stream, by day and segment ("": all rows), as of one moment."""

    sums: Mapping[tuple[int, str], Sums]
    delays: Delays
    gaps: Mapping[tuple[str, int], int]

    def __add__(self, other: Evidence) -> Evidence:
        """Return the evidence of both; each day must be in one of them only."""
        late = Counter(self.delays.rows) + Counter(other.delays.rows)
        apart = Counter(self.gaps) + Counter(other.gaps)
        return Evidence({**self.sums, **other.sums}, Delays(late), apart)

    def day_sums(self, before_day: int | None = None, from_day: int | None = None) -> DaySums:
        """Return the sums of each day of [from_day, before_day), ascending."""
        days = (
            (day, sums)
            for (day, name), sums in self.sums.items()
            if name == ALL_ROWS and _is_in(day, before_day, from_day)
        )
        return sorted(days, key=lambda pair: pair[0])

    def segment_sums(self, before_day: int | None = None, from_day: int | None = None) -> dict[str, Sums]:
        """Return the sums of each segment over the days of [from_day, before_day)."""
        by_segment: dict[str, list[Sums]] = {}
        for (day, name), sums in sorted(self.sums.items(), key=lambda pair: pair[0]):
            if name != ALL_ROWS and _is_in(day, before_day, from_day):
                by_segment.setdefault(name, []).append(sums)
        return {name: total(days) for name, days in by_segment.items()}

    def gap_bins(self, segment: str = ALL_ROWS) -> dict[int, int]:
        """Return the number of rows by bin of |g|."""
        return {number: rows for (name, number), rows in self.gaps.items() if name == segment}


def day_sums(
    connection: Connection, stream: Stream, before_day: int | None = None, from_day: int | None = None
) -> DaySums:
    """Return the sums of each day of [from_day, before_day), ascending."""
    query = select(evidence).where(*_in_days(stream, before_day, from_day), evidence.c.segment == ALL_ROWS)
    return [(row.day, _sums(row)) for row in connection.execute(query.order_by(evidence.c.day))]


def segment_sums(
    connection: Connection, stream: Stream, before_day: int | None = None, from_day: int | None = None
) -> dict[str, Sums]:
    """Return the sums of each segment over the days of [from_day, before_day)."""
    added = (EXTREMES.get(name, func.sum)(evidence.c[name]).label(name) for name in Sums.columns())
    query = select(evidence.c.segment, *added).where(
        *_in_days(stream, before_day, from_day), evidence.c.segment != ALL_ROWS
    )
    rows = connection.execute(query.group_by(evidence.c.segment).order_by(evidence.c.segment))
    return {row.segment: _sums(row) for row in rows}


def delays(connection: Connection, stream: Stream) -> Delays:
    """Return the delays of the stream's outcomes."""
    table = outcome_delays.c
    query = select(table.bin, func.sum(table.houses)).where(table.stream_id == stream.id).group_by(table.bin)
    return Delays({number: int(rows) for number, rows in connection.execute(query)})


def gap_bins(connection: Connection, stream: Stream, segment: str = ALL_ROWS) -> dict[int, int]:
    """Count rows by bin of |g|, which holds 1.02^bin <= |g| < 1.02^(bin + 1); |g| counts as 1e-6 at least."""
    table = gap_bin_table.c
    in_segment = (table.stream_id == stream.id) & (table.segment == segment)
    query = select(table.bin, func.sum(table.houses)).where(in_segment)
    rows = connection.execute(query.group_by(table.bin).order_by(table.bin))
    return {number: int(count) for number, count in rows}


def as_of(connection: Connection, stream: Stream, moment: datetime) -> Evidence:
    """Compute the evidence as it was at `moment`, from what had been stored by then.

    Takes as long as computing all of it. Days whose captures have been pruned are as they were computed.
    """
    first, days = first_complete_day(connection, stream), days_in(stream, moment)
    if first is None or first <= days.first:
        return _computed(connection, stream, days, moment)
    pruned = _stored(connection, stream, min(first, days.end))
    return pruned + _computed(connection, stream, DayRange(first, max(first, days.end)), moment)


def _computed(connection: Connection, stream: Stream, days: DayRange, moment: datetime) -> Evidence:
    """Compute the evidence of these days as of a moment."""
    allow_long_queries(connection)
    scope = Scope(stream, connection.dialect.name, moment)
    rows = measured_rows(scope)
    sums, late, apart = rollup.sums(rows), rollup.delay_bins(rows), rollup.gap_bins(rows)
    computed = Evidence({}, Delays({}), {})
    for chunk in days.split(_DAYS_AT_ONCE):
        computed += _read(connection, sums, late, apart, scope.parameters(chunk))
    return computed


def _stored(connection: Connection, stream: Stream, before_day: int) -> Evidence:
    """Read the stored evidence of the days before one."""
    sums, late, apart = (
        select(table).where(table.c.stream_id == stream.id, table.c.day < before_day)
        for table in (evidence, outcome_delays, gap_bin_table)
    )
    return _read(connection, sums, late, apart, {})


def _read(
    connection: Connection,
    sums: Select[Any],
    late: Select[Any],
    apart: Select[Any],
    parameters: Mapping[str, UUID],
) -> Evidence:
    by_delay, by_gap = Counter[int](), Counter[tuple[str, int]]()
    by_segment = {(row.day, row.segment): _sums(row) for row in connection.execute(sums, parameters)}
    for row in connection.execute(late, parameters):
        by_delay[row.bin] += int(row.houses)
    for row in connection.execute(apart, parameters):
        by_gap[row.segment, row.bin] += int(row.houses)
    return Evidence(by_segment, Delays(by_delay), by_gap)


def _sums(row: Row[Any]) -> Sums:
    return Sums.of(cast(Mapping[str, float], row._mapping))


def _in_days(stream: Stream, before_day: int | None, from_day: int | None) -> list[ColumnElement[bool]]:
    return [
        evidence.c.stream_id == stream.id,
        *([] if before_day is None else [evidence.c.day < before_day]),
        *([] if from_day is None else [evidence.c.day >= from_day]),
    ]


def _is_in(day: int, before_day: int | None, from_day: int | None) -> bool:
    return (before_day is None or day < before_day) and (from_day is None or day >= from_day)
