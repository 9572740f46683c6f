"""What the worker tells when its /metrics is asked: the journal on its disk, and the store as last seen."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from monitoring import metrics
from shadow import journal, presence
from shadow.records import Candidate, CandidateState, Deployment
from shadow.settings import Settings
from shadow.store import Store, StoreUnavailable, candidates, deployments, ledger
from shadow.store.ledger import Account

Values = Mapping[str, float | Mapping[str, float] | Mapping[tuple[str, str], float]]

LOOK_SECONDS = 2.0
STALE_SECONDS = 15.0
_SILENT_SECONDS = 5.0
_LEDGER_SHARE = 0.05


class JournalReading:
    """Size, age and disk of the journal. While ingest is silent the age grows from its last word."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._oldest: float | None = None
        self._told_at: float | None = None

    def __call__(self) -> Values:
        """Look at the disk now."""
        directory = self._settings.journal_dir
        for present in presence.living(self._settings.run_dir):
            if present.role == "ingest":
                self._oldest = present.facts.get("oldest_waiting_at")
                self._told_at = present.told_at.timestamp()
        return {
            "umbra_journal_bytes": float(journal.size_bytes(directory)),
            "umbra_journal_bound_bytes": float(self._settings.journal_max_bytes),
            "umbra_journal_refused_files": float(len(list(directory.glob("*.refused")))),
            "umbra_journal_oldest_entry_age_seconds": self._age(time.time()),
            **_disk(directory),
        }

    def _age(self, now: float) -> float:
        if self._oldest is not None:
            return max(0.0, now - self._oldest)
        silent = 0.0 if self._told_at is None else now - self._told_at
        return silent if silent > _SILENT_SECONDS else 0.0


def _disk(directory: Path) -> dict[str, float]:
    with suppress(FileNotFoundError):  # nothing has been answered yet
        disk = shutil.disk_usage(directory)
        return {
            "umbra_journal_disk_free_bytes": float(disk.free),
            "umbra_journal_disk_size_bytes": float(disk.total),
        }
    return {}


class StoreReading:
    """What the store says of candidates, ledger and deployment, as `look` last found it.

    A scrape never waits for the store: one that hangs, or is away, is told as `umbra_store_up` 0 and no more.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._seen_at = -STALE_SECONDS
        self._found: Values = {}
        self._accounts: Values = {}
        self._count_again_at = 0.0

    def __call__(self) -> Values:
        """What was found last, while it is fresh."""
        awaited: Values = {name: dict[str, float]() for name in metrics.EVIDENCE}
        if self._clock() - self._seen_at >= STALE_SECONDS:
            return {"umbra_store_up": 0.0, **awaited}
        return {"umbra_store_up": 1.0, **awaited, **self._found, **self._accounts}

    def look(self) -> None:
        """Ask the store; when it is away, what was found before is forgotten at once."""
        try:
            self._look()
        except StoreUnavailable:  # ingest and the lanes say so
            self._seen_at = -STALE_SECONDS

    def follow(self, stop: threading.Event) -> None:
        """Look again and again, in a thread that ends with the process, until told to stop."""

        def run() -> None:
            while not stop.is_set():
                self.look()
                stop.wait(LOOK_SECONDS)

        threading.Thread(target=run, name="umbra-readings", daemon=True).start()

    def _look(self) -> None:
        with self._store.reading() as connection:
            present = candidates.present(connection)
            now = datetime.now(UTC)
            lags = {str(one.model): candidates.lag(connection, one, now) for one in present}
            deployed = deployments.newest(connection)
            began = self._clock()
            if began >= self._count_again_at:
                self._accounts = _accounts([ledger.account(connection, one) for one in present])
                # Counting takes longer the more there is: it may take up a twentieth of the time.
                self._count_again_at = began + (self._clock() - began) / _LEDGER_SHARE
        self._found = _progress(present, lags) | _deployment(deployed)
        self._seen_at = self._clock()


def _progress(present: list[Candidate], lags: Mapping[str, tuple[int, float]]) -> dict[str, dict[str, float]]:
    return {
        "umbra_candidate_lag_captures": {model: float(pending) for model, (pending, _) in lags.items()},
        "umbra_candidate_lag_seconds": {model: seconds for model, (_, seconds) in lags.items()},
        "umbra_candidate_sample_ratio": {str(one.model): _share(one) for one in present},
    }


def _share(candidate: Candidate) -> float:
    return candidate.sample if candidate.state is CandidateState.ACTIVE else 0.0


def _deployment(newest: Deployment | None) -> dict[str, dict[str, float]]:
    if newest is None:
        return {}
    return {"umbra_deployment_timestamp_seconds": {str(newest.live): newest.since.timestamp()}}


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
