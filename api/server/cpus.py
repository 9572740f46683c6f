"""CPUs: each API process on one of its own, unless somebody else might use it.

An API process and its thread that writes the journal take turns (shadow.journal.recorder) and never run
together; woken on two CPUs each hand-over costs 60 us more (python -m benchmarks.steps). Two installations
that keep to the same CPUs would cost each other far more than that, so each claims the CPUs it keeps to: a
lock on a file per CPU, in the shared memory of the machine, which the kernel gives back however the holder
ends.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

CLAIMS = Path("/dev/shm")  # noqa: S108 (where all who use this machine's CPUs can see it)
_HOST_NAMESPACE = 0xEFFFFFFC  # PROC_PID_INIT_INO: the inode of the process namespace of the machine itself


class Claims:
    """The CPUs that this installation keeps to: one for each process, or none at all."""

    def __init__(self, processes: int, allowed: Collection[int], directory: Path = CLAIMS) -> None:
        """Claim the first free ones of `allowed`; fewer than `processes` are no use and given back."""
        self._held: dict[int, int] = {}
        for cpu in sorted(allowed) if processes <= len(allowed) else ():
            descriptor = _lock(directory / f"umbra-cpu-{cpu}.lock")
            if descriptor is not None:
                self._held[cpu] = descriptor
            if len(self._held) == processes:
                return
        self.release()

    @property
    def cpus(self) -> list[int]:
        """The CPUs that are claimed."""
        return list(self._held)

    def release(self) -> None:
        """Let go of the files; the locks end with the last process that has them open."""
        for descriptor in self._held.values():
            os.close(descriptor)
        self._held = {}


def usable() -> Collection[int]:
    """List the CPUs that this process may pin to; none if other users of them cannot be known.

    In a container the claims of others are out of sight. Only if it was given some of the machine's CPUs,
    these are taken to be its own.
    """
    if not hasattr(os, "sched_getaffinity"):
        return ()
    allowed = os.sched_getaffinity(0)
    return allowed if _sees_the_machine() or len(allowed) < (os.cpu_count() or 1) else ()


def pin_to(cpus: list[int], number: int) -> None:
    """Pin this process to the CPU of its number, if any are claimed.

    While gunicorn reloads, old and new processes live side by side: there are more numbers than CPUs.
    """
    if cpus:
        with suppress(OSError):  # the CPU was taken from this container meanwhile
            os.sched_setaffinity(0, {cpus[number % len(cpus)]})


def _sees_the_machine() -> bool:
    try:
        return Path("/proc/self/ns/pid").stat().st_ino == _HOST_NAMESPACE
    except OSError:
        return False


def _lock(path: Path) -> int | None:
    """Lock the file and return its descriptor; None: it is locked, or cannot be opened."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        descriptor = _open_or_create(path, flags)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _open_or_create(path: Path, flags: int) -> int:
    """Open it, or make it: in this order, for Linux may refuse O_CREAT on a file of another user here."""
    with suppress(FileNotFoundError):
        return os.open(path, flags)
    with suppress(FileExistsError):
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o444)
        os.fchmod(descriptor, 0o444)  # whatever the umask: other users have to be able to open it
        return descriptor
    return os.open(path, flags)
