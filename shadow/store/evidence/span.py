"""Spans: periods as ranges of ids, which carry the time; so indexes and partitions apply."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from shadow.store.database.partitions import first_id
from shadow.store.streams import Stream

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_ID = UUID(int=(1 << 128) - 1)


@dataclass(frozen=True, slots=True)
class IdRange:
    """The ids of [low, high)."""

    low: UUID
    high: UUID

    def within(self, other: IdRange) -> IdRange:
        """Return the ids in both ranges."""
        return IdRange(max(self.low, other.low), min(self.high, other.high))


@dataclass(frozen=True, slots=True)
class DayRange:
    """The days of [first, end)."""

    first: int
    end: int

    def split(self, size: int) -> Iterator[DayRange]:
        """Return the same days in order, at most `size` at once."""
        for first in range(self.first, self.end, size):
            yield DayRange(first, min(first + size, self.end))


def milliseconds(moment: datetime) -> int:
    """Return whole milliseconds since 1970, as ids carry them."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def day_at(moment: datetime, day_seconds: int) -> int:
    """Return the day a moment is in, counted from 1970 in lengths of a day."""
    return milliseconds(moment) // (day_seconds * 1000)


def ids_of(days: DayRange, day_seconds: int) -> IdRange:
    """Return the ids of captures answered on these days."""
    return IdRange(first_id(days.first * day_seconds * 1000), first_id(days.end * day_seconds * 1000))


def ids_in(stream: Stream) -> IdRange:
    """Return the ids of captures answered while the stream lasted."""
    end = _LAST_ID if stream.ended_at is None else first_id(milliseconds(stream.ended_at))
    return IdRange(first_id(milliseconds(stream.started_at)), end)


def days_in(stream: Stream, moment: datetime) -> DayRange:
    """Return the days of the stream up to and including the day of a moment."""
    last = min(moment, stream.ended_at or moment)
    length = stream.terms.day_seconds
    return DayRange(day_at(stream.started_at, length), day_at(last, length) + 1)
