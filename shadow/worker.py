"""The worker: keeps ingest and one lane per candidate running, and tells how they are.

It holds no data of its own: everything it does can be done again after a crash.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from monitoring import logs, metrics
from shadow import journal, presence, processes
from shadow.presence import Announcement
from shadow.processes import Child
from shadow.records import Candidate, CandidateState
from shadow.settings import Settings
from shadow.store import Store, StoreUnavailable, candidates, open_store

_LOOK_SECONDS = 0.5
_STOP_SECONDS = 20.0
_log = logging.getLogger("umbra.worker")


class Worker:
    """The processes of one data directory."""

    def __init__(self, settings: Settings, store: Store, environment: Mapping[str, str]) -> None:
        self._metrics_dir = settings.metrics_files("worker")
        self._store = store
        self._environment = environment
        self._ingest = Child("ingest", processes.python("shadow.ingest"), environment)
        self._lanes: dict[int, Child] = {}
        self._leaving: list[Child] = []

    def tend(self, now: float) -> None:
        """Start what should run and does not; `now` is monotonic seconds."""
        self._follow_candidates()
        for child in (self._ingest, *self._lanes.values()):
            pid = child.pid
            status = child.tend(now)
            if status is not None:
                metrics.worker_exited(self._metrics_dir, pid)
                logs.event(_log, "process_ended", level=logging.ERROR, role=child.name, status=status)
        self._leaving = [child for child in self._leaving if child.running]

    def stop(self) -> None:
        """Let ingest empty the journal first, then every lane score what that brought."""
        self._ingest.tell_to_stop()
        self._ingest.end(_STOP_SECONDS)
        for lane in self._lanes.values():
            lane.tell_to_stop()
        for lane in (*self._lanes.values(), *self._leaving):
            lane.end(_STOP_SECONDS)

    def _follow_candidates(self) -> None:
        try:
            wanted = {c.id: c for c in self._store.candidates() if c.state is CandidateState.ACTIVE}
        except StoreUnavailable:
            return  # keep what runs; ingest and the lanes say themselves that the store is away
        for number in self._lanes.keys() - wanted.keys():
            self._lanes[number].tell_to_stop()
            self._leaving.append(self._lanes.pop(number))
        for number in wanted.keys() - self._lanes.keys():
            self._lanes[number] = self._lane(wanted[number])

    def _lane(self, candidate: Candidate) -> Child:
        command = processes.python("shadow.scoring", str(candidate.id))
        return Child(f"scoring {candidate.model}", command, self._environment)


class JournalReading:
    """Size and age of the journal, for /metrics. While ingest is away the age it told last grows on."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._oldest: float | None = None

    def __call__(self) -> dict[str, float]:
        """Read both."""
        for present in presence.living(self._settings.run_dir):
            if present.role == "ingest":
                self._oldest = present.facts.get("oldest_waiting_at")
        age = 0.0 if self._oldest is None else max(0.0, time.time() - self._oldest)
        return {
            "umbra_journal_bytes": float(journal.size_bytes(self._settings.journal_dir)),
            "umbra_journal_oldest_entry_age_seconds": age,
        }


class LagReading:
    """How far each candidate is behind, for /metrics; nothing while the store is away."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __call__(self) -> dict[str, dict[str, float]]:
        """Ask the store."""
        try:
            lags = self._lags(datetime.now(UTC))
        except StoreUnavailable:
            return {}
        return {
            "umbra_candidate_lag_captures": {model: float(pending) for model, (pending, _) in lags.items()},
            "umbra_candidate_lag_seconds": {model: seconds for model, (_, seconds) in lags.items()},
        }

    def _lags(self, now: datetime) -> dict[str, tuple[int, float]]:
        with self._store.reading() as connection:
            return {
                str(candidate.model): candidates.lag(connection, candidate, now)
                for candidate in candidates.present(connection)
            }


def run(settings: Settings, stop: threading.Event, _announcement: Announcement) -> None:
    """Keep the worker's processes running until told to stop."""
    store = open_store(settings.store)
    files = settings.metrics_files("worker")
    _serve_metrics(settings, store, files if metrics.prepare_directory(files) else None)
    worker = Worker(settings, store, os.environ)
    while not stop.is_set():
        worker.tend(time.monotonic())
        stop.wait(_LOOK_SECONDS)
    worker.stop()
    store.close()


def _serve_metrics(settings: Settings, store: Store, files: Path | None) -> None:
    readings: list[metrics.Reading] = [JournalReading(settings), LagReading(store)]
    host, port = settings.metrics_host, settings.worker_metrics_port
    try:
        metrics.serve(host, port, directory=files, readings=readings)
    except OSError as fault:
        raise processes.CannotRun(
            f"UMBRA_WORKER_METRICS_PORT={port}: cannot listen on {host}: {fault.strerror}; "
            "is another worker running?"
        ) from fault


if __name__ == "__main__":
    sys.exit(processes.main("worker", run))
