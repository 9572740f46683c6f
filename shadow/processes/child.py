"""A child process: started, kept running, told to stop, and killed with everything it has started."""

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
    """A process kept running: started again, ever more slowly, whenever it ends."""

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
    """How it ended last."""
    lasted: float = 0.0
    """Seconds that the last run which has ended took."""
    _started: float = 0.0
    _start_again: float = 0.0

    @property
    def pid(self) -> int:
        """Its process id; 0 when it does not run."""
        return 0 if self.process is None else self.process.pid

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self.process is not None and self.process.poll() is None

    def tend(self, now: float) -> int | None:
        """Start it when it is due; returns its exit status when it has just ended. `now` is monotonic."""
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

    def standing(self) -> dict[str, int | float | None]:
        """Say how it is, for `umbra status`: pid (0: none), monotonic start, how often and how it ended."""
        return {"pid": self.pid, "since": self._started, "ends": self.ends, "status": self.status}

    def tell_to_stop(self) -> None:
        """Send SIGTERM."""
        if self.process is not None:
            self.process.terminate()

    def wait(self) -> int:
        """Wait for it to end by itself; returns its exit status, 0 if it does not run."""
        return 0 if self.process is None else self.process.wait()

    def kill(self) -> None:
        """Kill it and whatever it has started, if it runs."""
        if self.process is not None:
            descendants.kill_tree(self.pid)
            self.process.wait()
            self.process = None

    def end(self, seconds: float) -> None:
        """Wait for it to end after `tell_to_stop`; kill it when it has not in `seconds`."""
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


def end_together(children: Sequence[Child], seconds: float) -> None:
    """Tell all to stop, wait for all, and kill what still runs after `seconds`."""
    deadline = time.monotonic() + seconds
    for child in children:
        child.tell_to_stop()
    for child in children:
        child.end(max(0.0, deadline - time.monotonic()))


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of this installation; the current directory is never imported from."""
    return [sys.executable, "-P", "-m", "shadow.start", module, *arguments]


def without(environment: Mapping[str, str], *secrets: str) -> dict[str, str]:
    """The environment of a child that has no business with these variables."""
    return {name: value for name, value in environment.items() if name not in secrets}
