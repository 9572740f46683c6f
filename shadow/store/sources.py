"""Sources and their journal files: how far each file has been moved into the store, and what was dropped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, func, select, update

from shadow.store.database import bulk
from shadow.store.database.dialects import insert_if_absent
from shadow.store.database.tables import drops, segments, sources

REFUSED, ROLLED_BACK = "refused", "rolled_back"
"""Why ingest drops rows: the store refuses them; or it stored them and lost them when it was restored."""


class ProgressDiffers(RuntimeError):
    """The store is not as ingest left it: it was restored, or another ingest has written to it."""


@dataclass(frozen=True, slots=True)
class JournalFileProgress:
    """How far one journal file has been read, and its counts up to there.

    `position` is in bytes; `expected_first` the number that the next entry should carry; `dropped_seen` the
    drops that the last entry reports; `damaged_tail` the damaged lines since then; `dropped` the rows already
    recorded as dropped, by reason.
    """

    position: int
    expected_first: int
    dropped_seen: int
    damaged_tail: int
    dropped: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Source:
    """One data directory as the store knows it: the numbers of the last capture and outcome from it.

    `missing` captures and outcomes were acknowledged once and are not in the store any more, as after a
    restore; `accepted` of these an operator has accepted as lost. `tenure` identifies the start of ingest
    that writes the source, `tenant` where that ingest runs.
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
        """Missing captures that nobody has accepted as lost."""
        return max(0, self.missing - self.accepted)

    @property
    def lost_outcomes(self) -> int:
        """Missing outcomes that nobody has accepted as lost."""
        return max(0, self.missing_outcomes - self.accepted_outcomes)

    @property
    def acknowledged(self) -> int:
        """Captures that were ever stored, whether they still are or not."""
        return self.last_seq + self.missing

    @property
    def acknowledged_outcomes(self) -> int:
        """Outcomes that were ever stored."""
        return self.last_outcome_seq + self.missing_outcomes


@dataclass(frozen=True, slots=True)
class SourceTotals:
    """A source, how many journal files and bytes of them were read, and how many rows are counted as dropped.

    Enough to notice that the store was restored from a backup.
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
    """Return the source, locked for this transaction, so that two ingests never write it at once.

    A source that the store does not know yet is added.
    """
    query = select(*_SOURCE).where(sources.c.directory_id == directory_id).with_for_update()
    row = connection.execute(query).first()
    if row is None:
        connection.execute(sources.insert().values(directory_id=directory_id, last_seq=0, created_at=now))
        row = connection.execute(query).one()
    return Source(*row)


def find(connection: Connection, directory_id: str) -> Source | None:
    """Return the source of a data directory; None when nothing of it was ever stored."""
    row = connection.execute(select(*_SOURCE).where(sources.c.directory_id == directory_id)).first()
    return None if row is None else Source(*row)


def missing(connection: Connection) -> int:
    """Count the missing captures of all sources that nobody has accepted as lost."""
    pairs = connection.execute(select(sources.c.missing, sources.c.accepted))
    return sum(max(0, missing - accepted) for missing, accepted in pairs)


def totals(connection: Connection, directory_id: str) -> SourceTotals:
    """Sum up what the store has of a data directory; reads no more than a few rows."""
    source = find(connection, directory_id)
    if source is None:
        return SourceTotals(None, 0, 0)
    files, length = connection.execute(
        select(func.count(), func.coalesce(func.sum(segments.c.position), 0)).where(
            segments.c.source_id == source.id
        )
    ).one()
    dropped = connection.execute(
        select(func.coalesce(func.sum(drops.c.houses), 0)).where(_is_current_drop(source))
    ).scalar_one()
    return SourceTotals(source, files, int(length), int(dropped))


def dropped(connection: Connection, source: Source) -> dict[str, dict[str, int]]:
    """Count the dropped rows by reason, for each journal file or writer under whose name they are recorded.

    Without the rolled back ones, which `Source` counts.
    """
    by_name = dict[str, dict[str, int]]()
    rows = connection.execute(
        select(drops.c.segment, drops.c.reason, func.sum(drops.c.houses))
        .where(_is_current_drop(source))
        .group_by(drops.c.segment, drops.c.reason)
    )
    for name, reason, count in rows:
        by_name.setdefault(name, {})[reason] = int(count)
    return by_name


def _is_current_drop(source: Source) -> ColumnElement[bool]:
    return (drops.c.source_id == source.id) & (drops.c.reason != ROLLED_BACK)


def update_source(connection: Connection, source: Source, **values: Any) -> Source:
    """Change some columns of a locked source; returns the changed source."""
    connection.execute(update(sources).where(sources.c.id == source.id).values(values))
    return replace(source, **values)


def advance(
    connection: Connection, source: Source, last_seq: int, last_outcome_seq: int | None = None
) -> Source:
    """Store the numbers of the source's last capture and outcome (None: as before)."""
    outcomes = source.last_outcome_seq if last_outcome_seq is None else last_outcome_seq
    return update_source(connection, source, last_seq=last_seq, last_outcome_seq=outcomes)


def progress(connection: Connection, source: Source) -> dict[str, JournalFileProgress]:
    """Return how far each journal file of the source has been read, by name."""
    return _by_name(connection, select(segments).where(segments.c.source_id == source.id))


def progress_of_directory(connection: Connection, directory_id: str) -> dict[str, JournalFileProgress]:
    """Return the same for a reader that does not lock the source."""
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
    progress: JournalFileProgress,
    known: JournalFileProgress | None,
) -> None:
    """Store how far one journal file has been read, if the position in the store is the `known` one.

    `known` is None for a file that the store does not know. Raises ProgressDiffers.
    """
    values = {
        "position": progress.position,
        "expected_first": progress.expected_first,
        "dropped_seen": progress.dropped_seen,
        "damaged_tail": progress.damaged_tail,
        "dropped": dict(progress.dropped),
    }
    if known is None:
        is_set = insert_if_absent(connection, segments, {"source_id": source.id, "name": name, **values})
    else:
        journal_file = (segments.c.source_id == source.id) & (segments.c.name == name)
        unmoved = journal_file & (segments.c.position == known.position)
        is_set = connection.execute(update(segments).where(unmoved).values(values)).rowcount == 1
    if not is_set:
        raise ProgressDiffers(f"{name}: the store is not at {0 if known is None else known.position}")


def delete_progress(connection: Connection, source: Source, names: Collection[str]) -> None:
    """Delete what is stored about journal files that were removed: names are never used twice."""
    if names:
        removed = (segments.c.source_id == source.id) & segments.c.name.in_(names)
        connection.execute(delete(segments).where(removed))


def replace_drops(
    connection: Connection, source: Source, name: str, rows: Mapping[str, int], now: datetime
) -> None:
    """Replace the drops of one journal file, by reason; a reason keeps the time when it was first recorded.

    So a file that is read again from its beginning adds nothing, and one that was refused and is put back
    loses its drops.
    """
    of_file = _is_drop_of(source, name)
    since = func.min(drops.c.recorded_at).label("since")
    stored = connection.execute(select(drops.c.reason, since).where(of_file).group_by(drops.c.reason))
    first_recorded: dict[str, datetime] = {row.reason: row.since for row in stored}
    if first_recorded:
        connection.execute(delete(drops).where(of_file))
    for reason, moment in first_recorded.items():
        record_drops(connection, source, name, {reason: rows.get(reason, 0)}, moment)
    fresh = {reason: count for reason, count in rows.items() if reason not in first_recorded}
    record_drops(connection, source, name, fresh, now)


def record_new_drops(
    connection: Connection, source: Source, name: str, rows: Mapping[str, int], now: datetime
) -> Counter[str]:
    """Record the drops in `rows`, counted by reason from the beginning, that the store does not have yet.

    Returns the new ones; a second call records nothing.
    """
    if not rows:
        return Counter()
    query = (
        select(drops.c.reason, func.sum(drops.c.houses))
        .where(_is_drop_of(source, name))
        .group_by(drops.c.reason)
    )
    recorded = Counter({reason: int(count) for reason, count in connection.execute(query)})
    fresh = Counter(rows) - recorded
    record_drops(connection, source, name, fresh, now)
    return fresh


def _is_drop_of(source: Source, name: str) -> ColumnElement[bool]:
    return (drops.c.source_id == source.id) & (drops.c.segment == name)


def record_drops(
    connection: Connection, source: Source, name: str, rows: Mapping[str, int], now: datetime
) -> None:
    """Record rows that were answered and can never be scored, by reason, under the name of a journal file."""
    values = [
        {
            "source_id": source.id,
            "segment": name,
            "reason": reason,
            "houses": count,
            "recorded_at": now,
        }
        for reason, count in rows.items()
        if count > 0
    ]
    bulk.insert(connection, drops, values)
