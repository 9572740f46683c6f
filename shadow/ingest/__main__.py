"""`python -m shadow.ingest`: the process that moves the journal; the worker keeps it running."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime

from monitoring import logs, metrics
from shadow import processes
from shadow.backoff import Backoff
from shadow.ingest.mover import Ingest
from shadow.journal.stored_files import Retention
from shadow.prediction_log import PredictionLog
from shadow.processes.heartbeat import Heartbeat
from shadow.settings import Settings
from shadow.source import purpose
from shadow.source.identity import directory_id
from shadow.source.ownership import SourceOwnership
from shadow.store import (
    StoreUnavailable,
    open_store,
)
from shadow.version import umbra_version

__all__ = ["Ingest", "directory_id", "run"]
_DRAIN_SECONDS = 10.0
_REPORT_SECONDS = 1.0
_log = logging.getLogger("umbra.ingest")


def run(settings: Settings, stop: threading.Event, heartbeat: Heartbeat) -> None:
    """Move the journal until `stop` is set, then once more until it is empty."""
    store = open_store(settings.store)
    purpose.keep_apart(settings, store)
    measures = metrics.shadowing(settings.metrics_files("worker"))
    measures.build[(umbra_version(),)].set(1)
    ingest = Ingest(
        store,
        settings.journal_dir,
        directory_id(settings.data_dir),
        settings.ingest_batch_bytes,
        measures,
        _utc_now,
        PredictionLog.of(settings),
        settings.tally_dirs,
        Retention.of(settings),
        SourceOwnership(settings.data_dir),
    )
    pause = Backoff(settings.poll_seconds, longest=5.0)
    with processes.exclusive(settings.data_dir, "ingest"):
        reported_at = 0.0
        while not stop.is_set():
            stop.wait(_step(ingest, pause, settings.poll_seconds))
            if time.monotonic() - reported_at >= _REPORT_SECONDS:
                heartbeat.report(
                    held_up={name: file.reason for name, file in ingest.held_up.items()},
                    moved_at=ingest.moved_at.timestamp(),
                )
                reported_at = time.monotonic()
        deadline = time.monotonic() + _DRAIN_SECONDS
        while time.monotonic() < deadline and _step(ingest, pause, 1.0) == 0:
            continue
    store.close()


def _step(ingest: Ingest, pause: Backoff, idle_seconds: float) -> float:
    """Move one batch; return how long to wait before the next."""
    try:
        moved = ingest.step()
    except StoreUnavailable as fault:
        if pause.failures == 0:
            logs.event(_log, "store_away", level=logging.ERROR, error=fault)
        with suppress(OSError):  # of a journal that is away itself
            ingest.sync()
        return pause.next()
    except OSError as fault:
        if pause.failures == 0:
            logs.event(_log, "journal_away", level=logging.ERROR, error=fault)
        return pause.next()
    if pause.failures:
        logs.event(_log, "store_back")
        pause.reset()
    return 0.0 if moved else idle_seconds


def _utc_now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    sys.exit(processes.main("ingest", run, when_orphaned=signal.SIGKILL))
