"""Launch the API and the worker on one machine, keep them running, and stop them in order.

The API stops first, so that the journal has all its answers; then the worker, which moves the journal into
the store and scores the new captures.
"""

from __future__ import annotations

import http.client
import os
import secrets
import shlex
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from monitoring import metrics
from shadow import processes, start
from shadow.backoff import Backoff
from shadow.processes import Child, addresses, descendants
from shadow.processes.handover import INSTANCE_HEADER, INSTANCE_VARIABLE, Handover
from shadow.settings import SECRETS, Settings
from umbra.orphans import ORPHAN_SECONDS, Orphans

_API_STOP_SECONDS = 30.0
_WORKER_STOP_SECONDS = 60.0
_PROBE_SECONDS = 2.0
_FIRST_SECONDS = 10.0
_SECRETS = (*SECRETS, "PGPASSWORD")


class NotStarted(RuntimeError):
    """A process ended before it was ready; it printed the reason on standard error."""


class NotTrained(RuntimeError):
    """The training of a first model ended with `status`; it printed the reason on standard error."""

    def __init__(self, recipe: str, status: int) -> None:
        super().__init__(f"training {recipe} ended with status {status}")
        self.status = status


def check_alone(settings: Settings) -> None:
    """Raise CannotRun if another Umbra serves this data directory, or a port is taken. Changes nothing."""
    for role in ("api", "worker"):
        processes.check_unclaimed(settings.data_dir, role)
    check_ports(settings)


def check_ports(settings: Settings) -> None:
    """Raise CannotRun, naming it, if one of the three ports is taken."""
    processes.check_port(settings.api_host, settings.api_port)
    processes.check_port(settings.metrics_host, settings.api_metrics_port)
    processes.check_port(settings.metrics_host, settings.worker_metrics_port)


def environment_for(settings: Settings, environment: Mapping[str, str]) -> dict[str, str]:
    """Copy the environment, with log lines sent to files, so that the terminal stays readable."""
    overrides = {
        "UMBRA_DATA_DIR": str(settings.data_dir),
        "UMBRA_LOG_DIR": str(log_dir(settings)),
        "UMBRA_LOG_STDOUT": "false",
    }
    return dict(environment) | overrides


def log_dir(settings: Settings) -> Path:
    """Give the directory of log files while `umbra up` runs."""
    return settings.log_dir or settings.data_dir / "logs"


def plan(
    settings: Settings,
    environment: Mapping[str, str],
    traffic_rate: float | None,
    handover: Handover | None = None,
) -> list[Child]:
    """List the processes in the order of stopping; without a `handover` the API binds its own socket."""
    shared = environment_for(settings, environment)
    api = {INSTANCE_VARIABLE: secrets.token_hex(8)} | (handover.environment if handover else {})
    # No long back-off for live answers: whatever ends the API, it is started again at once.
    children = [
        Child(
            "api",
            processes.python("api.server"),
            shared | api,
            descriptors=handover.descriptors if handover else (),
            backoff=Backoff(0.05, 0.2),
        ),
        Child("worker", processes.python("shadow.worker"), processes.without(shared, "UMBRA_ADMIN_TOKEN")),
    ]
    if traffic_rate is not None:
        arguments = (api_url(settings), str(traffic_rate), str(os.getpid()))
        command = processes.python("umbra.demo.traffic", *arguments)
        children.insert(0, Child("traffic", command, processes.without(shared, *_SECRETS)))
    return children


def train(settings: Settings, recipe: str, data: str, environment: Mapping[str, str]) -> None:
    """Train and save one recipe in a process of its own, so that the memory of its libraries is freed.

    Raises NotTrained.
    """
    command = processes.python("umbra", "train", recipe, "--data", data)
    own = processes.without(environment, *_SECRETS) | {"UMBRA_DATA_DIR": str(settings.data_dir)}
    child = Child(f"training of {recipe}", command, own, output=subprocess.DEVNULL)
    try:
        child.supervise(time.monotonic())
        status = child.wait()
    finally:
        child.kill()
    if status < 0:
        raise NotStarted(f"the training of {recipe} was killed by signal {-status}")
    if status > 0:
        raise NotTrained(recipe, status)


def api_url(settings: Settings) -> str:
    """Give the URL of the API."""
    return addresses.url(settings.api_host, settings.api_port)


def is_ready(settings: Settings, children: Sequence[Child]) -> bool:
    """Tell whether the API among these children, not another one, answers and has its live model."""
    instance = next(child.environment[INSTANCE_VARIABLE] for child in children if child.name == "api")
    host = addresses.reachable(settings.api_host)
    connection = http.client.HTTPConnection(host, settings.api_port, timeout=_PROBE_SECONDS)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        return response.status == http.HTTPStatus.OK and response.headers[INSTANCE_HEADER] == instance
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def supervise(children: Sequence[Child], *, starting: bool) -> list[tuple[Child, int]]:
    """Start the children that do not run; returns those that have just ended, with their exit status.

    While `starting`, raises NotStarted for a process that ends instead of starting it again.
    """
    ended = []
    for child in children:
        status = child.supervise(time.monotonic())
        if status is not None and starting:
            raise NotStarted(
                f"the {child.name} ended with status {status} before it was ready; its log is in "
                f"{child.environment['UMBRA_LOG_DIR']}"
            )
        if status is not None:
            ended.append((child, status))
    return ended


def check_displaced(settings: Settings, child: Child, status: int) -> None:
    """Raise CannotRun if a process ended because another installation has its place."""
    is_refusal = status in (processes.EXIT_FAILURE, processes.EXIT_USAGE)
    if not is_refusal or child.starts > 1 or child.lasted > _FIRST_SECONDS or child.name == "traffic":
        return
    processes.check_unclaimed(settings.data_dir, child.name)
    # This process has bound the address of the API: no other can have it.
    port = settings.api_metrics_port if child.name == "api" else settings.worker_metrics_port
    processes.check_port(settings.metrics_host, port)


def stop(settings: Settings, children: Sequence[Child], handover: Handover, orphans: Orphans) -> None:
    """Stop everything in order; kill what does not end in its time."""
    handover.close()
    for child in children:
        child.terminate()
        if child.name == "api":
            orphans.terminate(children)
        child.wait_or_kill(_WORKER_STOP_SECONDS if child.name == "worker" else _API_STOP_SECONDS)
        if child.name == "api":
            # Before the worker, which moves their answers from the journal.
            orphans.stop(children, ORPHAN_SECONDS)
            metrics.remove_directory(settings.metrics_files("api"))
    if start.adopts_orphans():
        descendants.kill_orphans()


def replace_process(module: str, environment: Mapping[str, str]) -> None:
    """Run a module of this installation in place of this process, which keeps its pid."""
    command = processes.python(module)
    os.execve(command[0], command, dict(environment))  # noqa: S606 - a fixed command


def example_command(settings: Settings) -> str:
    """Compose a request that works as printed, in any directory."""
    example = Path(settings.data_dir / "example.json")
    url = f"{api_url(settings)}/v1/predictions"
    return shlex.join(["curl", "-s", url, "-H", "Content-Type: application/json", "-d", f"@{example}"])
