"""A whole Umbra to load: `umbra up` over a data directory of its own, and what `umbra status` says of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from benchmarks import ground, servers
from load_tests.ledger import Ledger

HALVES = ("api", "worker")
WORKING = {*HALVES, "ingest", "scoring"}
_START_SECONDS = 60.0
_COMMAND_SECONDS = 60.0


class UmbraUnderLoad:
    """Started when it is made; use it as a context, which waits until it works, and stops it.

    `at_start` is the ledger of that moment.
    """

    def __init__(
        self, home: Path, models: Path, api_workers: int, ports: Sequence[int], store_url: str = ""
    ) -> None:
        """`ports`: of the API, of its metrics, of the worker's. Models are trained if there are none."""
        home.mkdir(parents=True, exist_ok=True)
        api, api_metrics, worker_metrics = ports
        self.environment = ground.environment(
            home / "data",
            models,
            store_url=store_url,
            api_workers=api_workers,
            api_port=api,
            api_metrics_port=api_metrics,
            worker_metrics_port=worker_metrics,
        )
        self.url = f"http://127.0.0.1:{api}"
        self.at_start: Ledger
        self._server = servers.BenchmarkServer(
            "umbra up", ["umbra", "up"], self.environment, home / "output", api
        )

    def __enter__(self) -> Self:
        try:
            self._server.wait_ready()
            self._wait_working()
        except BaseException:
            self._server.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    def ledger(self) -> Ledger:
        """Run `umbra status --json`."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("UMBRA_")}
        done = subprocess.run(
            [sys.executable, "-P", "-m", "umbra", "status", "--json"],
            cwd=servers.ROOT,
            env=inherited | self.environment,
            capture_output=True,
            text=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
        if not done.stdout.startswith("{"):
            raise servers.ServerNotReady(
                f"umbra status: exit status {done.returncode}: {done.stderr[-2000:]}"
            )
        return Ledger(json.loads(done.stdout), done.returncode)

    def usage(self) -> dict[str, servers.Usage]:
        """Return the usage of the processes of each half."""
        pids = self.at_start.processes
        return {half: servers.usage(pids[half]) for half in HALVES}

    def _wait_working(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not (ledger := self.ledger()).processes.keys() >= WORKING:
            if not self._server.running or time.monotonic() > deadline:
                output = self._server.log.read_text(errors="replace")[-2000:]
                raise servers.ServerNotReady(f"the worker does not work after {_START_SECONDS:g} s: {output}")
        self.at_start = ledger
