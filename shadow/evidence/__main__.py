"""The evidence process: `python -m shadow.evidence`, kept running by the worker.

It runs one evidence cycle after the other, with longer pauses after cycles that took long. Every step can be
repeated after a crash; workers of several hosts that share a store take turns.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from datetime import UTC, datetime

from monitoring import logs
from shadow import processes
from shadow.evidence.cycle import EvidenceCycle
from shadow.processes.heartbeat import Heartbeat
from shadow.settings import Settings
from shadow.store import StoreUnavailable, open_store

_SHARE = 0.2
"""The largest share of the time that cycles may take."""
_log = logging.getLogger("umbra.evidence")


def run(settings: Settings, stop: threading.Event, heartbeat: Heartbeat) -> None:
    """Run evidence cycles until a stop."""
    store = open_store(settings.store)
    cycle = EvidenceCycle(store, settings, stop)
    with processes.exclusive(settings.data_dir, "evidence"):
        away = False
        while not stop.is_set():
            began = time.monotonic()
            try:
                judged = cycle.run(datetime.now(UTC))
                heartbeat.report(state=f"candidates judged: {judged}")
                away = False
            except StoreUnavailable as fault:
                if not away:
                    logs.event(_log, "store_away", level=logging.ERROR, error=fault)
                away = True
            except Exception as fault:  # noqa: BLE001 - one wrong number must not end all evidence: logged each time
                logs.event(_log, "look_failed", level=logging.ERROR, error=fault)
            took = time.monotonic() - began
            stop.wait(max(settings.evidence_seconds, took / _SHARE))
    store.close()


if __name__ == "__main__":
    sys.exit(processes.main("evidence", run, when_orphaned=signal.SIGKILL))
