"""Custom collectors of the worker's /metrics: the journal on its disk, and the store as last read."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from model_package import artifact, card
from monitoring import logs, metrics
from shadow.bounded import Refreshed
from shadow.evidence.gauges import gauges
from shadow.journal import backlog, journal_file, refused, stored_files
from shadow.processes import heartbeat
from shadow.records import Candidate, CandidateState, Deployment
from shadow.settings import Settings
from shadow.source import acknowledged
from shadow.source.acknowledged import Acknowledged
from shadow.source.identity import DamagedSourceId, known_directory_id
from shadow.store import Store, StoreUnavailable, candidates, deployments, ledger, outcomes, sources
from shadow.store.database import size
from shadow.store.ledger import Account
from shadow.store.streams import documents

Values = Mapping[str, float | Mapping[str, float] | Mapping[tuple[str, str], float]]

PAUSE_SECONDS = 2.0
STALE_SECONDS = 15.0
_log = logging.getLogger("umbra.readings")


class JournalCollector:
    """Size, age and disk of the journal, read from its disk, whichever processes run or were restarted."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __call__(self) -> Values:
        """Read the disk now."""
        directory = self._settings.journal_dir
        living = heartbeat.live_processes(self._settings.run_dir)
        return {
            "umbra_journal_bytes": _journal_bytes(directory),
            "umbra_journal_bound_bytes": float(self._settings.journal_max_bytes),
            "umbra_journal_kept_bytes": float(stored_files.size_bytes(directory)),
            "umbra_journal_refused_files": float(len(refused.paths(directory))),
            "umbra_journal_held_up_files": float(len(backlog.held_up(directory, living))),
            "umbra_journal_oldest_entry_age_seconds": self._age(time.time()),
            **_disk("journal", directory),
        }

    def _age(self, now: float) -> float:
        """Seconds since the oldest entry came in that the store has not acknowledged."""
        settings = self._settings
        acknowledgement = Acknowledged.read(acknowledged.path_of(settings.journal_dir), _source_id(settings))
        oldest = None
        with suppress(OSError):  # a directory that cannot be read is held up as a whole
            oldest = backlog.oldest_waiting(settings.journal_dir, acknowledgement.positions)
        return 0.0 if oldest is None else max(0.0, now - oldest.timestamp())


def _journal_bytes(directory: Path) -> float:
    with suppress(OSError):
        return float(journal_file.size_bytes(directory))
    return 0.0


def _source_id(settings: Settings) -> str:
    with suppress(DamagedSourceId, OSError):  # ingest says so
        return known_directory_id(settings.data_dir) or ""
    return ""


class StoreDiskCollector:
    """The disk of the database, read here: a full disk may have stopped the database itself."""

    def __init__(self, settings: Settings) -> None:
        self._directory = settings.store_disk_dir or size.directory_of(settings.store)

    def __call__(self) -> Values:
        """Read the disk now; nothing where its directory is not known."""
        return {} if self._directory is None else _disk("store", self._directory)


def _disk(owner: str, directory: Path) -> dict[str, float]:
    with suppress(OSError):  # nothing has been answered yet, or the disk is away
        disk = shutil.disk_usage(directory)
        return {
            f"umbra_{owner}_disk_free_bytes": float(disk.free),
            f"umbra_{owner}_disk_size_bytes": float(disk.total),
        }
    return {}


class StoreCollector:
    """Candidates, deployment and ledger as the store last gave them, read by threads.

    A scrape never waits for the store: while one hangs, or is away, only `umbra_store_up` 0 is exported.
    """

    def __init__(
        self,
        store: Store,
        models: Path,
        clock: Callable[[], float] = time.monotonic,
        masked: Collection[str] = (),
    ) -> None:
        self._clock = clock
        self.state = _refreshed(lambda: _state(store, models), clock)
        # Counting reads every row there is: it must not keep the others, such as alarms, from being exported.
        self.ledger = _refreshed(lambda: _ledger(store), clock)
        self.outcomes = _refreshed(lambda: _outcomes(store), clock)
        self.evidence = _refreshed(lambda: _evidence(store, masked), clock)
        self.size = _refreshed(lambda: _size(store), clock)

    def __call__(self) -> Values:
        """Give the last values; nothing but `umbra_store_up` 0 when the state is not fresh."""
        awaited: Values = {name: dict[str, float]() for name in metrics.EVIDENCE}
        if self._clock() - self.state.refreshed_at >= STALE_SECONDS or self.state.error is not None:
            return {"umbra_store_up": 0.0, **awaited}
        values: dict[str, float | Mapping[str, float] | Mapping[tuple[str, str], float]]
        values = {"umbra_store_up": 1.0, **awaited}
        for query in self._queries:
            values |= _last_values(query)
        return values

    def follow(self, stop: threading.Event) -> None:
        """Read the store again and again, in threads that end with the process, until `stop` is set."""
        for query in self._queries:
            query.follow(stop)

    @property
    def _queries(self) -> tuple[Refreshed[Values], ...]:
        return self.state, self.ledger, self.outcomes, self.evidence, self.size


def _refreshed(query: Callable[[], Values], clock: Callable[[], float]) -> Refreshed[Values]:
    return Refreshed(query, pause_seconds=PAUSE_SECONDS, clock=clock, report=_report)


def _last_values(query: Refreshed[Values]) -> Values:
    return {} if query.error is not None or query.value is None else query.value


def _report(fault: Exception) -> None:
    """Log why a query failed; of a store that is away ingest and the lanes say so."""
    if not isinstance(fault, StoreUnavailable):
        logs.event(_log, "reading_failed", level=logging.ERROR, error=fault)


def _state(store: Store, models: Path) -> Values:
    with store.reading() as connection:
        present = candidates.present(connection)
        now = datetime.now(UTC)
        lags = {str(candidate.model): candidates.lag(connection, candidate, now) for candidate in present}
        deployed = deployments.newest(connection)
        missing = sources.missing(connection)
    lost: Values = {"umbra_store_missing_captures": float(missing)}
    return {**lost, **_progress(present, lags), **_deployment(deployed, models)}


def _ledger(store: Store) -> Values:
    with store.reading() as connection:
        return _accounts(
            [ledger.account(connection, candidate) for candidate in candidates.present(connection)]
        )


def _outcomes(store: Store) -> Values:
    with store.reading() as connection:
        known, newest = outcomes.counts(connection), outcomes.newest_matched(connection)
    return {
        "umbra_outcome_newest_timestamp_seconds": {} if newest is None else newest.timestamp(),
        "umbra_outcomes_matched": float(known.sold),
        "umbra_outcomes_unmatched": float(known.unmatched),
    }


def _size(store: Store) -> Values:
    with store.reading() as connection:
        return {"umbra_store_bytes": float(size.size_bytes(connection))}


def _evidence(store: Store, masked: Collection[str]) -> Values:
    with store.reading() as connection:
        return gauges(documents.of_open_streams(connection, masked))


def _progress(present: list[Candidate], lags: Mapping[str, tuple[int, float]]) -> dict[str, dict[str, float]]:
    return {
        "umbra_candidate_lag_captures": {model: float(pending) for model, (pending, _) in lags.items()},
        "umbra_candidate_lag_seconds": {model: seconds for model, (_, seconds) in lags.items()},
        "umbra_candidate_sample_ratio": {str(candidate.model): _share(candidate) for candidate in present},
    }


def _share(candidate: Candidate) -> float:
    return candidate.sample if candidate.state is CandidateState.ACTIVE else 0.0


def _deployment(newest: Deployment | None, models: Path) -> dict[str, dict[str, float]]:
    if newest is None:
        return {}
    live = str(newest.live)
    trained = card.trained_at(artifact.directory_of(models, newest.live))
    return {
        "umbra_deployment_timestamp_seconds": {live: newest.since.timestamp()},
        "umbra_model_trained_timestamp_seconds": {} if trained is None else {live: trained.timestamp()},
    }


def _accounts(accounts: list[Account]) -> Values:
    rows = {
        (str(account.candidate.model), state): float(count)
        for account in accounts
        for state, count in account.by_state().items()
    }
    missing = {str(account.candidate.model): float(account.missing) for account in accounts}
    return {"umbra_ledger_houses": rows, "umbra_ledger_missing_houses": missing}
