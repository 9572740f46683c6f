"""Processes: how Umbra's own are started, kept running, told to stop, and never left behind."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import signal
import socket
import struct
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
from shadow import addresses, descendants, start
from shadow.backoff import Backoff
from shadow.data_directory import make_private
from shadow.log_setup import write_lines
from shadow.presence import Announcement
from shadow.settings import InvalidSetting, Settings

EXIT_FAILURE, EXIT_USAGE = 1, 2
PARENT_VARIABLE = start.PARENT_VARIABLE
_STEADY_SECONDS = 30.0
_FLOCK = "hhqqi4x"  # struct flock: type, whence, start, length, pid
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
    start.begin()
    stop = stop_on_signals()
    leave_with_parent(when_orphaned)
    try:
        settings = Settings.from_environment()
        make_private(settings)
        write_lines("umbra.worker", settings)
    except InvalidSetting as fault:
        sys.stderr.write(visible(f"umbra: {fault}") + "\n")
        return EXIT_USAGE
    except OSError as fault:
        sys.stderr.write(visible(f"umbra: {fault}") + "\n")
        return EXIT_FAILURE
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
    start.end_with_parent(how)
    if os.getppid() != int(parent):  # it died before we asked
        os.kill(os.getpid(), how)


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


def claim(directory: Path, what: str, setting: str = "UMBRA_DATA_DIR") -> int:
    """Be the only `what` of this directory until this process ends, execs included; raises CannotRun.

    A record lock (POSIX): it stays with the process through an exec, and forks do not have it. So it is free
    the moment the process is gone, even if forks of it hang. Returns the open file, which keeps it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(_lock_file(directory, what), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as fault:
        os.close(descriptor)
        if fault.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        raise _served(directory, what, setting) from None
    os.set_inheritable(descriptor, True)
    return descriptor


def claim_all(settings: Settings, what: str) -> None:
    """Be the only `what` of the data directory, and of the metrics directory if that is one of its own.

    Raises CannotRun. A metrics directory that cannot be used costs nothing but the metrics.
    """
    claim(settings.data_dir, what)
    if settings.metrics_dir is not None:
        with suppress(OSError):
            claim(settings.metrics_dir, what, "UMBRA_METRICS_DIR")


@contextmanager
def sole(data_dir: Path, what: str) -> Iterator[None]:
    """Be the only `what` of this data directory while the context lasts; raises CannotRun."""
    descriptor = claim(data_dir, what)
    try:
        yield
    finally:
        os.close(descriptor)


def check_unclaimed(data_dir: Path, what: str) -> None:
    """Raise CannotRun if a living process is the `what` of this data directory; disturbs nobody."""
    if sys.platform != "linux":
        return
    try:
        descriptor = os.open(_lock_file(data_dir, what), os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    try:
        question = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind = struct.unpack(_FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, question))[0]
    finally:
        os.close(descriptor)
    if kind != fcntl.F_UNLCK:
        raise _served(data_dir, what, "UMBRA_DATA_DIR")


def check_port(host: str, port: int, seconds: float = 0.0) -> None:
    """Raise CannotRun if nobody can listen there, even after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return bound_socket(host, port).close()
        except CannotRun:
            if time.monotonic() >= deadline:
                raise
        time.sleep(0.02)


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket that can be listened on there; raises CannotRun if nobody can."""
    bound = socket.socket(addresses.family(host), socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as fault:
        bound.close()
        raise CannotRun(
            f"{addresses.authority(host, port)}: {fault.strerror}; stop what listens there, "
            "or set another port"
        ) from fault
    return bound


def _lock_file(data_dir: Path, what: str) -> Path:
    return data_dir / f"{what}.lock"


def _served(directory: Path, what: str, setting: str) -> CannotRun:
    return CannotRun(
        f"another {what} already serves {directory}; stop it, or give this one its own {setting}"
    )


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of this installation; the current directory is never imported from."""
    return [sys.executable, "-P", "-m", "shadow.start", module, *arguments]


def without(environment: Mapping[str, str], *secrets: str) -> dict[str, str]:
    """The environment of a child that has no business with these variables."""
    return {name: value for name, value in environment.items() if name not in secrets}


def wait_until(condition: Callable[[], bool], seconds: float, stop: threading.Event) -> bool:
    """Ask again and again until `condition` holds; False when time is up or a stop was asked for."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline or stop.wait(0.05):
            return False
    return True
