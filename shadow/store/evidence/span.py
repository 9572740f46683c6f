"""Spans: stretches of time as ids, which carry it; so indexes and partitions apply."""

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
class Ids:
    """The ids of [low, high)."""

    low: UUID
    high: UUID

    def within(self, other: Ids) -> Ids:
        """What both hold."""
        return Ids(max(self.low, other.low), min(self.high, other.high))


@dataclass(frozen=True, slots=True)
class Days:
    """The days of [first, end)."""

    first: int
    end: int

    def pieces(self, most: int) -> Iterator[Days]:
        """The same days in order, at most so many at once."""
        for first in range(self.first, self.end, most):
            yield Days(first, min(first + most, self.end))


def milliseconds(moment: datetime) -> int:
    """Whole milliseconds since 1970, as ids carry them."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def day_at(moment: datetime, day_seconds: int) -> int:
    """The day a moment is in."""
    return milliseconds(moment) // (day_seconds * 1000)


def ids_of(days: Days, day_seconds: int) -> Ids:
    """The ids of captures answered on these days."""
    return Ids(first_id(days.first * day_seconds * 1000), first_id(days.end * day_seconds * 1000))


def ids_in(stream: Stream) -> Ids:
    """The ids of captures answered while the stream lasted."""
    end = _LAST_ID if stream.ended_at is None else first_id(milliseconds(stream.ended_at))
    return Ids(first_id(milliseconds(stream.started_at)), end)


def days_in(stream: Stream, moment: datetime) -> Days:
    """The days of the stream up to a moment, that of the moment included."""
    last = min(moment, stream.ended_at or moment)
    length = stream.terms.day_seconds
    return Days(day_at(stream.started_at, length), day_at(last, length) + 1)
