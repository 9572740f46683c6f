"""Servers under test: processes of their own, asked whether they are ready, measured from /proc."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import ground

ROOT = Path(__file__).parents[1]
_START_SECONDS = 120.0
_STOP_SECONDS = 60.0
_TICKS = os.sysconf("SC_CLK_TCK")
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class ServerNotReady(RuntimeError):
    """A server ended or did not answer in time; its output says why."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a tree of processes has used: processor seconds so far, resident memory (shared parts split)."""

    cpu_seconds: float
    memory_bytes: int


class Processes:
    """One started command with all its descendants."""

    def __init__(self, name: str, module: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log = log
        # A session each, as in production: Linux may share the processor by session (autogroup, sched(7)).
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *module],
                cwd=ROOT,
                env=_environment(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        """Whether the command has not ended."""
        return self._process.poll() is None

    def usage(self) -> Usage:
        """Add up the usage of the command and its live descendants."""
        return usage(self._process.pid)

    def stop(self) -> None:
        """Ask it to end, and wait."""
        if self.running:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class BenchmarkServer(Processes):
    """Processes that answer HTTP on a port of loopback."""

    def __init__(
        self, name: str, module: Sequence[str], environment: Mapping[str, str], log: Path, port: int
    ) -> None:
        super().__init__(name, module, environment, log)
        self.port = port

    def wait_ready(self) -> None:
        """Wait for a 200 from /readyz; raise NotReady."""
        deadline = time.monotonic() + _START_SECONDS
        while not _is_ready(self.port):
            if not self.running or time.monotonic() > deadline:
                raise ServerNotReady(
                    f"{self.name}: see {self.log}\n{self.log.read_text(errors='replace')[-2000:]}"
                )
            time.sleep(0.1)


def usage(root: int) -> Usage:
    """Add up the usage of a process and its live descendants; zero for an ended process."""
    pids = list(_tree(root))
    return Usage(sum(map(_cpu_seconds, pids)), sum(map(_memory_bytes, pids)))


def umbra(data_dir: Path, environment: Mapping[str, str]) -> BenchmarkServer:
    """Umbra's API, everything on."""
    port = int(environment["UMBRA_API_PORT"])
    return BenchmarkServer("umbra", ["api.server"], environment, data_dir / "api.out", port)


def umbra_worker(data_dir: Path, environment: Mapping[str, str]) -> Processes:
    """Umbra's worker: what `umbra work` starts."""
    return Processes("umbra work", ["shadow.worker"], environment, data_dir / "worker.out")


def other(name: str, workers: int, home: Path, more: Mapping[str, str]) -> BenchmarkServer:
    """Another application on Umbra's gunicorn settings."""
    port = ground.free_port()
    environment = ground.environment(
        home, home / "models", api_port=port, api_workers=workers, api_metrics_port=ground.free_port()
    )
    application = f"benchmarks.targets.{name}:application()"
    environment |= {"BENCHMARK_APPLICATION": application, **_ONE_THREAD, **more}
    conf = str(Path(__file__).parent / "targets" / "same.gunicorn.conf.py")
    return BenchmarkServer(name, ["gunicorn", "--config", conf], environment, home / "server.out", port)


def _environment(own: Mapping[str, str]) -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("UMBRA_")}
    return inherited | dict(own)


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _tree(root: int) -> Iterator[int]:
    parents = {pid: int(fields[1]) for pid, fields in _all_processes()}
    pids = {root}
    while more := {pid for pid, parent in parents.items() if parent in pids} - pids:
        pids |= more
    return iter(pids)


def _all_processes() -> Iterator[tuple[int, list[str]]]:
    for path in Path("/proc").iterdir():
        if path.name.isdigit() and (fields := _stat(int(path.name))):
            yield int(path.name), fields


def _stat(pid: int) -> list[str]:
    """Read the fields of /proc/PID/stat from the third (state) on; return none for an ended process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return []


def _cpu_seconds(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS if fields else 0.0


def _memory_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
