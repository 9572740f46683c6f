"""Ingest: moves the journal of one data directory into the store.

Captures, outcomes, drops and the place reached are written in one transaction, so however often a
stretch of the journal is read again, it is stored once (promise P2). The store may also go back in time (a
copy is restored, a replica that lagged takes over): its place is compared with the one that ingest knows,
and what it has forgotten is read again, from journal files that are kept for that.
"""

from __future__ import annotations

import heapq
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from uuid import UUID

from monitoring import logs, metrics
from shadow.ingest import dropped_counts
from shadow.ingest.accounting import DAMAGED, Move, Promise, plan
from shadow.journal import backlog, journal_file, refused, stored_files
from shadow.journal.entries import Entry
from shadow.journal.file_reader import Chunk, JournalFileHeader, JournalFileReader, UnreadableJournalFile
from shadow.journal.stored_files import Retention, StoredFiles
from shadow.prediction_log import NO_PREDICTION_LOG, PredictionLog
from shadow.records import Capture, Outcome
from shadow.source import acknowledged
from shadow.source.acknowledged import Acknowledged, AcknowledgedFile
from shadow.source.ownership import SourceOwnership
from shadow.store import (
    Connection,
    Store,
    StoreRefused,
    captures,
    outcomes,
    sources,
)
from shadow.store.sources import REFUSED, UNREAD, JournalFileProgress, ProgressDiffers, Source, SourceTotals

_PEEK_BYTES = 1 << 16
_CLEAR_SECONDS = 1.0
_RETRY_SECONDS = 1.0
_KEEP_A_DAY = Retention()
_log = logging.getLogger("umbra.ingest")


@dataclass(frozen=True, slots=True)
class _Reading:
    """One reading of a journal file; `last`: it was read to its end, and nothing will ever follow."""

    path: Path
    move: Move
    last: bool


@dataclass(frozen=True, slots=True)
class _Stored:
    """What one transaction stored; `request_ids` are those of the captures that the outcomes are about."""

    source: Source
    captures: list[Capture]
    outcomes: list[Outcome]
    request_ids: Mapping[UUID, str]


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a journal file cannot be moved now; `changed_ns` is when the file was changed last."""

    reason: str
    changed_ns: int
    retry_at: float


class Ingest:
    """Moves one data directory's journal; `step` is one transaction."""

    def __init__(
        self,
        store: Store,
        directory: Path,
        directory_id: str,
        batch_bytes: int,
        measures: metrics.ShadowMetrics,
        clock: Callable[[], datetime],
        prediction_log: PredictionLog = NO_PREDICTION_LOG,
        tally_dirs: Collection[Path] = (),
        retention: Retention = _KEEP_A_DAY,
        ownership: SourceOwnership | None = None,
    ) -> None:
        self._prediction_log = prediction_log
        self._tallies = dropped_counts.Tallies(tally_dirs, directory)
        self._measures = measures
        self._store = store
        self._directory = directory
        self._directory_id = directory_id
        self._batch_bytes = batch_bytes
        self._clock = clock
        self._ownership = ownership
        self._stored_files = StoredFiles(directory, retention)
        self._acknowledged = AcknowledgedFile(acknowledged.path_of(directory), directory_id)
        self._source: Source | None = None  # None: what the store knows has to be read (again)
        self._progress: dict[str, JournalFileProgress] = {}
        self._dropped: dict[str, dict[str, int]] = {}  # houses that the store counts, by name and reason
        self._damaged = Counter[str]()  # houses of damaged lines that the store counted, and forgot, by file
        self._again: dict[str, Path] = {}  # kept files that the store has forgotten, in whole or in part
        self._compared: set[str] = set()  # kept files that were compared with what the store knows
        self._removed: set[str] = set()  # files that are gone for good, which the store still knows
        self._served = ""  # the file that was read last
        self._clear_at = 0.0
        self._is_lack_told = False
        self.moved_at = clock()
        """When something was moved last."""
        self.obstacles: dict[str, Obstacle] = {}
        """Journal files that cannot be moved now, by name."""

    def step(self) -> int:
        """Move one batch; returns how many captures and outcomes. On StoreUnavailable nothing has changed."""
        try:
            return self._step()
        except ProgressDiffers as fault:
            self._source = None
            logs.event(_log, "store_differs", level=logging.WARNING, error=fault)
        try:
            return self._step()
        except ProgressDiffers:  # two ingests take turns: the next step finds out
            self._source = None
            return 0

    def _step(self) -> int:
        if self._source is None:
            self._load()
        if self._tallies.take_over(self._store, self._directory_id, self._clock):
            self._recall_dropped()
        paths = sorted(
            [*journal_file.paths(self._directory), *self._again.values()], key=lambda path: path.name
        )
        readings = self._read(self._in_turn(paths))
        moves = {
            name: reading.move
            for name, reading in readings.items()
            if reading.move.progress != self._at(name) or reading.move.damaged_lines
        }
        if moves:
            self._move(moves)
        else:
            self._compare()
        # Let go of only now, and forgotten by the store only when the file is gone: a crash in between
        # leaves a journal file that is known to be read to its end.
        for name, reading in readings.items():
            if reading.last and reading.move.progress == self._at(name):
                self._let_go(name, reading.path)
        self._remove_old()
        return sum(len(move.captures) + len(move.outcomes) for move in moves.values())

    def oldest_waiting(self) -> datetime | None:
        """When the oldest capture or outcome that is not in the store yet came in."""
        positions = {name: at.position for name, at in self._progress.items()}
        return backlog.oldest_waiting(self._directory, positions)

    def sync(self) -> None:
        """Force what waits to the disk, while it has to wait for the store."""
        for reader in backlog.readers(self._directory):
            with reader, suppress(OSError):  # a file that cannot be synced waits like the others
                reader.sync()

    # -- where the store is

    def _load(self) -> None:
        """Read how far the store is, and find what it has forgotten since it acknowledged it."""
        with self._store.writing() as connection:
            source = sources.lock(connection, self._directory_id, self._clock())
            if self._ownership is not None:
                source = self._ownership.claim(connection, source)
            known = sources.progress(connection, source)
            behind = self._acknowledged.content.beyond(source)
            if any(behind):
                source = sources.update_source(
                    connection,
                    source,
                    missing=source.missing + behind[0],
                    missing_outcomes=source.missing_outcomes + behind[1],
                )
        self._source, self._progress = source, known
        self._tallies.forget_recorded()
        self._again, self._compared = {}, set()
        self._compare_kept()
        self._recall_dropped()
        present = {journal_file.name_of(path) for path in journal_file.paths(self._directory)}
        self._acknowledge(source, {name: at for name, at in known.items() if name in present})
        self._is_lack_told = False
        if any(behind) or self._again:
            logs.event(
                _log,
                "store_went_back",
                level=logging.ERROR,
                rows=behind[0],
                outcomes=behind[1],
                files=len(self._again),
            )

    def _recall_dropped(self) -> None:
        """Count drops again that the store has forgotten, unless they will be found by reading a file again.

        What stands under the name of a file that the store knows was written with the place in it.
        """
        source, known = self._known()
        positions = self._acknowledged.content.positions
        behind = {name for name, position in positions.items() if position > self._at(name).position}
        again = behind | self._again.keys()
        with self._store.writing() as connection:
            if sources.lock(connection, self._directory_id, self._clock()) != source:
                raise ProgressDiffers("the store is not where ingest left it")
            for name, houses in self._acknowledged.content.dropped.items():
                found = name in known or any(name.startswith(file) for file in again)
                if not found:
                    sources.record_new_drops(connection, source, name, houses, self._clock())
            self._dropped = sources.dropped(connection, source)
        self._damaged = _damaged(self._acknowledged.content.dropped) - _damaged(self._dropped)
        self._acknowledge(source, {})

    def _compare_kept(self) -> None:
        """Find the kept files that the store has not read to their end, also where they come back later."""
        for path in stored_files.paths(self._directory):
            name = journal_file.name_of(path)
            if name not in self._compared:
                self._compared.add(name)
                if self._lacks(path):
                    self._again[name] = path

    def _lacks(self, path: Path) -> bool:
        """Whether the store has not read a kept file to its end."""
        try:
            with JournalFileReader(path) as reader:
                at = self._progress.get(reader.name)
                return at is None or bool(reader.read(at.position, _PEEK_BYTES).entries)
        except OSError:
            return False  # gone since, or unreadable: nothing can be brought back from it

    def _compare(self) -> None:
        """While nothing moves, notice that the store went back; have it forget files that are gone."""
        source, progress = self._known()
        if self._removed:
            self._commit({})
            return
        with self._store.reading() as connection:
            found = sources.totals(connection, self._directory_id)
        length = sum(at.position for at in progress.values())
        dropped = sum(houses for counts in self._dropped.values() for houses in counts.values())
        if found != SourceTotals(source, len(progress), length, dropped):
            raise ProgressDiffers("the store is not where ingest left it")
        if source.lost + source.lost_outcomes and not self._again and not self._is_lack_told:
            self._is_lack_told = True
            logs.event(
                _log,
                "captures_missing",
                level=logging.ERROR,
                rows=source.missing,
                outcomes=source.missing_outcomes,
            )

    def _known(self) -> tuple[Source, dict[str, JournalFileProgress]]:
        if self._source is None:
            raise ProgressDiffers("what the store knows has not been read")
        return self._source, self._progress

    # -- reading

    def _in_turn(self, paths: list[Path]) -> list[Path]:
        """The segments after the one served last come first, so that no busy one keeps others waiting."""
        return [p for p in paths if p.name > self._served] + [p for p in paths if p.name <= self._served]

    def _read(self, paths: Sequence[Path]) -> dict[str, _Reading]:
        """Read segments until there is enough for one transaction."""
        readings: dict[str, _Reading] = {}
        room = self._batch_bytes
        self._forget_obstacles({journal_file.name_of(path) for path in paths})
        for path in paths:
            name = journal_file.name_of(path)
            if self._is_blocked(name, path):
                continue
            try:
                with JournalFileReader(path) as reader:
                    reading = self._read_one(reader)
            except FileNotFoundError:
                self._again.pop(name, None)
                continue
            except UnreadableJournalFile as fault:
                self._put_away(path, fault)
                continue
            except OSError as fault:
                self._block(path, fault)
                continue
            self.obstacles.pop(name, None)
            readings[name] = reading
            self._served = path.name
            room -= reading.move.progress.position - self._at(name).position
            if room <= 0:
                break
        return readings

    def _read_one(self, reader: JournalFileReader) -> _Reading:
        sealed = reader.seal()  # before reading: what is read after it is all there will ever be
        at = self._at(reader.name)
        header = reader.header()
        before = self._acknowledged_beyond(reader.name, reader.path) - at.position
        most = min(self._batch_bytes, before) if before > 0 else self._batch_bytes
        chunk = reader.read(at.position, most)
        last = sealed and chunk.reached_end
        move = self._plan(reader.name, at, chunk, header, last)
        return _Reading(reader.path, replace(move, payloads=chunk.entries, is_again=before > 0), last)

    def _plan(
        self,
        name: str,
        at: JournalFileProgress,
        chunk: Chunk,
        header: JournalFileHeader | None,
        last: bool,
    ) -> Move:
        if header is None:
            return plan(at, chunk, None, last=last)
        promise = None
        if last and header.writer is not None:
            promise = self._tallies.promise(name) if header.rows is None else Promise(header.rows)
        return plan(at, chunk, header.dropped, last=last, writer=header.writer, promise=promise)

    def _acknowledged_beyond(self, name: str, path: Path) -> int:
        """Up to which position the store has once acknowledged a file: a kept one to its end."""
        if name in self._again:
            with suppress(FileNotFoundError):
                return path.stat().st_size
        return self._acknowledged.content.positions.get(name, 0)

    def _at(self, name: str) -> JournalFileProgress:
        return self._progress.get(name, UNREAD)

    # -- files in the way

    def _is_blocked(self, name: str, path: Path) -> bool:
        """Whether a file is left alone for now: it could not be moved a moment ago and is as it was."""
        before = self.obstacles.get(name)
        return (
            before is not None
            and time.monotonic() < before.retry_at
            and _changed_ns(path) == before.changed_ns
        )

    def _block(self, path: Path, fault: Exception, seconds: float = _RETRY_SECONDS) -> None:
        """Go on without a file that cannot be moved now, and try it again when `seconds` are over."""
        name, reason = journal_file.name_of(path), getattr(fault, "strerror", None) or str(fault)
        before = self.obstacles.get(name)
        self.obstacles[name] = Obstacle(reason, _changed_ns(path), time.monotonic() + seconds)
        if before is None or before.reason != reason:
            logs.event(_log, "journal_file_held_up", level=logging.ERROR, error=fault, segment=path.name)

    def _forget_obstacles(self, present: Collection[str]) -> None:
        for name in self.obstacles.keys() - present:
            del self.obstacles[name]

    def _put_away(self, path: Path, fault: Exception) -> None:
        """Set a file aside that this version cannot read, once its writer is gone; count what it held."""
        name = journal_file.name_of(path)
        try:
            with JournalFileReader(path) as reader:
                if not reader.seal():
                    self._block(path, fault, seconds=0.0)
                    return
            houses = refused.count(path).captures
            self._record_refused(name, houses)
            refused.set_aside_whole(path)
        except OSError as hindrance:
            self._block(path, hindrance)
            return
        logs.event(
            _log, "segment_set_aside", level=logging.ERROR, error=fault, segment=path.name, rows=houses
        )

    def _let_go(self, name: str, path: Path) -> None:
        """Keep a journal file that was read to its end for a while, or remove it."""
        if self._again.pop(name, None) is not None:
            return
        try:
            if self._stored_files.add(path):
                self._compared.add(name)
            else:
                self._removed.add(name)
        except OSError as fault:
            self._block(path, fault)
            return
        before = self._acknowledged.content
        if name in before.positions:
            positions = {one: at for one, at in before.positions.items() if one != name}
            self._acknowledged.replace(replace(before, positions=positions))

    def _remove_old(self) -> None:
        """Remove kept files whose time is over."""
        if time.monotonic() < self._clear_at:
            return
        self._clear_at = time.monotonic() + _CLEAR_SECONDS
        self._compare_kept()
        with suppress(OSError):  # no journal yet, or one that is away: a step that needs it says so
            self._removed |= self._progress.keys() & set(self._stored_files.remove_old(self._again.keys()))

    # -- writing

    def _move(self, moves: Mapping[str, Move]) -> None:
        """Store what was read; of what the store refuses, only the rows that it refuses are left out."""
        try:
            self._commit(moves)
        except StoreRefused:
            for name, move in moves.items():
                self._move_carefully(name, move)

    def _move_carefully(self, name: str, move: Move) -> None:
        try:
            self._commit({name: move}, careful=True)
        except StoreRefused as fault:
            self._move_in_parts(name, move, fault)

    def _move_in_parts(self, name: str, move: Move, cause: StoreRefused) -> None:
        try:
            self._commit({name: _part(move, self._at(name), [])})
        except StoreRefused as fault:  # it is not the rows: the name, say, is too long
            self._block(self._again.get(name) or journal_file.path_of(self._directory, name), fault)
            return
        rows = self._store_in_parts(name, move, [*move.captures, *move.outcomes])
        self._set_aside(name, move, rows, cause)

    def _store_in_parts(
        self, name: str, move: Move, rows: Sequence[Capture | Outcome]
    ) -> list[Capture | Outcome]:
        """Store rows without moving on in their file, halving them around what is refused; returns that.

        A crash in between is harmless: what is stored already is passed over when it is read again.
        """
        try:
            self._commit({name: _part(move, self._at(name), rows)}, careful=True)
        except StoreRefused:
            if len(rows) == 1:
                return list(rows)
            half = len(rows) // 2
            first = self._store_in_parts(name, move, rows[:half])
            return first + self._store_in_parts(name, move, rows[half:])
        return []

    def _set_aside(
        self, name: str, move: Move, rows: Sequence[Capture | Outcome], fault: StoreRefused
    ) -> None:
        """Write the entries of refused rows into a file of their own, and go on behind them."""
        apart = refused.name_for(name, self._at(name).position)
        houses = sum(isinstance(row, Capture) for row in rows)
        if rows:
            refused.set_aside(self._directory, apart, _entries_with(move, rows))
        self._commit(
            {name: replace(move, captures=[], outcomes=[])},
            refused_houses={apart: houses} if rows else {},
        )
        logs.event(
            _log,
            "rows_set_aside",
            level=logging.ERROR,
            error=StoreRefused(str(fault)),  # without what caused it: that may repeat a house
            segment=f"{apart}{refused.SUFFIX}",
            rows=houses,
            outcomes=len(rows) - houses,
        )

    def _record_refused(self, name: str, houses: int) -> None:
        self._commit({}, refused_houses={name: houses})

    def _commit(
        self,
        moves: Mapping[str, Move],
        *,
        careful: bool = False,
        refused_houses: Mapping[str, int] = {},
    ) -> None:
        """Write moves in one transaction; raises ProgressDiffers when the store is not where ingest left it.

        `careful` passes over rows that the store has already.
        """
        (expected, known), self._source = self._known(), None  # until the commit is known to have happened
        now, started, lost = self._clock(), time.perf_counter(), Counter[str]()
        removed, dropped = set(self._removed), self._dropped
        try:
            with self._store.writing() as connection:
                if sources.lock(connection, self._directory_id, now) != expected:
                    raise ProgressDiffers("the store is not where ingest left it")
                stored = self._insert(connection, expected, moves, now, careful=careful)
                source = stored.source
                for name, move in moves.items():
                    sources.set_progress(connection, source, name, move.progress, known.get(name))
                    record = sources.record_drops if name in known else sources.replace_drops
                    record(connection, source, name, move.lost, now)
                    lost += move.lost
                    if move.writer is not None:
                        lost += sources.record_new_drops(connection, source, move.writer, move.dropped, now)
                for name, houses in refused_houses.items():
                    sources.replace_drops(connection, source, name, {REFUSED: houses}, now)
                sources.delete_progress(connection, source, removed | refused_houses.keys())
                if lost or refused_houses or moves.keys() - known.keys():
                    dropped = sources.dropped(connection, source)
        except StoreRefused:
            self._source = expected  # rolled back for certain
            raise
        gone = removed | refused_houses.keys()
        progress = known | {name: move.progress for name, move in moves.items()}
        self._progress = {name: at for name, at in progress.items() if name not in gone}
        self._removed -= removed
        self._source, self._dropped = source, dropped
        if moves:
            self.moved_at = now
        self._acknowledge(source, {name: move.progress for name, move in moves.items()})
        self._tell(moves.values(), stored.captures, lost, now, time.perf_counter() - started)
        self._prediction_log.log_outcomes(stored.outcomes, stored.request_ids)

    def _insert(
        self,
        connection: Connection,
        source: Source,
        moves: Mapping[str, Move],
        now: datetime,
        *,
        careful: bool,
    ) -> _Stored:
        """Insert the rows of the moves, first those that were acknowledged before and are brought back."""
        stored, reports = list[Capture](), list[Outcome]()
        for is_again in (True, False):
            mine = [move for move in moves.values() if move.is_again is is_again]
            if not mine:
                continue
            taken = [capture for move in mine for capture in move.captures]
            # Within a file its order counts, whatever the clock did; between files there are only clocks.
            files = [move.outcomes for move in mine]
            reported = list(heapq.merge(*files, key=lambda outcome: outcome.received_at))
            if careful:
                taken, contradicting = captures.split_new(connection, taken)
                if contradicting:
                    raise StoreRefused(f"{contradicting[0].id} is the id of another answer")
            last_seq = captures.insert(connection, source, taken)
            last_outcome_seq = outcomes.insert(connection, source, reported, now)
            reports += reported
            back = (last_seq - source.last_seq, last_outcome_seq - source.last_outcome_seq)
            if is_again:
                source = self._bring_back(connection, source, *back, self._spoilt(moves))
            source = self._advance(connection, source, last_seq, last_outcome_seq)
            stored += taken
        asked = captures.request_ids(
            connection, self._prediction_log.sampled(one.capture_id for one in reports)
        )
        return _Stored(source, stored, reports, asked)

    def _advance(
        self, connection: Connection, source: Source, last_seq: int, last_outcome_seq: int
    ) -> Source:
        if (last_seq, last_outcome_seq) == (source.last_seq, source.last_outcome_seq):
            return source
        return sources.update_source(connection, source, last_seq=last_seq, last_outcome_seq=last_outcome_seq)

    def _bring_back(
        self, connection: Connection, source: Source, captures: int, outcomes: int, spoilt: int
    ) -> Source:
        """Miss less: so many are there again, and `spoilt` captures are counted as damaged now."""
        missing = max(0, source.missing - captures)
        back = replace(
            source,
            missing=missing,
            missing_outcomes=max(0, source.missing_outcomes - outcomes),
            accepted=min(source.accepted + spoilt, max(source.accepted, missing)),
        )
        if back == source:
            return source
        return sources.update_source(
            connection,
            source,
            missing=back.missing,
            missing_outcomes=back.missing_outcomes,
            accepted=back.accepted,
        )

    def _spoilt(self, moves: Mapping[str, Move]) -> int:
        """Houses that were stored once, and whose lines have been damaged since: counted as that alone."""
        again = {name: move.lost[DAMAGED] for name, move in moves.items() if move.is_again}
        return sum((Counter(again) - self._damaged).values())

    def _acknowledge(self, source: Source, progress: Mapping[str, JournalFileProgress]) -> None:
        """Remember what the store has said it has."""
        before = self._acknowledged.content
        reached = {
            name: max(at.position, before.positions.get(name, 0))
            for name, at in progress.items()
            if name not in self._again
        }
        content = Acknowledged(
            self._directory_id,
            max(before.captures, source.acknowledged),
            max(before.outcomes, source.acknowledged_outcomes),
            {**before.positions, **reached},
            self._dropped,
        )
        if content != before:
            self._acknowledged.replace(content)

    def _tell(
        self,
        moves: Collection[Move],
        rows: Sequence[Capture],
        lost: Counter[str],
        now: datetime,
        seconds: float,
    ) -> None:
        if not moves:
            return
        self._measures.captures_stored.inc(len(rows))
        self._measures.journal_damaged.inc(sum(move.damaged_lines for move in moves))
        self._measures.ingest_batches.inc()
        self._measures.ingest_seconds.observe(seconds)
        if rows:
            age = (now - min(row.captured_at for row in rows)).total_seconds()
            logs.event(
                _log, "captures_stored", rows=len(rows), oldest_age_seconds=age, duration_seconds=seconds
            )
        self._prediction_log.log_captures(rows)
        dropped_counts.log_lost(lost)


def _damaged(dropped: Mapping[str, Mapping[str, int]]) -> Counter[str]:
    return Counter({name: counts.get(DAMAGED, 0) for name, counts in dropped.items()})


def _part(move: Move, at: JournalFileProgress, rows: Sequence[Capture | Outcome]) -> Move:
    """Some rows of a move, without moving on in its file."""
    return replace(
        move,
        captures=[row for row in rows if isinstance(row, Capture)],
        outcomes=[row for row in rows if isinstance(row, Outcome)],
        progress=at,
        lost=Counter(),
        damaged_lines=0,
    )


def _entries_with(move: Move, rows: Sequence[Capture | Outcome]) -> list[bytes]:
    """The journal entries of a move that hold any of these rows."""
    wanted = {row.id for row in rows if isinstance(row, Capture)}
    reported = [row for row in rows if isinstance(row, Outcome)]
    found = []
    for payload in move.payloads:
        entry = None if payload is None else Entry.parse(payload)
        if payload is None or entry is None:
            continue
        holds = any(one.id in wanted for one in entry.captures)
        if holds or any(outcome in reported for outcome in entry.outcomes):
            found.append(payload)
    return found


def _changed_ns(path: Path) -> int:
    try:
        return path.stat().st_ctime_ns
    except OSError:
        return 0
