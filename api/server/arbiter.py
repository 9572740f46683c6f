"""The arbiter: gunicorn's parent process. Checks what can be checked, says what is wrong, and serves."""

from __future__ import annotations

import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from gunicorn.app.wsgiapp import WSGIApplication

from api import live
from api.server import hooks, worker
from monitoring import logs, metrics
from monitoring.phrases import visible
from shadow import processes, start
from shadow.processes import CannotRun, addresses, handover
from shadow.processes.data_directory import make_private
from shadow.processes.heartbeat import Heartbeat
from shadow.processes.log_setup import configure_logs
from shadow.settings import InvalidSetting, Settings

_PORT_SECONDS = 2.0
_CONFIGURATION = Path(__file__).with_name("gunicorn.conf.py")


class _Gunicorn(WSGIApplication):  # type: ignore[misc]
    """gunicorn's own command, except that it imports nothing from the current directory."""

    def chdir(self) -> None:
        """Stay: gunicorn would look for modules in that directory before all others."""


def main() -> int:
    """Serve until told to stop; returns 1 if that cannot be, 2 for a wrong setting."""
    processes.end_with_parent()
    try:
        serve(Settings.from_environment())
    except InvalidSetting as fault:
        return _print_error(fault, processes.EXIT_USAGE)
    except (CannotRun, *worker.CANNOT_START) as fault:
        return _print_error(fault, processes.EXIT_FAILURE)


def serve(settings: Settings) -> NoReturn:
    """Be gunicorn; raises InvalidSetting, CannotRun or OSError if that is no use."""
    # Those who answered for one that was killed let go of the port once they have answered.
    if handover.inherited() is None:
        processes.check_port(settings.api_host, settings.api_port, _PORT_SECONDS)
    processes.check_port(settings.metrics_host, settings.api_metrics_port, _PORT_SECONDS)
    make_private(settings)
    processes.claim_all(settings, "api")  # before anything of a running one could be touched
    configure_logs("umbra.api", settings)
    hooks.heartbeat_directory(settings.run_dir)
    _check_model(settings)
    heartbeat = Heartbeat(settings.run_dir, "api", datetime.now(UTC))
    os.register_at_fork(after_in_child=heartbeat.release_in_fork)
    heartbeat.report(address=addresses.url(settings.api_host, settings.api_port))
    _share_metrics(settings)
    sys.argv = [sys.argv[0], "--config", str(_CONFIGURATION)]
    _Gunicorn("%(prog)s [OPTIONS]", prog="gunicorn").run()
    sys.exit(0)


def _check_model(settings: Settings) -> None:
    """Load the live model once, in a fork: its libraries' threads would not survive a later one.

    Ends this process, after a sentence on standard error, if that cannot be.
    """
    pid = os.fork()
    if pid == 0:
        os._exit(_try_to_load(settings))
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status != 0:
        logs.flush()
        sys.exit(processes.EXIT_FAILURE)


def _try_to_load(settings: Settings) -> int:
    start.set_parent_death_signal(signal.SIGKILL)
    try:
        live.load(settings)
    except worker.CANNOT_START as fault:
        return _print_error(fault, processes.EXIT_FAILURE)
    except BaseException as fault:  # noqa: BLE001 - a recipe may raise anything, SystemExit, too
        return _print_error(RuntimeError(f"{type(fault).__name__}: {fault}"), processes.EXIT_FAILURE)
    finally:
        logs.flush()
    return 0


def _share_metrics(settings: Settings) -> None:
    for name in (worker.METRICS_VARIABLE, "SCRIPT_NAME"):  # gunicorn would take the latter for a path prefix
        os.environ.pop(name, None)
    directory = settings.metrics_files("api")
    if metrics.prepare_directory(directory, hooks.orphans(directory)):
        os.environ[worker.METRICS_VARIABLE] = str(directory)


def _print_error(fault: Exception, status: int) -> int:
    logs.flush()
    sys.stderr.write(visible(f"umbra: {fault}") + "\n")
    return status
