"""`python -m shadow.worker`: the worker's process, with its /metrics."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from monitoring import metrics
from shadow import processes, start
from shadow.processes import addresses
from shadow.processes.heartbeat import Heartbeat
from shadow.settings import Settings
from shadow.store import open_store
from shadow.worker.collectors import JournalCollector, StoreCollector, StoreDiskCollector
from shadow.worker.supervisor import Roster, Supervisor

_PAUSE_SECONDS = 0.5


def run(settings: Settings, stop: threading.Event, heartbeat: Heartbeat) -> None:
    """Keep the worker's processes running until `stop` is set; raises CannotRun, also for a wrong store."""
    processes.claim_all(settings, "worker")  # before this one changes anything that a running one uses
    start.adopt_orphans()
    store = open_store(settings.store)
    files = settings.metrics_files("worker")
    collector = StoreCollector(store, settings.models, masked=settings.masked_fields)
    _serve_metrics(settings, collector, files if metrics.prepare_directory(files) else None)
    collector.follow(stop)
    roster = Roster(store, stop)
    supervisor = Supervisor(settings, roster, processes.without(os.environ, "UMBRA_ADMIN_TOKEN"))
    children: dict[str, Any] = {}
    refusal: str | None = None
    while not stop.is_set() and (refusal := roster.refusal) is None:
        supervisor.supervise(time.monotonic())
        if children != (children := supervisor.status_facts()):
            heartbeat.report(children=children)
        stop.wait(_PAUSE_SECONDS)
    heartbeat.report(state="stopping")
    supervisor.stop()
    metrics.remove_directory(files)
    if refusal is not None:
        raise processes.CannotRun(refusal)


def _serve_metrics(settings: Settings, store: StoreCollector, files: Path | None) -> None:
    collectors: list[metrics.Reading] = [JournalCollector(settings), StoreDiskCollector(settings), store]
    host, port = settings.metrics_host, settings.worker_metrics_port
    try:
        metrics.serve(host, port, family=addresses.family(host), directory=files, readings=collectors)
    except OSError as fault:
        raise processes.CannotRun(
            f"UMBRA_WORKER_METRICS_PORT={port}: cannot listen on {host}: {fault.strerror}; "
            "is another worker running?"
        ) from fault


if __name__ == "__main__":
    sys.exit(processes.main("worker", run))
