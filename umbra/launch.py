"""Up: the API and the worker on one machine, kept running together and stopped in order.

Stopping: the API first, so that every answer it gave is in the journal; then the worker, which
empties the journal into the store and scores what that brought.
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

_API_STOP_SECONDS = 30.0
_WORKER_STOP_SECONDS = 60.0
_PROBE_SECONDS = 2.0
_ORPHAN_SECONDS = 15.0
_FIRST_SECONDS = 10.0
_PAUSE_SECONDS = 0.02
_SECRETS = (*SECRETS, "PGPASSWORD")


class NotStarted(RuntimeError):
    """A process ended before it was ready; it has said why on standard error."""


class NotTrained(RuntimeError):
    """The training of a first model ended with `status`, and has said why on standard error."""

    def __init__(self, recipe: str, status: int) -> None:
        super().__init__(f"training {recipe} ended with status {status}")
        self.status = status


def check_alone(settings: Settings) -> None:
    """Raise CannotRun if another Umbra serves this data directory, or a port is taken. Touches nothing."""
    for what in ("api", "worker"):
        processes.check_unclaimed(settings.data_dir, what)
    check_ports(settings)


def check_ports(settings: Settings) -> None:
    """Raise CannotRun, naming it, if one of the three ports is taken."""
    processes.check_port(settings.api_host, settings.api_port)
    processes.check_port(settings.metrics_host, settings.api_metrics_port)
    processes.check_port(settings.metrics_host, settings.worker_metrics_port)


def environment_for(settings: Settings, environment: Mapping[str, str]) -> dict[str, str]:
    """As given, with log lines into files, so that the terminal stays readable."""
    own = {
        "UMBRA_DATA_DIR": str(settings.data_dir),
        "UMBRA_LOG_DIR": str(log_dir(settings)),
        "UMBRA_LOG_STDOUT": "false",
    }
    return dict(environment) | own


def log_dir(settings: Settings) -> Path:
    """Where log lines go while `umbra up` runs."""
    return settings.log_dir or settings.data_dir / "logs"


def plan(
    settings: Settings,
    environment: Mapping[str, str],
    traffic_rate: float | None,
    handover: Handover | None = None,
) -> list[Child]:
    """The processes, in the order in which they are stopped; without a `handover` the API binds by itself."""
    own = environment_for(settings, environment)
    api = {INSTANCE_VARIABLE: secrets.token_hex(8)} | (handover.environment if handover else {})
    # Live answers wait for no back-off: whatever ends the API, it is started again at once.
    children = [
        Child(
            "api",
            processes.python("api.server"),
            own | api,
            descriptors=handover.descriptors if handover else (),
            backoff=Backoff(0.05, 0.2),
        ),
        Child("worker", processes.python("shadow.worker"), processes.without(own, "UMBRA_ADMIN_TOKEN")),
    ]
    if traffic_rate is not None:
        arguments = (address(settings), str(traffic_rate), str(os.getpid()))
        command = processes.python("umbra.demo.traffic", *arguments)
        children.insert(0, Child("traffic", command, processes.without(own, *_SECRETS)))
    return children


def train(settings: Settings, recipe: str, data: str, environment: Mapping[str, str]) -> None:
    """Train and save one recipe in a process of its own, whose libraries' memory goes with it.

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


def address(settings: Settings) -> str:
    """Where the API answers."""
    return addresses.url(settings.api_host, settings.api_port)


def is_ready(settings: Settings, children: Sequence[Child]) -> bool:
    """Whether the API among these children, and no other one, answers and has its live model."""
    instance = next(child.environment[INSTANCE_VARIABLE] for child in children if child.name == "api")
    host = addresses.reachable(settings.api_host)
    connection = http.client.HTTPConnection(host, settings.api_port, timeout=_PROBE_SECONDS)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        return answer.status == http.HTTPStatus.OK and answer.headers[INSTANCE_HEADER] == instance
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def supervise(children: Sequence[Child], *, starting: bool) -> list[tuple[Child, int]]:
    """Start what does not run; returns what has just ended, with its exit status.

    While `starting`, a process that ends is not started again: NotStarted.
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
    """Raise CannotRun if a process has just said that it cannot run because another has its place."""
    says_so = status in (processes.EXIT_FAILURE, processes.EXIT_USAGE)
    if not says_so or child.starts > 1 or child.lasted > _FIRST_SECONDS or child.name == "traffic":
        return
    processes.check_unclaimed(settings.data_dir, child.name)
    # The address of the API is bound here: nobody else can have it.
    port = settings.api_metrics_port if child.name == "api" else settings.worker_metrics_port
    processes.check_port(settings.metrics_host, port)


class Orphans:
    """What killed processes have left to this one.

    The processes of a killed API answer until those of the next one do, and are told to stop then. All else
    is stopping by itself, and gets time for that.
    """

    def __init__(self, handover: Handover | None = None) -> None:
        self._handover = handover
        self._apis: set[int] = set()
        self._replaced: set[int] = set()
        self._first_seen: dict[int, float] = {}

    def reap(self, children: Sequence[Child], now: float) -> None:
        """Bury those that have ended and kill those that go on for long; `now` is monotonic seconds."""
        present = self._present(children)
        self._tell_replaced(children, present)
        stopping = [pid for pid in present if not self._answers(pid)]
        self._first_seen = {pid: self._first_seen.get(pid, now) for pid in stopping}
        late = {pid for pid, since in self._first_seen.items() if now - since > _ORPHAN_SECONDS}
        descendants.reap(present, kill=late)

    def terminate(self, children: Sequence[Child]) -> None:
        """Tell those that answer to stop: no other API will follow."""
        self._replace([pid for pid in self._present(children) if self._answers(pid)])

    def stop(self, children: Sequence[Child], seconds: float) -> None:
        """Wait until none is left that has answered; kill those that are after so many seconds."""
        deadline = time.monotonic() + seconds
        while answered := [pid for pid in self._present(children) if self._is_of_api(pid)]:
            self._replace([pid for pid in answered if self._answers(pid)])
            descendants.reap(answered, kill=answered if time.monotonic() > deadline else ())
            time.sleep(_PAUSE_SECONDS)

    def _present(self, children: Sequence[Child]) -> list[int]:
        ours = {child.pid for child in children}
        present = [pid for pid in descendants.children() if pid not in ours]
        self._apis &= {_session(pid) for pid in present}  # a pid may be given again
        self._apis |= {child.pid for child in children if child.name == "api" and child.pid}
        self._replaced &= set(present)
        return present

    def _tell_replaced(self, children: Sequence[Child], present: Sequence[int]) -> None:
        """Tell those to stop in whose place processes of the API that runs now answer."""
        answering = self._handover.answering_api() if self._handover else 0
        if any(child.name == "api" and child.running and child.pid == answering for child in children):
            self._replace([pid for pid in present if self._answers(pid) and _session(pid) != answering])

    def _replace(self, pids: Sequence[int]) -> None:
        self._replaced.update(pids)
        descendants.terminate(pids)

    def _answers(self, pid: int) -> bool:
        return self._handover is not None and self._is_of_api(pid) and pid not in self._replaced

    def _is_of_api(self, pid: int) -> bool:
        """Whether an API has started it: each leads a session of its own (processes.Child)."""
        return _session(pid) in self._apis


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


def stop(settings: Settings, children: Sequence[Child], handover: Handover, orphans: Orphans) -> None:
    """Stop everything in order; each has its grace, then it is killed."""
    handover.close()
    for child in children:
        child.terminate()
        if child.name == "api":
            orphans.terminate(children)
        child.wait_or_kill(_WORKER_STOP_SECONDS if child.name == "worker" else _API_STOP_SECONDS)
        if child.name == "api":
            # Before the worker: what they answered is in the journal that it empties.
            orphans.stop(children, _ORPHAN_SECONDS)
            metrics.remove_directory(settings.metrics_files("api"))
    if start.adopts_orphans():
        descendants.kill_orphans()


def become(module: str, environment: Mapping[str, str]) -> None:
    """Replace this process by a module of this installation: signals and exit status are then its own."""
    command = processes.python(module)
    os.execve(command[0], command, dict(environment))  # noqa: S606 - a fixed command


def example_command(settings: Settings) -> str:
    """A request that works as printed, in any directory."""
    example = Path(settings.data_dir / "example.json")
    url = f"{address(settings)}/v1/predictions"
    return shlex.join(["curl", "-s", url, "-H", "Content-Type: application/json", "-d", f"@{example}"])
