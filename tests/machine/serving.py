"""A real API over given models: `umbra prepare`, then the processes of `umbra serve`, ended afterwards."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ports import free_ports

START_SECONDS = 60.0
STOP_SECONDS = 30.0
_LOOK_SECONDS = 0.05
_never = threading.Event()


class NotServing(AssertionError):
    """An API that does not answer in time; the message is what it printed."""


@dataclass(frozen=True, slots=True)
class Api:
    """An API that answers at `url` with so many workers, and the file of what it prints."""

    url: str
    output: Path
    workers: int

    def answered_by(self) -> set[int]:
        """The processes that have answered requests for predictions, from their log lines."""
        lines = [json.loads(line) for line in self.output.read_text().splitlines() if line.startswith("{")]
        return {
            line["process"]["pid"] for line in lines if line["event"].get("action") == "predictions.create"
        }


def prepare(models: Path, data: Path, **settings: object) -> None:
    """Make tables, and what has to be live: linear@1 of these models."""
    _umbra(["prepare"], _environment(models, data, settings)).check_returncode()


@contextmanager
def serving(
    models: Path,
    data: Path,
    *,
    workers: int = 2,
    code: Path | None = None,
    environment: Mapping[str, str] | None = None,
    **settings: object,
) -> Iterator[Api]:
    """Serve what was prepared, until the context ends; `code` is where packages are looked for first."""
    api, api_metrics, worker_metrics = free_ports(3)
    chosen = {
        "api_port": api,
        "api_metrics_port": api_metrics,
        "worker_metrics_port": worker_metrics,
        "api_workers": workers,
        "metrics_dir": data / "metrics",
        **settings,
    }
    told = _environment(models, data, chosen, code) | dict(environment or {})
    output = data / f"serve-{api}.log"
    with output.open("ab") as file:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "api.server"],
            env=told,
            cwd=data,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    try:
        _wait(process, api, output, workers)
        yield Api(f"http://127.0.0.1:{api}", output, workers)
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def _umbra(arguments: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "umbra", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        timeout=START_SECONDS,
        check=False,
    )


def _environment(
    models: Path, data: Path, settings: Mapping[str, object], code: Path | None = None
) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("UMBRA_")}
    paths = [str(code)] if code else []
    chosen = {"models_dir": models, "data_dir": data, **settings}
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join([*paths, *filter(None, [os.environ.get("PYTHONPATH")])]),
        "PYTHONDONTWRITEBYTECODE": "1",
        **{f"UMBRA_{name.upper()}": str(value) for name, value in chosen.items()},
    }


def _wait(process: subprocess.Popen[bytes], port: int, output: Path, workers: int) -> None:
    """Until every worker has said that it is ready."""
    deadline = time.monotonic() + START_SECONDS
    while not (output.read_bytes().count(b'"worker_ready"') >= workers and _is_ready(port)):
        if process.poll() is not None or time.monotonic() > deadline:
            raise NotServing(output.read_text(errors="replace")[-3000:])
        _never.wait(_LOOK_SECONDS)


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
