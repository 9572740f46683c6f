"""Collect the status: processes, journal and store, each read with a time limit."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from shadow.bounded import BackgroundCall, NotAnswered, call_within
from shadow.processes import heartbeat
from shadow.processes.heartbeat import LiveProcess
from shadow.settings import Settings
from shadow.source.identity import DamagedSourceId
from shadow.source.ownership import SourceOwnedElsewhere, SourceOwnership
from shadow.status.journal import SourceState, read_journal, read_source
from shadow.status.state import JournalState, Status, StoreState
from shadow.store import (
    Store,
    StoreUnavailable,
    candidates,
    deployments,
    ledger,
    open_store,
    outcomes,
    purposes,
)

_STUCK_AFTER = timedelta(minutes=1)
_STORE_SECONDS, _DISK_SECONDS = 6.5, 1.5


def gather(settings: Settings, now: datetime, store_seconds: float = _STORE_SECONDS) -> Status:
    """Read processes, journal and store, within about ten seconds, whichever of them hangs."""
    until = time.monotonic() + store_seconds + _DISK_SECONDS
    heartbeats = BackgroundCall(lambda: heartbeat.live_processes(settings.run_dir))
    source, store, store_error = _store_within(store_seconds, settings, now)
    processes, troubles = _processes(heartbeats)
    try:
        journal, displaced = call_within(
            max(_DISK_SECONDS, until - time.monotonic()),
            "the journal's disk",
            lambda: (read_journal(settings, processes, source), list(_other_directory(settings, source))),
        )
    except NotAnswered as fault:
        journal, displaced = JournalState(0, 0, 0, None), [str(fault)]
    troubles += [*displaced, *_hindrances(journal, processes, now)]
    return Status(settings.data_dir, now, processes, journal, store, store_error, tuple(troubles))


def _store_within(
    seconds: float, settings: Settings, now: datetime
) -> tuple[SourceState | None, StoreState | None, str | None]:
    """Read the store; without an answer in time, the third value says why."""
    store = open_store(settings.store)
    try:
        source, state = call_within(
            seconds, "the store", lambda: (read_source(store, settings), _store_state(store, now))
        )
    except (StoreUnavailable, NotAnswered, DamagedSourceId) as fault:
        return None, None, str(fault)
    finally:
        store.close()
    return source, state, None


def _other_directory(settings: Settings, state: SourceState | None) -> Iterator[str]:
    """Say when another data directory writes in the place of this one."""
    if state is not None and state.source is not None:
        try:
            SourceOwnership(settings.data_dir).check(state.source)
        except SourceOwnedElsewhere as fault:
            yield str(fault)


def _hindrances(journal: JournalState, processes: Sequence[LiveProcess], now: datetime) -> Iterator[str]:
    """Name what keeps captures from the store, or has removed them from it."""
    for name, reason in sorted(journal.held_up.items()):
        yield f"journal file {name} cannot be moved: {reason}"
    oldest, long_ago = journal.oldest_waiting_at, now - _STUCK_AFTER
    if oldest is not None and oldest < long_ago and _moved_at(processes) < long_ago.timestamp():
        seconds = (now - oldest).total_seconds()
        yield f"captures have waited for {seconds:.0f} s, and ingest moves none: see the worker's log"
    if journal.missing or journal.missing_outcomes:
        yield (
            f"the store went back by {journal.missing or 0:,} captures and {journal.missing_outcomes or 0:,} "
            "outcomes that no journal file holds any more: it was restored from an older copy, or it is "
            "another one; `umbra journal accept-loss` counts them as dropped, outcomes can be sent again"
        )


def _moved_at(processes: Sequence[LiveProcess]) -> float:
    """Tell when ingest last moved something, in seconds since 1970; 0 when it does not run."""
    moments = (process.facts.get("moved_at", 0.0) for process in processes if process.role == "ingest")
    return max(moments, default=0.0)


def _processes(heartbeats: BackgroundCall[list[LiveProcess]]) -> tuple[tuple[LiveProcess, ...], list[str]]:
    """Wait for the live processes; with them come the troubles that they have."""
    try:
        processes = heartbeats.result_within(_DISK_SECONDS, "the disk of the data directory")
    except NotAnswered as fault:
        return (), [str(fault)]
    return tuple(processes), heartbeat.troubles(processes, time.monotonic())


def _store_state(store: Store, now: datetime) -> StoreState:
    with store.reading() as connection:
        present = candidates.present(connection)
        return StoreState(
            deployment=deployments.newest(connection),
            intake=ledger.intake(connection),
            outcomes=outcomes.counts(connection),
            accounts=tuple(ledger.account(connection, candidate) for candidate in present),
            lags={c.id: candidates.lag(connection, c, now)[1] for c in present},
            purpose=purposes.find(connection),
        )
