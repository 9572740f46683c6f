"""Up: the API and the worker on one machine, kept running together and stopped in order.

Stopping: the API first, so that every answer it gave is in the journal; then the worker, which
empties the journal into the store and scores what that brought.
"""

from __future__ import annotations

import http.client
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from shadow import addresses, processes
from shadow.processes import Child
from shadow.settings import Settings

_API_STOP_SECONDS = 30.0
_WORKER_STOP_SECONDS = 60.0
_PROBE_SECONDS = 2.0


class NotStarted(RuntimeError):
    """A process ended before it was ready; it has said why on standard error."""


def environment_for(settings: Settings, environment: Mapping[str, str]) -> dict[str, str]:
    """As given, with log lines into files, so that the terminal stays readable."""
    own = {
        "UMBRA_DATA_DIR": str(settings.data_dir),
        "UMBRA_LOG_DIR": str(settings.log_dir or settings.data_dir / "logs"),
        "UMBRA_LOG_STDOUT": "false",
    }
    return dict(environment) | own


def plan(settings: Settings, environment: Mapping[str, str], traffic_rate: float | None) -> list[Child]:
    """The processes, in the order in which they are stopped."""
    own = environment_for(settings, environment)
    children = [
        Child("api", processes.python("api.serve"), own),
        Child("worker", processes.python("shadow.worker"), own),
    ]
    if traffic_rate is not None:
        arguments = (address(settings), str(traffic_rate), str(os.getpid()))
        children.insert(0, Child("traffic", processes.python("shadow.traffic", *arguments), own))
    return children


def address(settings: Settings) -> str:
    """Where the API answers."""
    return addresses.url(settings.api_host, settings.api_port)


def is_ready(settings: Settings) -> bool:
    """Whether the API answers and has its live model."""
    host = addresses.reachable(settings.api_host)
    connection = http.client.HTTPConnection(host, settings.api_port, timeout=_PROBE_SECONDS)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def tend(children: Sequence[Child], *, starting: bool) -> list[tuple[str, int]]:
    """Start what does not run; returns what has just ended, by name, with its exit status.

    While `starting`, a process that ends is not started again: NotStarted.
    """
    ended = []
    for child in children:
        status = child.tend(time.monotonic())
        if status is not None and starting:
            raise NotStarted(f"the {child.name} ended with status {status} before it was ready")
        if status is not None:
            ended.append((child.name, status))
    return ended


def stop(children: Sequence[Child]) -> None:
    """Stop everything in order; each has its grace, then it is killed."""
    for child in children:
        child.tell_to_stop()
        child.end(_WORKER_STOP_SECONDS if child.name == "worker" else _API_STOP_SECONDS)


def become(module: str, environment: Mapping[str, str]) -> None:
    """Replace this process by a module of this installation: signals and exit status are then its own."""
    command = processes.python(module)
    os.execve(command[0], command, dict(environment))  # noqa: S606 - a fixed command


def example_command(settings: Settings) -> str:
    """A request that works as printed, in any directory."""
    example = Path(settings.data_dir / "example.json")
    url = f"{address(settings)}/v1/predictions"
    return subprocess.list2cmdline(
        ["curl", "-s", url, "-H", "Content-Type: application/json", "-d", f"@{example}"]
    ).replace('"', "'")
