"""Status: everything `umbra status` tells, gathered once as plain data."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from shadow.bounded import BackgroundCall, NotAnswered, call_within
from shadow.journal import backlog, refused, stored_files
from shadow.journal import journal_file as journal
from shadow.journal.entries import Entry
from shadow.policy_summary import Pace
from shadow.processes import heartbeat
from shadow.processes.heartbeat import LiveProcess
from shadow.records import Candidate, Deployment, Purpose
from shadow.settings import Settings
from shadow.source import acknowledged
from shadow.source.acknowledged import Acknowledged
from shadow.source.identity import DamagedSourceId, known_directory_id
from shadow.source.ownership import SourceOwnedElsewhere, SourceOwnership
from shadow.store import (
    Store,
    StoreUnavailable,
    candidates,
    deployments,
    ledger,
    open_store,
    outcomes,
    purposes,
    sources,
)
from shadow.store.ledger import Account, Intake
from shadow.store.sources import UNREAD, JournalFileProgress, Source

_TAIL_BYTES = 1 << 16
_STUCK_AFTER = timedelta(minutes=1)
_STORE_SECONDS, _DISK_SECONDS = 6.5, 1.5


@dataclass(frozen=True, slots=True)
class JournalState:
    """The journal of this data directory: captures in it that the store does not have yet.

    `kept_bytes` are of files that were stored and stay for a while; `held_up` are files that cannot be moved
    now, with the reason. `missing` captures and outcomes were acknowledged by the store once; it has
    forgotten them, and no journal file holds them. None: not known.
    """

    size_bytes: int
    files: int
    refused_files: int
    waiting: int | None
    kept_bytes: int = 0
    held_up: Mapping[str, str] = field(default_factory=dict)
    oldest_waiting_at: datetime | None = None
    missing: int | None = None
    missing_outcomes: int | None = None


@dataclass(frozen=True, slots=True)
class Books:
    """What the store says at one moment. `purpose` None: it has not been used yet."""

    deployment: Deployment | None
    intake: Intake
    outcomes: outcomes.Counts
    accounts: tuple[Account, ...]
    lags: dict[int, float]
    purpose: Purpose | None = None

    @property
    def balance(self) -> bool:
        """Whether everything adds up."""
        return self.intake.balances and all(account.balances for account in self.accounts)


@dataclass(frozen=True, slots=True)
class Status:
    """`books` is None when the store is away; `trouble` then says why.

    `troubles` are processes that should be there or do not move, disks that do not answer, and what keeps
    captures from the store.
    """

    data_dir: Path
    taken_at: datetime
    processes: tuple[LiveProcess, ...]
    journal: JournalState
    books: Books | None
    trouble: str | None
    troubles: tuple[str, ...] = ()

    @property
    def in_order(self) -> bool:
        """Whether the store answers, everything adds up, and nothing else is wrong."""
        return self.books is not None and self.books.balance and not self.troubles


@dataclass(frozen=True, slots=True)
class _Known:
    """What the store knows of this data directory."""

    source: Source | None = None
    progress: Mapping[str, JournalFileProgress] = field(default_factory=dict)


def gather(settings: Settings, now: datetime, store_seconds: float = _STORE_SECONDS) -> Status:
    """Look at processes, journal and store, within about ten seconds, whichever of them hangs."""
    store = open_store(settings.store)
    books: Books | None = None
    known: _Known | None = None
    trouble = None
    until = time.monotonic() + store_seconds + _DISK_SECONDS
    heartbeats = BackgroundCall(lambda: heartbeat.live_processes(settings.run_dir))
    try:
        known, books = call_within(
            store_seconds, "the store", lambda: (_known(store, settings), _books(store, now))
        )
    except (StoreUnavailable, NotAnswered, DamagedSourceId) as fault:
        trouble = str(fault)
    finally:
        store.close()
    living, troubles = _processes(heartbeats)
    try:
        state, others = call_within(
            max(_DISK_SECONDS, until - time.monotonic()),
            "the journal's disk",
            lambda: (_journal(settings, living, known), list(_other_directory(settings, known))),
        )
    except NotAnswered as fault:
        state, others = JournalState(0, 0, 0, None), [str(fault)]
    troubles += [*others, *_hindrances(state, living, now)]
    return Status(settings.data_dir, now, living, state, books, trouble, tuple(troubles))


def _other_directory(settings: Settings, known: _Known | None) -> Iterator[str]:
    """Say when another data directory writes in the place of this one."""
    if known is not None and known.source is not None:
        try:
            SourceOwnership(settings.data_dir).check(known.source)
        except SourceOwnedElsewhere as fault:
            yield str(fault)


def _hindrances(journal: JournalState, living: Sequence[LiveProcess], now: datetime) -> Iterator[str]:
    """What keeps captures from the store, or has taken them out of it."""
    for name, reason in sorted(journal.held_up.items()):
        yield f"journal file {name} cannot be moved: {reason}"
    oldest, long_ago = journal.oldest_waiting_at, now - _STUCK_AFTER
    if oldest is not None and oldest < long_ago and _moved_at(living) < long_ago.timestamp():
        seconds = (now - oldest).total_seconds()
        yield f"captures have waited for {seconds:.0f} s, and ingest moves none: see the worker's log"
    if journal.missing or journal.missing_outcomes:
        yield (
            f"the store went back by {journal.missing or 0:,} captures and {journal.missing_outcomes or 0:,} "
            "outcomes that no journal file holds any more: it was restored from an older copy, or it is "
            "another one; `umbra journal accept-loss` counts them as dropped, outcomes can be sent again"
        )


def _moved_at(living: Sequence[LiveProcess]) -> float:
    """When ingest moved something last, in seconds since 1970; 0 when it does not run."""
    moments = (process.facts.get("moved_at", 0.0) for process in living if process.role == "ingest")
    return max(moments, default=0.0)


def _processes(heartbeats: BackgroundCall[list[LiveProcess]]) -> tuple[tuple[LiveProcess, ...], list[str]]:
    """The living processes, and what is wrong with them."""
    try:
        living = heartbeats.result_within(_DISK_SECONDS, "the disk of the data directory")
    except NotAnswered as fault:
        return (), [str(fault)]
    return tuple(living), heartbeat.troubles(living, time.monotonic())


def _books(store: Store, now: datetime) -> Books:
    with store.reading() as connection:
        present = candidates.present(connection)
        return Books(
            deployment=deployments.newest(connection),
            intake=ledger.intake(connection),
            outcomes=outcomes.counts(connection),
            accounts=tuple(ledger.account(connection, candidate) for candidate in present),
            lags={c.id: candidates.lag(connection, c, now)[1] for c in present},
            purpose=purposes.recorded(connection),
        )


def _known(store: Store, settings: Settings) -> _Known:
    name = known_directory_id(settings.data_dir)
    if name is None:
        return _Known()
    with store.reading() as connection:
        source = sources.find(connection, name)
        return _Known(source, {} if source is None else sources.progress(connection, source))


def _journal(settings: Settings, living: Sequence[LiveProcess], known: _Known | None) -> JournalState:
    directory = settings.journal_dir
    held_up = backlog.held_up(directory, living)
    try:
        paths, size = list(journal.paths(directory)), journal.size_bytes(directory)
    except OSError:  # the directory itself is held up
        paths, size = [], 0
    state = JournalState(
        size, len(paths), len(refused.paths(directory)), None, stored_files.size_bytes(directory), held_up
    )
    if known is None:
        return state
    waiting = sum(_waiting(path, known.progress) for path in [*paths, *stored_files.paths(directory)])
    missing, missing_outcomes = _missing(settings, known.source)
    positions = {name: at.position for name, at in known.progress.items()}
    return replace(
        state,
        waiting=waiting,
        oldest_waiting_at=backlog.oldest_waiting(directory, positions) if paths else None,
        missing=max(0, missing - waiting),
        missing_outcomes=0 if waiting else missing_outcomes,
    )


def _missing(settings: Settings, source: Source | None) -> tuple[int, int]:
    """Captures and outcomes that the store acknowledged once, and does not have now."""
    name = known_directory_id(settings.data_dir)
    before = Acknowledged.read(acknowledged.path_of(settings.journal_dir), name or "")
    if source is None:
        return before.captures, before.outcomes
    captures, outcomes_ = before.beyond(source)
    return source.lost + captures, source.lost_outcomes + outcomes_


def _waiting(path: Path, progress: Mapping[str, JournalFileProgress]) -> int:
    """Captures of one journal file beyond the store's place in it, told by the numbers of its last entry."""
    try:
        with journal.JournalFileReader(path) as reader:
            at = progress.get(reader.name, UNREAD)
            last = _last_entry(reader, at.position)
    except OSError:  # gone since, or held up
        return 0
    if last is None:
        return 0
    offered = last.first + len(last.captures) - at.expected_first
    return max(0, offered - (last.dropped - at.dropped_seen))


def _last_entry(reader: journal.JournalFileReader, start: int) -> Entry | None:
    """The last readable entry beyond `start`, looked for from the end in ever larger steps."""
    window = _TAIL_BYTES
    while True:
        for payload in reversed(reader.read_tail(start, window)):
            entry = None if payload is None else Entry.parse(payload)
            if entry is not None:
                return entry
        if window >= reader.size - start:
            return None
        window *= 8


def as_json(status: Status) -> dict[str, object]:
    """The status as JSON types."""
    books = status.books
    return {
        "taken_at": status.taken_at.isoformat(),
        "data_dir": str(status.data_dir),
        "trouble": status.trouble,
        "troubles": list(status.troubles),
        "purpose": None if books is None else books.purpose,
        "balanced": None if books is None else books.balance,
        "processes": [
            {"role": p.role, "pid": p.pid, "since": p.since.isoformat(), "facts": dict(p.facts)}
            for p in status.processes
        ],
        "journal": {
            "bytes": status.journal.size_bytes,
            "segments": status.journal.files,
            "refused_files": status.journal.refused_files,
            "waiting": status.journal.waiting,
            "oldest_waiting_at": _iso(status.journal.oldest_waiting_at),
            "held_up": dict(status.journal.held_up),
            "kept_bytes": status.journal.kept_bytes,
            "missing": status.journal.missing,
            "missing_outcomes": status.journal.missing_outcomes,
        },
        "deployment": None if books is None or books.deployment is None else _deployment(books.deployment),
        "intake": None if books is None else _intake(books.intake),
        "outcomes": None if books is None else books.outcomes.facts(),
        "candidates": [] if books is None else [_account(a, books.lags) for a in books.accounts],
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _deployment(deployment: Deployment) -> dict[str, object]:
    view = deployment.view()
    return {key: view[key] for key in ("live", "since", "by", "reason")}


def _intake(intake: Intake) -> dict[str, object]:
    return {
        "numbered": intake.numbered,
        "stored": intake.stored,
        "pruned": intake.pruned,
        "dropped": intake.dropped,
        "balanced": intake.balances,
    }


def _account(account: Account, lags: dict[int, float]) -> dict[str, object]:
    candidate: Candidate = account.candidate
    pace = Pace.of(candidate.policy)
    return {
        "candidate": str(candidate.model),
        "state": candidate.state.value,
        "policy": pace.policy,
        "day_seconds": pace.day_seconds,
        "sample": candidate.sample,
        "eligible": account.eligible,
        **account.by_state(),
        "failed": account.failed,
        "dropped": account.dropped,
        "lag_seconds": lags[candidate.id],
        "missing": account.missing,
        "balanced": account.balances,
    }
