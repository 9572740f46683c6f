"""A whole Umbra: the real command, its real processes, over a data directory of its own."""

from __future__ import annotations

import http.client
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from harness import lines
from harness.waiting import wait_until
from ports import free_ports

from shadow import status as whole
from shadow.processes import heartbeat
from shadow.settings import Settings
from shadow.status import Status

HERE = Path(__file__).parents[1]
PLUG_IN = HERE / "plug_in"
START_SECONDS = 120.0
DRAIN_SECONDS = 180.0
STOP_SECONDS = 100.0


class Stack:
    """The processes of one data directory; whatever a test leaves running, `end` ends."""

    def __init__(self, directory: Path, models: Path, **settings: object) -> None:
        self.directory = directory
        self.data = directory / "data"
        api, api_metrics, worker_metrics = free_ports(3)
        chosen = {
            "data_dir": self.data,
            "models_dir": models,
            "api_port": api,
            "api_metrics_port": api_metrics,
            "worker_metrics_port": worker_metrics,
            "poll_seconds": 0.02,
        } | settings
        paths = [str(PLUG_IN), *filter(None, [os.environ.get("PYTHONPATH")])]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("UMBRA_")}
        self.environment: dict[str, str] = {
            **kept,
            "PYTHONPATH": os.pathsep.join(paths),
            "PYTHONDONTWRITEBYTECODE": "1",
            # Handed on to every process, the model's too: by this they are found again.
            "TMPDIR": str(directory),
            **{f"UMBRA_{name.upper()}": str(value) for name, value in chosen.items()},
        }
        self.settings = Settings.from_environment(self.environment)
        self._started: list[subprocess.Popen[bytes]] = []

    # -- commands

    def run(self, *arguments: str, seconds: float = 60.0) -> subprocess.CompletedProcess[str]:
        """`umbra ARGUMENTS`, to its end."""
        return subprocess.run(
            self._command(arguments),
            env=self.environment,
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            start_new_session=True,
        )

    def done(self, *arguments: str) -> str:
        """`umbra ARGUMENTS`, which must succeed; gives what it printed."""
        result = self.run(*arguments)
        assert result.returncode == 0, f"umbra {' '.join(arguments)}: {result.stdout}{result.stderr}"
        return result.stdout

    def start(self, *arguments: str, output: int | None = None) -> subprocess.Popen[bytes]:
        """`umbra ARGUMENTS`, left running at the head of a process group of its own, as a shell would."""
        with self.output.open("ab") as file:
            process = subprocess.Popen(
                self._command(arguments),
                env=self.environment,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=file if output is None else output,
                stderr=file,
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def up(self) -> subprocess.Popen[bytes]:
        """`umbra up`, until it answers and its worker works."""
        process = self.start("up")
        self.wait_ready(process)
        wait_until(lambda: self.pids("ingest") and self.pids("scoring"), START_SECONDS, self.explain)
        return process

    def wait_ready(self, process: subprocess.Popen[bytes]) -> None:
        """Until /readyz says so."""

        def ready() -> bool:
            assert process.poll() is None, f"it ended with {process.returncode}: {self.explain()}"
            return self.is_ready()

        wait_until(ready, START_SECONDS, self.explain)

    def stop(self, process: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the exit status."""
        process.send_signal(number)
        return process.wait(STOP_SECONDS)

    def end(self) -> None:
        """End everything that is left, the hard way; every line it has logged has to be a right one."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
                process.wait()
        for pid in self.processes():
            _kill(pid)
        wait_until(lambda: not self.processes(), 20, self.processes)
        shutil.rmtree(self.settings.metrics_files("api").parent, ignore_errors=True)  # in shared memory
        for file in self.logged():
            lines.check(file)

    # -- looking

    @property
    def output(self) -> Path:
        """What everything printed."""
        return self.directory / "output"

    def explain(self) -> str:
        """What a person would look at."""
        printed = self.output.read_text(errors="replace")[-3000:] if self.output.exists() else ""
        return f"{printed}\nprocesses: {self.processes()}\nstatus: {whole.as_json(self.status())}"

    def status(self) -> Status:
        """What `umbra status` gathers, without a process for every look."""
        return whole.gather(self.settings, datetime.now(UTC))

    def is_ready(self) -> bool:
        """Whether the API answers and has its live model."""
        try:
            return self.ask("GET", "/readyz")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """One request to the API; gives status and body."""
        return _ask(self.settings.api_port, method, path, body, headers or {})

    def metric(self, half: str, name: str, **labels: str) -> float:
        """One sample from /metrics of the `api` or the `worker`; 0 when there is none."""
        wanted = {f'{key}="{value}"' for key, value in labels.items()}
        for line in self.metrics(half).splitlines():
            found = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            if found and found[1] == name and wanted == set(filter(None, (found[2] or "").split(","))):
                return float(found[3])
        return 0.0

    def metrics(self, half: str) -> str:
        """/metrics of the `api` or the `worker`."""
        ports = {"api": self.settings.api_metrics_port, "worker": self.settings.worker_metrics_port}
        return _ask(ports[half], "GET", "/metrics", None, {})[1].decode()

    def pids(self, role: str) -> list[int]:
        """Processes by their role, as `umbra status` names them; also `api worker` and `model`."""
        present = heartbeat.live_processes(self.settings.run_dir)
        if role == "api worker":
            arbiters = {process.pid for process in present if process.role == "api"}
            return [pid for pid in self.processes() if _parent(pid) in arbiters]
        if role == "model":
            found = [process.facts.get("scorer_pid") for process in present if process.role == "scoring"]
            return [pid for pid in found if pid is not None and _parent(pid) is not None]
        return [process.pid for process in present if process.role == role]

    def kill(self, role: str, chance: random.Random) -> int:
        """SIGKILL one process of a role, once there is one; gives its pid."""
        pid = chance.choice(wait_until(lambda: self.pids(role), START_SECONDS, self.explain))
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: _parent(pid) is None, 10, self.explain)
        return pid

    def processes(self) -> list[int]:
        """Every living process of this stack, whoever its parent is now."""
        return sorted(_marked(f"TMPDIR={self.directory}".encode()))

    def events(self, name: str) -> list[dict[str, object]]:
        """The log lines about one event, of all processes."""
        return [line for file in self.logged() for line in lines.read(file) if line["message"] == name]

    def logged(self) -> list[Path]:
        """The files that lines went to, the one with all that was printed among them."""
        files = (self.settings.log_dir or self.data / "logs").glob("*.jsonl")
        return [*files, *([self.output] if self.output.exists() else [])]

    def wait_drained(self) -> Status:
        """Until the journal is empty and every active candidate has looked at everything."""

        def drained() -> Status | None:
            now = self.status()
            books = now.store
            if books is None or now.journal.waiting != 0:
                return None
            behind = [a for a in books.accounts if a.pending and a.candidate.state.value == "active"]
            return None if behind else now

        return wait_until(drained, DRAIN_SECONDS, self.explain)

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-P", "-m", "umbra", *arguments]


def _ask(
    port: int, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _marked(mark: bytes) -> Iterator[int]:
    for path in Path("/proc").glob("[0-9]*"):
        pid = int(path.name)
        try:
            if mark in (path / "environ").read_bytes().split(b"\0") and _parent(pid) is not None:
                yield pid
        except PermissionError:  # a process of Umbra shows its environment to root alone
            if _is_descendant(pid):
                yield pid
        except OSError:
            continue


def _is_descendant(pid: int) -> bool:
    parent = _parent(pid)
    while parent not in (None, 0, os.getpid()):
        parent = _parent(parent)
    return parent == os.getpid()


def _parent(pid: int) -> int | None:
    """The parent of a living process; None for one that is gone or only waits to be reaped."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return None
    return None if state in "ZX" else int(parent)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


MakeStack = Callable[..., Stack]
"""The fixture `make_stack`: makes a prepared stack with some settings, ended after the test."""
