"""Sources and their journal: how far each segment has been moved into the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, delete, func, select, update

from shadow.store import bulk
from shadow.store.tables import drops, segments, sources


@dataclass(frozen=True, slots=True)
class SegmentProgress:
    """How far one segment has been read, and what its count of houses was there.

    `expected_first` is the number the next entry should carry; `dropped_seen` the drops told by the
    last entry; `damaged_tail` the damaged lines since then; `dropped` the houses already recorded
    as dropped, by reason.
    """

    position: int
    expected_first: int
    dropped_seen: int
    damaged_tail: int
    dropped: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Source:
    """One data directory as the store knows it: the numbers of the last capture and outcome from it."""

    id: int
    last_seq: int
    last_outcome_seq: int = 0


UNREAD = SegmentProgress(position=0, expected_first=0, dropped_seen=0, damaged_tail=0, dropped={})


def lock(connection: Connection, directory_id: str, now: datetime) -> Source:
    """Take the source for this transaction, so that two ingests can never both move it."""
    found = select(sources.c.id, sources.c.last_seq, sources.c.last_outcome_seq).where(
        sources.c.directory_id == directory_id
    )
    row = connection.execute(found.with_for_update()).first()
    if row is None:
        connection.execute(sources.insert().values(directory_id=directory_id, last_seq=0, created_at=now))
        row = connection.execute(found.with_for_update()).one()
    return Source(row.id, row.last_seq, row.last_outcome_seq)


def advance(
    connection: Connection, source: Source, last_seq: int, last_outcome_seq: int | None = None
) -> None:
    """Say up to which numbers the source's captures and outcomes (None: as before) are stored."""
    outcomes = source.last_outcome_seq if last_outcome_seq is None else last_outcome_seq
    reached = {"last_seq": last_seq, "last_outcome_seq": outcomes}
    connection.execute(update(sources).where(sources.c.id == source.id).values(reached))


def progress(connection: Connection, source: Source) -> dict[str, SegmentProgress]:
    """How far each segment of the source has been read, by name."""
    return _by_name(connection, select(segments).where(segments.c.source_id == source.id))


def progress_of_directory(connection: Connection, directory_id: str) -> dict[str, SegmentProgress]:
    """The same for anyone who only looks."""
    joined = select(segments).join(sources, sources.c.id == segments.c.source_id)
    return _by_name(connection, joined.where(sources.c.directory_id == directory_id))


def _by_name(connection: Connection, query: Select[Any]) -> dict[str, SegmentProgress]:
    return {
        row.name: SegmentProgress(
            row.position, row.expected_first, row.dropped_seen, row.damaged_tail, row.dropped
        )
        for row in connection.execute(query)
    }


def set_progress(
    connection: Connection, source: Source, name: str, at: SegmentProgress, *, known: bool
) -> None:
    """Write how far one segment has been read; `known` says whether it was written before."""
    values = {
        "position": at.position,
        "expected_first": at.expected_first,
        "dropped_seen": at.dropped_seen,
        "damaged_tail": at.damaged_tail,
        "dropped": dict(at.dropped),
    }
    if known:
        this = (segments.c.source_id == source.id) & (segments.c.name == name)
        connection.execute(update(segments).where(this).values(values))
    else:
        connection.execute(segments.insert().values(source_id=source.id, name=name, **values))


def forget(connection: Connection, source: Source, names: Collection[str]) -> None:
    """Forget segments whose files are gone: names are never used twice."""
    if names:
        gone = (segments.c.source_id == source.id) & segments.c.name.in_(names)
        connection.execute(delete(segments).where(gone))


def record_new_drops(
    connection: Connection, source: Source, name: str, rows: Mapping[str, int], now: datetime
) -> Counter[str]:
    """Record what is in `rows`, counted by reason from the beginning, and not yet under that name.

    Gives what was new; doing it again records nothing.
    """
    if not rows:
        return Counter()
    mine = (drops.c.source_id == source.id) & (drops.c.segment == name)
    query = select(drops.c.reason, func.sum(drops.c.houses)).where(mine).group_by(drops.c.reason)
    recorded = Counter({reason: int(count) for reason, count in connection.execute(query)})
    fresh = Counter(rows) - recorded
    record_drops(connection, source, name, fresh, now)
    return fresh


def record_drops(
    connection: Connection, source: Source, name: str, houses: Mapping[str, int], now: datetime
) -> None:
    """Record houses that were answered and can never be scored, by reason."""
    rows = [
        {
            "source_id": source.id,
            "segment": name,
            "reason": reason,
            "houses": count,
            "recorded_at": now,
        }
        for reason, count in houses.items()
        if count > 0
    ]
    bulk.insert(connection, drops, rows)
