"""Status: everything `umbra status` tells, gathered once as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from shadow import journal, presence
from shadow.entries import Entry
from shadow.ingest import directory_id
from shadow.pace import Pace
from shadow.presence import Presence
from shadow.records import Candidate, Deployment, Purpose
from shadow.settings import Settings
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
from shadow.store.sources import UNREAD, SegmentProgress

_TAIL_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class JournalState:
    """The journal of this data directory: captures in it that the store does not have yet."""

    size_bytes: int
    segments: int
    refused_files: int
    waiting: int | None


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
    """`books` is None when the store is away; `trouble` then says why."""

    data_dir: Path
    taken_at: datetime
    processes: tuple[Presence, ...]
    journal: JournalState
    books: Books | None
    trouble: str | None


def gather(settings: Settings, now: datetime) -> Status:
    """Look at processes, journal and store."""
    store = open_store(settings.store)
    books: Books | None = None
    progress: dict[str, SegmentProgress] | None = None
    trouble = None
    try:
        progress = _progress(store, settings)
        books = _books(store, now)
    except StoreUnavailable as fault:
        trouble = str(fault)
    finally:
        store.close()
    living = tuple(presence.living(settings.run_dir))
    return Status(settings.data_dir, now, living, _journal(settings, progress), books, trouble)


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


def _progress(store: Store, settings: Settings) -> dict[str, SegmentProgress]:
    if not settings.data_dir.is_dir():
        return {}
    with store.reading() as connection:
        return sources.progress_of_directory(connection, directory_id(settings.data_dir))


def _journal(settings: Settings, progress: dict[str, SegmentProgress] | None) -> JournalState:
    directory = settings.journal_dir
    paths = list(journal.segments(directory))
    refused = len(list(directory.glob("*.refused")))
    waiting = None if progress is None else sum(_waiting(path, progress) for path in paths)
    return JournalState(journal.size_bytes(directory), len(paths), refused, waiting)


def _waiting(path: Path, progress: dict[str, SegmentProgress]) -> int:
    """Captures of one segment beyond the store's place in it, told by the numbers of its last entry."""
    try:
        with journal.SegmentReader(path) as reader:
            at = progress.get(reader.name, UNREAD)
            last = _last_entry(reader, at.position)
    except FileNotFoundError:
        return 0
    if last is None:
        return 0
    offered = last.first + len(last.captures) - at.expected_first
    return max(0, offered - (last.dropped - at.dropped_seen))


def _last_entry(reader: journal.SegmentReader, start: int) -> Entry | None:
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
        "purpose": None if books is None else books.purpose,
        "balanced": None if books is None else books.balance,
        "processes": [
            {"role": p.role, "pid": p.pid, "since": p.since.isoformat(), "facts": dict(p.facts)}
            for p in status.processes
        ],
        "journal": {
            "bytes": status.journal.size_bytes,
            "segments": status.journal.segments,
            "refused_files": status.journal.refused_files,
            "waiting": status.journal.waiting,
        },
        "deployment": None if books is None or books.deployment is None else _deployment(books.deployment),
        "intake": None if books is None else _intake(books.intake),
        "outcomes": None if books is None else books.outcomes.facts(),
        "candidates": [] if books is None else [_account(a, books.lags) for a in books.accounts],
    }


def _deployment(deployment: Deployment) -> dict[str, object]:
    since = deployment.since.isoformat()
    return {"live": str(deployment.live), "since": since, "by": deployment.by, "reason": deployment.reason}


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
        "scored": account.scored,
        "sampled_out": account.sampled_out,
        "failed": account.failed,
        "dropped": account.dropped,
        "pending": account.pending,
        "lag_seconds": lags[candidate.id],
        "missing": account.missing,
        "balanced": account.balances,
    }
