"""The main function of every process of the worker."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from monitoring import logs
from monitoring.phrases import visible
from shadow import start
from shadow.processes.data_directory import make_private
from shadow.processes.failure import EXIT_FAILURE, EXIT_USAGE, CannotRun
from shadow.processes.heartbeat import Heartbeat
from shadow.processes.log_setup import configure_logs
from shadow.processes.parent import end_with_parent, lower_priority, stop_on_signals
from shadow.settings import InvalidSetting, Settings

_log = logging.getLogger("umbra.processes")

Run = Callable[[Settings, threading.Event, Heartbeat], None]


def main(role: str, run: Run, *, when_orphaned: signal.Signals = signal.SIGTERM) -> int:
    """Run one of the worker's processes until SIGTERM or SIGINT; returns the exit status.

    The kernel sends `when_orphaned` when the parent dies: SIGKILL for a process that may hang in a call that
    no other signal interrupts, and that can be killed at any time.
    """
    start.begin()
    stop = stop_on_signals()
    end_with_parent(when_orphaned)
    try:
        settings = Settings.from_environment()
        make_private(settings)
        configure_logs("umbra.worker", settings)
    except InvalidSetting as fault:
        sys.stderr.write(visible(f"umbra: {fault}") + "\n")
        return EXIT_USAGE
    except OSError as fault:
        sys.stderr.write(visible(f"umbra: {fault}") + "\n")
        return EXIT_FAILURE
    lower_priority(settings.worker_niceness)
    heartbeat = Heartbeat(settings.run_dir, role, datetime.now(UTC))
    logs.event(_log, "process_started", role=role)
    try:
        run(settings, stop, heartbeat)
    except CannotRun as fault:
        logs.event(_log, "process_cannot_run", level=logging.ERROR, role=role, error=fault)
        sys.stderr.write(visible(f"umbra: {fault}") + "\n")  # also to the terminal, which shows no log
        return EXIT_FAILURE
    finally:
        heartbeat.close()
        logs.event(_log, "process_stopped", role=role)
    return 0
