"""Processes: how Umbra's own are started, kept running, told to stop, and never left behind."""

from __future__ import annotations

import ctypes
import fcntl
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from monitoring import logs
from monitoring.phrases import visible
from shadow.backoff import Backoff
from shadow.log_setup import write_lines
from shadow.presence import Announcement
from shadow.settings import InvalidSetting, Settings

EXIT_FAILURE, EXIT_USAGE = 1, 2
PARENT_VARIABLE = "_UMBRA_PARENT_PID"
_STEADY_SECONDS = 30.0
_PR_SET_PDEATHSIG = 1
_log = logging.getLogger("umbra.processes")


class CannotRun(RuntimeError):
    """A process cannot do its work and starting it again will not help; the message says what to do."""

    names_no_house = True


Run = Callable[[Settings, threading.Event, Announcement], None]


def main(role: str, run: Run, *, when_orphaned: signal.Signals = signal.SIGTERM) -> int:
    """Run one of the worker's processes until SIGTERM or SIGINT; returns the exit status.

    `when_orphaned` is what the kernel sends when the parent dies: SIGKILL for a process that may be stuck in
    a call that no other signal interrupts, and that can be killed at any time.
    """
    stop = stop_on_signals()
    leave_with_parent(when_orphaned)
    try:
        settings = Settings.from_environment()
        write_lines("umbra.worker", settings)
    except InvalidSetting as fault:
        sys.stderr.write(visible(f"umbra: {fault}") + "\n")
        return EXIT_USAGE
    stand_back(settings.worker_niceness)
    announcement = Announcement(settings.run_dir, role, datetime.now(UTC))
    logs.event(_log, "process_started", role=role)
    try:
        run(settings, stop, announcement)
    except CannotRun as fault:
        logs.event(_log, "process_cannot_run", level=logging.ERROR, role=role, error=fault)
        sys.stderr.write(visible(f"umbra: {fault}") + "\n")  # also to whoever started it and sees no log
        return EXIT_FAILURE
    finally:
        announcement.withdraw()
        logs.event(_log, "process_stopped", role=role)
    return 0


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM or SIGINT sets."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def leave_with_parent(how: signal.Signals = signal.SIGTERM) -> None:
    """Have the kernel send a signal when the parent that named itself in the environment dies."""
    parent = os.environ.pop(PARENT_VARIABLE, None)
    if parent is None:
        return
    end_with_parent(how)
    if os.getppid() != int(parent):  # it died before we asked
        os.kill(os.getpid(), how)


def end_with_parent(how: signal.Signals = signal.SIGTERM) -> None:
    """Have the kernel send a signal when the parent dies from now on."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, how)


def stand_back(niceness: int) -> None:
    """Let live answers have the CPU first.

    Linux may give every session an equal share whatever the niceness of its processes (autogroup, see
    sched(7)); then the session's own niceness has to be set as well. Only by the process that leads it:
    a session shared with others, the API among them perhaps, is not ours to slow down.
    """
    os.nice(niceness)
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(niceness), encoding="ascii")


@dataclass(slots=True)
class Child:
    """A process kept running: started again, ever more slowly, whenever it ends."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    output: int | None = None
    backoff: Backoff = field(default_factory=lambda: Backoff(0.2, 30.0))
    process: subprocess.Popen[bytes] | None = None
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
        if now - self._started > _STEADY_SECONDS:
            self.backoff.reset()
        self._start_again = now + self.backoff.next()
        return status

    def tell_to_stop(self) -> None:
        """Send SIGTERM."""
        if self.process is not None:
            self.process.terminate()

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
        )
        self._started = now


def end_together(children: Sequence[Child], seconds: float) -> None:
    """Tell all to stop, wait for all, and kill what still runs after `seconds`."""
    deadline = time.monotonic() + seconds
    for child in children:
        child.tell_to_stop()
    for child in children:
        child.end(max(0.0, deadline - time.monotonic()))


@contextmanager
def sole(data_dir: Path, what: str) -> Iterator[None]:
    """Be the only `what` of this data directory; raises CannotRun."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / f"{what}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotRun(
                f"another {what} already serves {data_dir}; stop it, or give this one its own UMBRA_DATA_DIR"
            ) from None
        yield


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of this installation."""
    return [sys.executable, "-m", module, *arguments]


def wait_until(condition: Callable[[], bool], seconds: float, stop: threading.Event) -> bool:
    """Ask again and again until `condition` holds; False when time is up or a stop was asked for."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline or stop.wait(0.05):
            return False
    return True
