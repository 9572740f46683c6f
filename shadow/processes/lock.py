"""One process of a kind for each data directory: a record lock that lasts as long as the process."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from shadow.processes.failure import CannotRun
from shadow.settings import Settings

_FLOCK = "hhqqi4x"  # struct flock: type, whence, start, length, pid


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


def _lock_file(data_dir: Path, what: str) -> Path:
    return data_dir / f"{what}.lock"


def _served(directory: Path, what: str, setting: str) -> CannotRun:
    return CannotRun(
        f"another {what} already serves {directory}; stop it, or give this one its own {setting}"
    )
