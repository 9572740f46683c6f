"""Sources and their journal: how far each journal file has been moved into the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, func, select, update

from shadow.store.database import bulk
from shadow.store.database.dialects import insert_if_new
from shadow.store.database.tables import drops, segments, sources

REFUSED, ROLLED_BACK = "refused", "rolled_back"
"""Why houses are dropped by ingest: the store takes their row never; or it took it, and forgot it again."""


class ProgressDiffers(RuntimeError):
    """The store is not where ingest left it: it went back in time, or another ingest has written to it."""


@dataclass(frozen=True, slots=True)
class JournalFileProgress:
    """How far one journal file has been read, and how many of its rows were counted up to there.

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
    """One data directory as the store knows it: the numbers of the last capture and outcome from it.

    `missing` captures and outcomes were acknowledged once, and the store has forgotten them; `accepted` of
    these somebody has given up. `tenure` names the start of ingest that writes the source, `tenant` where
    that runs.
    """

    id: int
    last_seq: int
    last_outcome_seq: int = 0
    missing: int = 0
    missing_outcomes: int = 0
    accepted: int = 0
    accepted_outcomes: int = 0
    tenure: str | None = None
    tenant: str | None = None

    @property
    def lost(self) -> int:
        """Captures that are missing, and that nobody has given up."""
        return max(0, self.missing - self.accepted)

    @property
    def lost_outcomes(self) -> int:
        """Outcomes that are missing, and that nobody has given up."""
        return max(0, self.missing_outcomes - self.accepted_outcomes)

    @property
    def acknowledged(self) -> int:
        """Captures that were ever stored, whether the store still knows of them or not."""
        return self.last_seq + self.missing

    @property
    def acknowledged_outcomes(self) -> int:
        """Outcomes that were ever stored."""
        return self.last_outcome_seq + self.missing_outcomes


@dataclass(frozen=True, slots=True)
class Standing:
    """A source, the sum of the positions in its journal files, and how many houses are counted as dropped.

    Enough to see that the store went back.
    """

    source: Source | None
    files: int
    bytes: int
    dropped: int = 0


UNREAD = JournalFileProgress(position=0, expected_first=0, dropped_seen=0, damaged_tail=0, dropped={})
_SOURCE = (
    sources.c.id,
    sources.c.last_seq,
    sources.c.last_outcome_seq,
    sources.c.missing,
    sources.c.missing_outcomes,
    sources.c.accepted,
    sources.c.accepted_outcomes,
    sources.c.tenure,
    sources.c.tenant,
)


def lock(connection: Connection, directory_id: str, now: datetime) -> Source:
    """Take the source for this transaction, so that two ingests can never both move it."""
    query = select(*_SOURCE).where(sources.c.directory_id == directory_id).with_for_update()
    row = connection.execute(query).first()
    if row is None:
        connection.execute(sources.insert().values(directory_id=directory_id, last_seq=0, created_at=now))
        row = connection.execute(query).one()
    return Source(*row)


def find(connection: Connection, directory_id: str) -> Source | None:
    """The source of a data directory; None when nothing has come from it."""
    row = connection.execute(select(*_SOURCE).where(sources.c.directory_id == directory_id)).first()
    return None if row is None else Source(*row)


def missing(connection: Connection) -> int:
    """Captures of all sources that were acknowledged once, are not in the store, and not given up."""
    pairs = connection.execute(select(sources.c.missing, sources.c.accepted))
    return sum(max(0, missing - accepted) for missing, accepted in pairs)


def standing(connection: Connection, directory_id: str) -> Standing:
    """Where the store is with a data directory; reads no more than a few rows."""
    source = find(connection, directory_id)
    if source is None:
        return Standing(None, 0, 0)
    files, length = connection.execute(
        select(func.count(), func.coalesce(func.sum(segments.c.position), 0)).where(
            segments.c.source_id == source.id
        )
    ).one()
    houses = connection.execute(
        select(func.coalesce(func.sum(drops.c.houses), 0)).where(_dropped_by(source))
    ).scalar_one()
    return Standing(source, files, int(length), int(houses))


def dropped(connection: Connection, source: Source) -> dict[str, dict[str, int]]:
    """Houses counted as dropped by reason, for each journal file or writer under whose name they are.

    Without those that the store has forgotten: `Source` has these.
    """
    counted = dict[str, dict[str, int]]()
    rows = connection.execute(
        select(drops.c.segment, drops.c.reason, func.sum(drops.c.houses))
        .where(_dropped_by(source))
        .group_by(drops.c.segment, drops.c.reason)
    )
    for name, reason, houses in rows:
        counted.setdefault(name, {})[reason] = int(houses)
    return counted


def _dropped_by(source: Source) -> ColumnElement[bool]:
    return (drops.c.source_id == source.id) & (drops.c.reason != ROLLED_BACK)


def update_source(connection: Connection, source: Source, **values: Any) -> Source:
    """Change some columns of a source that is locked; returns it as it is then."""
    connection.execute(update(sources).where(sources.c.id == source.id).values(values))
    return replace(source, **values)


def advance(
    connection: Connection, source: Source, last_seq: int, last_outcome_seq: int | None = None
) -> Source:
    """Say up to which numbers the source's captures and outcomes (None: as before) are stored."""
    outcomes = source.last_outcome_seq if last_outcome_seq is None else last_outcome_seq
    return update_source(connection, source, last_seq=last_seq, last_outcome_seq=outcomes)


def progress(connection: Connection, source: Source) -> dict[str, JournalFileProgress]:
    """Read how far each journal file of the source has been read, by name."""
    return _by_name(connection, select(segments).where(segments.c.source_id == source.id))


def progress_of_directory(connection: Connection, directory_id: str) -> dict[str, JournalFileProgress]:
    """The same for anyone who only looks."""
    joined = select(segments).join(sources, sources.c.id == segments.c.source_id)
    return _by_name(connection, joined.where(sources.c.directory_id == directory_id))


def _by_name(connection: Connection, query: Select[Any]) -> dict[str, JournalFileProgress]:
    return {
        row.name: JournalFileProgress(
            row.position, row.expected_first, row.dropped_seen, row.damaged_tail, row.dropped
        )
        for row in connection.execute(query)
    }


def set_progress(
    connection: Connection,
    source: Source,
    name: str,
    at: JournalFileProgress,
    known: JournalFileProgress | None,
) -> None:
    """Write how far one journal file has been read, if the store's position in it is the `known` one.

    `known` is None for a file that the store does not know. Raises ProgressDiffers.
    """
    values = {
        "position": at.position,
        "expected_first": at.expected_first,
        "dropped_seen": at.dropped_seen,
        "damaged_tail": at.damaged_tail,
        "dropped": dict(at.dropped),
    }
    if known is None:
        row = {"source_id": source.id, "name": name, **values}
        written = insert_if_new(connection, segments, row)
    else:
        this = (segments.c.source_id == source.id) & (segments.c.name == name)
        unmoved = this & (segments.c.position == known.position)
        written = connection.execute(update(segments).where(unmoved).values(values)).rowcount == 1
    if not written:
        raise ProgressDiffers(f"{name}: the store is not at {0 if known is None else known.position}")


def forget(connection: Connection, source: Source, names: Collection[str]) -> None:
    """Forget journal files that were removed: names are never used twice."""
    if names:
        gone = (segments.c.source_id == source.id) & segments.c.name.in_(names)
        connection.execute(delete(segments).where(gone))


def settle_drops(
    connection: Connection, source: Source, name: str, houses: Mapping[str, int], now: datetime
) -> None:
    """Make the drops of one journal file these, by reason, whatever was recorded of it before.

    So a file that is read again from its beginning adds nothing, and one that was refused and is put back
    loses its drops.
    """
    mine = (drops.c.source_id == source.id) & (drops.c.segment == name)
    rows = connection.execute(
        select(drops.c.reason, func.sum(drops.c.houses), func.min(drops.c.recorded_at))
        .where(mine)
        .group_by(drops.c.reason)
    ).all()
    recorded = {reason: (int(count), since) for reason, count, since in rows}
    if recorded:
        connection.execute(delete(drops).where(mine))
    for reason, (_, since) in recorded.items():
        record_drops(connection, source, name, {reason: houses.get(reason, 0)}, since)
    fresh = {reason: count for reason, count in houses.items() if reason not in recorded}
    record_drops(connection, source, name, fresh, now)


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
