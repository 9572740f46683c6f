"""`python -m api.serve`: check what can be checked, prepare, and become gunicorn."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from api import live, server
from monitoring import logs, metrics
from shadow import addresses, processes
from shadow.log_setup import write_lines
from shadow.presence import Announcement
from shadow.settings import InvalidSetting, Settings

_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class CannotServe(RuntimeError):
    """The API cannot start; the message says what to do."""

    names_no_house = True


def main() -> int:
    """Serve with the environment's settings; returns only if that cannot be: 1, or 2 for a wrong setting."""
    processes.leave_with_parent()
    try:
        serve(Settings.from_environment())
    except InvalidSetting as fault:
        return _say(fault, processes.EXIT_USAGE)
    except (CannotServe, *server.CANNOT_START) as fault:
        return _say(fault, processes.EXIT_FAILURE)


def serve(settings: Settings) -> NoReturn:
    """Become gunicorn; raises InvalidSetting, CannotServe or one of server.CANNOT_START if that is no use."""
    write_lines("umbra.api", settings)
    for port, host in (
        (settings.api_port, settings.api_host),
        (settings.api_metrics_port, settings.metrics_host),
    ):
        _check_free(host, port)
    server.heartbeat_directory(settings.run_dir)
    live.load(settings)
    announcement = Announcement(settings.run_dir, "api", datetime.now(UTC))
    announcement.tell(address=addresses.url(settings.api_host, settings.api_port))
    environment = _environment(settings)
    logs.flush()
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "--config",
        str(Path(__file__).with_name("gunicorn.conf.py")),
    ]
    os.execve(sys.executable, command, environment)  # noqa: S606 (a fixed list, no shell)


def _environment(settings: Settings) -> Mapping[str, str]:
    environment = {**os.environ, **_ONE_THREAD}
    for name in (server.METRICS_VARIABLE, "SCRIPT_NAME"):  # gunicorn would take the latter for a path prefix
        environment.pop(name, None)
    directory = settings.metrics_files("api")
    if metrics.prepare_directory(directory):
        environment[server.METRICS_VARIABLE] = str(directory)
    return environment


def _check_free(host: str, port: int) -> None:
    with socket.socket(addresses.family(host), socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as fault:
            raise CannotServe(
                f"{addresses.authority(host, port)}: {fault.strerror}; stop what listens there, "
                "or set another port"
            ) from fault


def _say(fault: Exception, status: int) -> int:
    logs.flush()
    sys.stderr.write(f"umbra: {fault}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
