"""A program of somebody else that serves HTTP on a free port while a test needs it."""

from __future__ import annotations

import signal
import subprocess
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness.waiting import wait_until
from needed import program
from ports import free_port

START_SECONDS = 60.0
STOP_SECONDS = 20.0


class Server:
    """Runs while the context lasts, in a directory of its own; is ready once /-/ready says so."""

    def __init__(self, directory: Path, names: Sequence[str], arguments: Sequence[str]) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self.directory = directory
        self.directory.mkdir(parents=True)
        self._command = [program(*names), *arguments, f"--web.listen-address={self.address}"]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with (self.directory / "output").open("ab") as output:
            self._process = subprocess.Popen(
                self._command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        try:
            wait_until(self._is_ready, START_SECONDS, self.explain)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, _: type[BaseException] | None, _fault: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._end()

    def explain(self) -> str:
        """What it printed."""
        return (self.directory / "output").read_text(errors="replace")[-3000:]

    def open(self, path: str) -> Any:
        """GET a path; gives the answer, to be closed. Raises OSError."""
        return urllib.request.urlopen(f"http://{self.address}{path}", timeout=30)

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"it ended with {self._process.returncode}: {self.explain()}"
        try:
            with self.open("/-/ready"):
                return True
        except OSError:
            return False

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
