"""What the worker tells when its /metrics is asked: the journal on its disk, and the store as last seen."""

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
from shadow.store.streams import snapshots

Values = Mapping[str, float | Mapping[str, float] | Mapping[tuple[str, str], float]]

LOOK_SECONDS = 2.0
STALE_SECONDS = 15.0
_SHARE = 0.05
_log = logging.getLogger("umbra.readings")


class JournalReading:
    """Size, age and disk of the journal, all of it from the disk: whoever was restarted, or does not run."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __call__(self) -> Values:
        """Look at the disk now."""
        directory = self._settings.journal_dir
        living = heartbeat.living(self._settings.run_dir)
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
        content = Acknowledged.read(acknowledged.path_of(settings.journal_dir), _source_id(settings))
        oldest = None
        with suppress(OSError):  # a directory that cannot be read is held up as a whole
            oldest = backlog.oldest_waiting(settings.journal_dir, content.positions)
        return 0.0 if oldest is None else max(0.0, now - oldest.timestamp())


def _journal_bytes(directory: Path) -> float:
    with suppress(OSError):
        return float(journal_file.size_bytes(directory))
    return 0.0


def _source_id(settings: Settings) -> str:
    with suppress(DamagedSourceId, OSError):  # ingest says so
        return known_directory_id(settings.data_dir) or ""
    return ""


class StoreDiskReading:
    """The disk of the database: looked at here, so that it is told also of one that a full disk stopped."""

    def __init__(self, settings: Settings) -> None:
        self._directory = settings.store_disk_dir or size.directory_of(settings.store)

    def __call__(self) -> Values:
        """Look at the disk now; nothing where it is not known."""
        return {} if self._directory is None else _disk("store", self._directory)


def _disk(of: str, directory: Path) -> dict[str, float]:
    with suppress(OSError):  # nothing has been answered yet, or the disk is away
        disk = shutil.disk_usage(directory)
        return {
            f"umbra_{of}_disk_free_bytes": float(disk.free),
            f"umbra_{of}_disk_size_bytes": float(disk.total),
        }
    return {}


class StoreReading:
    """What the store says of candidates, deployment and ledger, looked up by threads.

    A scrape never waits for the store: one that hangs, or is away, is told as `umbra_store_up` 0 and no more.
    """

    def __init__(
        self,
        store: Store,
        models: Path,
        clock: Callable[[], float] = time.monotonic,
        masked: Collection[str] = (),
    ) -> None:
        self._clock = clock
        self.state = Lookup(lambda: _state(store, models), clock)
        # Counting goes through all rows there are: it must not keep the rest, alarms say, from being told.
        self.ledger = Lookup(lambda: _ledger(store), clock)
        self.outcomes = Lookup(lambda: _outcomes(store), clock)
        self.evidence = Lookup(lambda: _evidence(store, masked), clock)
        self.size = Lookup(lambda: _size(store), clock)

    def __call__(self) -> Values:
        """What was found last; the state only while it is fresh."""
        awaited: Values = {name: dict[str, float]() for name in metrics.EVIDENCE}
        if self._clock() - self.state.found_at >= STALE_SECONDS:
            return {"umbra_store_up": 0.0, **awaited}
        return {
            "umbra_store_up": 1.0,
            **awaited,
            **self.state.found,
            **self.ledger.found,
            **self.outcomes.found,
            **self.evidence.found,
            **self.size.found,
        }

    def follow(self, stop: threading.Event) -> None:
        """Look again and again, in threads that end with the process, until told to stop."""
        for lookup in (self.state, self.ledger, self.outcomes, self.evidence, self.size):
            threading.Thread(target=lookup.follow, args=(stop,), name="umbra-readings", daemon=True).start()


class Lookup:
    """One question to the store; what it found is kept until the next answer, or until asking fails."""

    def __init__(self, ask: Callable[[], Values], clock: Callable[[], float]) -> None:
        self.found: Values = {}
        self.found_at = -STALE_SECONDS
        self._ask = ask
        self._clock = clock
        self._is_told = False

    def attempt(self) -> float:
        """Ask once; returns the seconds that took. Never raises."""
        began = self._clock()
        try:
            self.found = self._ask()
            self.found_at = self._clock()
            self._is_told = False
        except StoreUnavailable:  # ingest and the lanes say so
            self._forget()
        except Exception as fault:  # noqa: BLE001 (a table being changed, say: the next answer may be right)
            self._forget()
            self._tell(fault)
        return self._clock() - began

    def follow(self, stop: threading.Event) -> None:
        """Ask until told to stop."""
        while not stop.is_set():
            stop.wait(pause_after(self.attempt()))

    def _forget(self) -> None:
        self.found = {}
        self.found_at = -STALE_SECONDS

    def _tell(self, fault: Exception) -> None:
        if not self._is_told:
            logs.event(_log, "reading_failed", level=logging.ERROR, error=fault)
        self._is_told = True


def pause_after(seconds: float) -> float:
    """How long to leave the store alone after a question that took it so long."""
    return max(LOOK_SECONDS, seconds / _SHARE)


def _state(store: Store, models: Path) -> Values:
    with store.reading() as connection:
        present = candidates.present(connection)
        now = datetime.now(UTC)
        lags = {str(one.model): candidates.lag(connection, one, now) for one in present}
        deployed = deployments.newest(connection)
        missing = sources.missing(connection)
    lost: Values = {"umbra_store_missing_captures": float(missing)}
    return {**lost, **_progress(present, lags), **_deployment(deployed, models)}


def _ledger(store: Store) -> Values:
    with store.reading() as connection:
        return _accounts([ledger.account(connection, one) for one in candidates.present(connection)])


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
        return gauges(snapshots.current(connection, masked))


def _progress(present: list[Candidate], lags: Mapping[str, tuple[int, float]]) -> dict[str, dict[str, float]]:
    return {
        "umbra_candidate_lag_captures": {model: float(pending) for model, (pending, _) in lags.items()},
        "umbra_candidate_lag_seconds": {model: seconds for model, (_, seconds) in lags.items()},
        "umbra_candidate_sample_ratio": {str(one.model): _share(one) for one in present},
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
    houses = {
        (str(account.candidate.model), state): float(count)
        for account in accounts
        for state, count in _states(account).items()
    }
    missing = {str(account.candidate.model): float(account.missing) for account in accounts}
    return {"umbra_ledger_houses": houses, "umbra_ledger_missing_houses": missing}


def _states(account: Account) -> dict[str, int]:
    return {
        "scored": account.scored,
        "sampled_out": account.sampled_out,
        "failed": sum(account.failed.values()),
        "dropped": sum(account.dropped.values()),
        "pending": account.pending,
    }
