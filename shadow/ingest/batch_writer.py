"""The batch writer: captures, outcomes, drops and the position reached, in one transaction.

So however often ingest reads a stretch of the journal again, the store has it once (promise P2).
"""

from __future__ import annotations

import heapq
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from monitoring import logs, metrics
from shadow.ingest import dropped_counts
from shadow.ingest.accounting import ReconciledChunk
from shadow.ingest.store_position import StorePosition
from shadow.prediction_log import PredictionLog
from shadow.records import Capture, Outcome
from shadow.store import Connection, Store, StoreRefused, captures, outcomes, sources
from shadow.store.sources import REFUSED, JournalFileProgress, Source

_log = logging.getLogger("umbra.ingest")


@dataclass(frozen=True, slots=True)
class _StoredRows:
    """The rows of one transaction; `request_ids` are those of the captures that the outcomes are about."""

    source: Source
    captures: list[Capture]
    outcomes: list[Outcome]
    request_ids: Mapping[UUID, str]


class BatchWriter:
    """Writes the chunks of one data directory's journal; `commit` is one transaction."""

    def __init__(
        self,
        store: Store,
        position: StorePosition,
        measures: metrics.ShadowMetrics,
        clock: Callable[[], datetime],
        prediction_log: PredictionLog,
    ) -> None:
        self._store = store
        self._position = position
        self._measures = measures
        self._clock = clock
        self._prediction_log = prediction_log
        self.moved_at = clock()
        """When the last transaction moved something."""

    def commit(
        self,
        chunks: Mapping[str, ReconciledChunk],
        *,
        skip_known: bool = False,
        refused_rows: Mapping[str, int] = {},
    ) -> None:
        """Write chunks in one transaction; raises ProgressDiffers when the store is not where ingest left it.

        `skip_known` passes over rows that the store has already. `refused_rows` counts rows as refused, by
        the name of the file that holds them.
        """
        position = self._position
        expected, known = position.known()
        position.invalidate()  # until the commit is known to have happened
        now, started = self._clock(), time.perf_counter()
        gone, dropped = position.removed | refused_rows.keys(), position.dropped
        try:
            with self._store.writing() as connection:
                position.check_lock(connection, expected, now)
                stored = self._insert(connection, expected, chunks, now, skip_known=skip_known)
                lost = _record(connection, stored.source, chunks, known, now)
                for name, rows in refused_rows.items():
                    sources.replace_drops(connection, stored.source, name, {REFUSED: rows}, now)
                sources.delete_progress(connection, stored.source, gone)
                if lost or refused_rows or chunks.keys() - known.keys():
                    dropped = sources.dropped(connection, stored.source)
        except StoreRefused:
            position.restore(expected)  # rolled back for certain
            raise
        progress = {name: chunk.progress for name, chunk in chunks.items()}
        if chunks:
            self.moved_at = now
        position.advance(stored.source, progress, dropped, gone)
        self._report(chunks.values(), stored.captures, lost, now, time.perf_counter() - started)
        self._prediction_log.log_outcomes(stored.outcomes, stored.request_ids)

    def _insert(
        self,
        connection: Connection,
        source: Source,
        chunks: Mapping[str, ReconciledChunk],
        now: datetime,
        *,
        skip_known: bool,
    ) -> _StoredRows:
        """Insert the rows of the chunks, first those that were acknowledged before and are brought back."""
        stored, reports = list[Capture](), list[Outcome]()
        for was_acknowledged in (True, False):
            group = [chunk for chunk in chunks.values() if chunk.was_acknowledged is was_acknowledged]
            if not group:
                continue
            rows = _captures_of(connection, group, skip_known=skip_known)
            reported = _outcomes_of(group)
            last_seq = captures.insert(connection, source, rows)
            last_outcome_seq = outcomes.insert(connection, source, reported, now)
            if was_acknowledged:
                returned = (last_seq - source.last_seq, last_outcome_seq - source.last_outcome_seq)
                source = _bring_back(connection, source, *returned, self._position.damaged_since(chunks))
            source = _advance(connection, source, last_seq, last_outcome_seq)
            stored += rows
            reports += reported
        sampled = self._prediction_log.sampled(outcome.capture_id for outcome in reports)
        return _StoredRows(source, stored, reports, captures.request_ids(connection, sampled))

    def _report(
        self,
        chunks: Collection[ReconciledChunk],
        rows: Sequence[Capture],
        lost: Counter[str],
        now: datetime,
        seconds: float,
    ) -> None:
        """Count and log what one transaction moved."""
        if not chunks:
            return
        self._measures.captures_stored.inc(len(rows))
        self._measures.journal_damaged.inc(sum(chunk.damaged_lines for chunk in chunks))
        self._measures.ingest_batches.inc()
        self._measures.ingest_seconds.observe(seconds)
        if rows:
            age = (now - min(row.captured_at for row in rows)).total_seconds()
            logs.event(
                _log, "captures_stored", rows=len(rows), oldest_age_seconds=age, duration_seconds=seconds
            )
        self._prediction_log.log_captures(rows)
        dropped_counts.log_lost(lost)


def _record(
    connection: Connection,
    source: Source,
    chunks: Mapping[str, ReconciledChunk],
    known: Mapping[str, JournalFileProgress],
    now: datetime,
) -> Counter[str]:
    """Record the position reached in each journal file, and its losses; return the new losses by reason."""
    lost = Counter[str]()
    for name, chunk in chunks.items():
        sources.set_progress(connection, source, name, chunk.progress, known.get(name))
        record = sources.record_drops if name in known else sources.replace_drops
        record(connection, source, name, chunk.lost, now)
        lost += chunk.lost
        if chunk.writer is not None:
            lost += sources.record_new_drops(connection, source, chunk.writer, chunk.dropped, now)
    return lost


def _captures_of(
    connection: Connection, chunks: Sequence[ReconciledChunk], *, skip_known: bool
) -> list[Capture]:
    rows = [capture for chunk in chunks for capture in chunk.captures]
    if skip_known:
        rows, contradicting = captures.split_new(connection, rows)
        if contradicting:
            raise StoreRefused(f"{contradicting[0].id} is the id of another answer")
    return rows


def _outcomes_of(chunks: Sequence[ReconciledChunk]) -> list[Outcome]:
    """Merge outcomes: within a file its order counts, whatever the clock did; between files only clocks."""
    files = [chunk.outcomes for chunk in chunks]
    return list(heapq.merge(*files, key=lambda outcome: outcome.received_at))


def _advance(connection: Connection, source: Source, last_seq: int, last_outcome_seq: int) -> Source:
    if (last_seq, last_outcome_seq) == (source.last_seq, source.last_outcome_seq):
        return source
    return sources.update_source(connection, source, last_seq=last_seq, last_outcome_seq=last_outcome_seq)


def _bring_back(
    connection: Connection, source: Source, captures_back: int, outcomes_back: int, damaged: int
) -> Source:
    """Miss less: so many rows are there again, and `damaged` captures count as damaged now."""
    missing = max(0, source.missing - captures_back)
    updated = replace(
        source,
        missing=missing,
        missing_outcomes=max(0, source.missing_outcomes - outcomes_back),
        accepted=min(source.accepted + damaged, max(source.accepted, missing)),
    )
    if updated == source:
        return source
    return sources.update_source(
        connection,
        source,
        missing=updated.missing,
        missing_outcomes=updated.missing_outcomes,
        accepted=updated.accepted,
    )
