"""At most one process of each role for a data directory: a record lock held as long as the process runs."""

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


def claim(directory: Path, role: str, setting: str = "UMBRA_DATA_DIR") -> int:
    """Take the lock of a role in this directory until this process ends, execs included; raises CannotRun.

    A POSIX record lock stays with the process through an exec, and forks do not inherit it: it is free as
    soon as the process is gone, even if forks of it hang. Returns the open file, which holds the lock.
    """
    directory.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(_lock_file(directory, role), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as fault:
        os.close(descriptor)
        if fault.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        raise _occupied(directory, role, setting) from None
    os.set_inheritable(descriptor, True)
    return descriptor


def claim_all(settings: Settings, role: str) -> None:
    """Take the lock of a role in the data directory, and in the metrics directory if it is a separate one.

    Raises CannotRun. A metrics directory that cannot be used costs only the metrics.
    """
    claim(settings.data_dir, role)
    if settings.metrics_dir is not None:
        with suppress(OSError):
            claim(settings.metrics_dir, role, "UMBRA_METRICS_DIR")


@contextmanager
def exclusive(data_dir: Path, role: str) -> Iterator[None]:
    """Hold the lock of a role in this data directory while the context lasts; raises CannotRun."""
    descriptor = claim(data_dir, role)
    try:
        yield
    finally:
        os.close(descriptor)


def check_unclaimed(data_dir: Path, role: str) -> None:
    """Raise CannotRun if a live process holds the lock of this role; takes no lock itself."""
    if sys.platform != "linux":
        return
    try:
        descriptor = os.open(_lock_file(data_dir, role), os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    try:
        query = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind = struct.unpack(_FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, query))[0]
    finally:
        os.close(descriptor)
    if kind != fcntl.F_UNLCK:
        raise _occupied(data_dir, role, "UMBRA_DATA_DIR")


def _lock_file(data_dir: Path, role: str) -> Path:
    return data_dir / f"{role}.lock"


def _occupied(directory: Path, role: str, setting: str) -> CannotRun:
    return CannotRun(
        f"another {role} already serves {directory}; stop it, or give this one its own {setting}"
    )
