"""A child process: start it, keep it running, stop it, and kill it with its descendants."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from monitoring import logs
from shadow import start
from shadow.backoff import Backoff
from shadow.processes import descendants

PARENT_VARIABLE = start.PARENT_VARIABLE
_STEADY_SECONDS = 30.0
_log = logging.getLogger("umbra.processes")


@dataclass(slots=True)
class Child:
    """A process that is started again, after ever longer pauses, whenever it ends."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    output: int | None = None
    descriptors: Sequence[int] = ()
    """Open files that it inherits."""
    backoff: Backoff = field(default_factory=lambda: Backoff(0.2, 30.0))
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    ends: int = 0
    status: int | None = None
    """Exit status of the last run that has ended."""
    lasted: float = 0.0
    """Duration in seconds of the last run that has ended."""
    _started: float = 0.0
    _start_again: float = 0.0

    @property
    def pid(self) -> int:
        """The process id; 0 while it does not run."""
        return 0 if self.process is None else self.process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process runs."""
        return self.process is not None and self.process.poll() is None

    def supervise(self, now: float) -> int | None:
        """Start the process when it is due (`now`: monotonic); returns its exit status if it just ended."""
        if self.process is None:
            if now >= self._start_again:
                self._start(now)
            return None
        status = self.process.poll()
        if status is None:
            return None
        self.process = None
        self.ends, self.status = self.ends + 1, status
        self.lasted = now - self._started
        if self.lasted > _STEADY_SECONDS:
            self.backoff.reset()
        self._start_again = now + self.backoff.next()
        return status

    def status_facts(self) -> dict[str, int | float | None]:
        """Describe it for `umbra status`: pid (0: none), monotonic start, number of ends, exit status."""
        return {"pid": self.pid, "since": self._started, "ends": self.ends, "status": self.status}

    def terminate(self) -> None:
        """Send SIGTERM."""
        if self.process is not None:
            self.process.terminate()

    def wait(self) -> int:
        """Wait until the process ends by itself; returns its exit status, 0 if it does not run."""
        return 0 if self.process is None else self.process.wait()

    def kill(self) -> None:
        """Kill the process and its descendants, if it runs."""
        if self.process is not None:
            descendants.kill_tree(self.pid)
            self.process.wait()
            self.process = None

    def wait_or_kill(self, seconds: float) -> None:
        """Wait until the process ends, after `terminate`; kill it if it runs after `seconds`."""
        if self.process is None:
            return
        try:
            self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            logs.event(_log, "process_killed", level=logging.ERROR, role=self.name, after_seconds=seconds)
            self.process.kill()
            self.process.wait()
        self.process = None

    def _start(self, now: float) -> None:
        # A session of its own: Ctrl-C reaches only the process at the top, which stops its children in order.
        environment = dict(self.environment) | {PARENT_VARIABLE: str(os.getpid())}
        self.process = subprocess.Popen(
            self.command,
            env=environment,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            pass_fds=self.descriptors,
        )
        self._started = now
        self.starts += 1


def stop_all(children: Sequence[Child], seconds: float) -> None:
    """Send SIGTERM to all, wait for all, and kill those that run after `seconds`."""
    deadline = time.monotonic() + seconds
    for child in children:
        child.terminate()
    for child in children:
        child.wait_or_kill(max(0.0, deadline - time.monotonic()))


def python(module: str, *arguments: str) -> list[str]:
    """Compose the command that runs a module of this installation, never one of the current directory."""
    return [sys.executable, "-P", "-m", "shadow.start", module, *arguments]


def without(environment: Mapping[str, str], *secrets: str) -> dict[str, str]:
    """Copy an environment without these variables, for a child that does not need them."""
    return {name: value for name, value in environment.items() if name not in secrets}
