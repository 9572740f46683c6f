"""The files through which processes share their metrics: memory-mapped, and therefore allocated before use.

A mapped page that the file system cannot back kills the process that touches it. So every file gets its full
size from the file system first and never grows. A process that cannot have its files counts in memory
instead: its metrics are missing from the sum, its answers go on.
"""

from __future__ import annotations

import logging
import os
import stat
import struct
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, values
from prometheus_client.mmap_dict import MmapedDict, mmap_key

from monitoring import logs
from monitoring.metrics import ended
from monitoring.metrics.declared import ServingMetrics, ShadowMetrics

_log = logging.getLogger(__name__)

FILE_BYTES = {
    "counter": 128 * 1024,
    "histogram": 256 * 1024,
    "gauge_livemax": 16 * 1024,
    "gauge_livesum": 16 * 1024,
    "gauge_livemostrecent": 16 * 1024,
}

_PRIVATE = 0o700

Declared = TypeVar("Declared", ServingMetrics, ShadowMetrics)


def prepare_directory(path: Path, living: Collection[int] = ()) -> bool:
    """Make the directory, for this user alone, and remove the files of an earlier run.

    If processes of that run are still `living`, keep its counts instead, and add up those of ended ones.
    Returns False, with a line logged, if that fails, or if the directory belongs to another user.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _refuse_foreign(path.parent)
        path.mkdir(mode=_PRIVATE, exist_ok=True)
        _refuse_foreign(path)
        path.chmod(_PRIVATE)
        if living:
            for pid in owners(path) - set(living):
                worker_exited(path, pid)
        else:
            _wipe(path)
        _allocate(path / "probe", 4096)
        (path / "probe").unlink()
    except OSError as fault:
        _log_metrics_off(path, fault)
        return False
    return True


def remove_directory(path: Path) -> None:
    """Free the memory when the last process has ended; leaves foreign files alone."""
    with suppress(OSError):
        _wipe(path)
        path.rmdir()


def owners(path: Path) -> set[int]:
    """Return the ids of processes that have files there, alive or not."""
    pids = (file.stem.rpartition("_")[2] for file in path.glob("*_*.db"))
    return {int(pid) for pid in pids if pid.isdecimal()}


def worker_exited(path: Path, pid: int) -> None:
    """Remove the gauges of an ended process, and add its counts to those of other ended ones."""
    for file in path.glob(f"*_{pid}.db"):
        with suppress(OSError, RuntimeError, struct.error):  # damaged or no room: leave the file as it is
            if file.name.startswith("gauge_live"):
                file.unlink(missing_ok=True)
            else:
                ended.merge(file)
    for file in path.glob(f"*_{pid}.new"):
        with suppress(OSError):
            file.unlink()


def serving(directory: Path | None, registry: CollectorRegistry | None = None) -> ServingMetrics:
    """Make the metrics of this API process, shared through `directory`, or in memory when that fails."""
    return _declare(ServingMetrics, directory, registry)


def shadowing(directory: Path | None, registry: CollectorRegistry | None = None) -> ShadowMetrics:
    """Make the metrics of this process of the worker, shared like those of `serving`."""
    return _declare(ShadowMetrics, directory, registry)


class SharedValues:
    """A factory of the library's values: in this process's files while these have room, else in memory.

    Takes the place of `prometheus_client.values.ValueClass`, which the library documents as replaceable.
    """

    _multiprocess = True

    def __init__(self, directory: Path) -> None:
        """Allocate every file in full; raises OSError and then leaves no file."""
        paths = {prefix: directory / f"{prefix}_{os.getpid()}.db" for prefix in FILE_BYTES}
        _allocate_all(paths)
        self._free = {prefix: FILE_BYTES[prefix] - _used(path) for prefix, path in paths.items()}
        self._files = {prefix: MmapedDict(str(path)) for prefix, path in paths.items()}  # type: ignore[no-untyped-call]
        self._lock = Lock()

    def __call__(
        self,
        typ: str,
        metric_name: str,
        name: str,
        labelnames: list[str],
        labelvalues: list[str],
        help_text: str,
        multiprocess_mode: str = "",
        **more: Any,
    ) -> Any:
        """Make a value; the library calls this, and names the arguments."""
        file = f"{typ}_{multiprocess_mode}" if typ == "gauge" else typ
        key = mmap_key(metric_name, name, labelnames, labelvalues, help_text)
        size = 32 + len(key.encode())
        if self._free.get(file, 0) >= size:
            self._free[file] -= size
            return _SharedValue(self._files[file], key, self._lock)
        return values.MutexValue(  # type: ignore[no-untyped-call]
            typ,
            metric_name,
            name,
            labelnames,
            labelvalues,
            help_text,
            multiprocess_mode=multiprocess_mode,
            **more,
        )


def _refuse_foreign(path: Path) -> None:
    """Raise PermissionError unless only this user can create files there; follows no link."""
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in (0, os.geteuid()):
        raise PermissionError(f"{path}: expected a directory of this user's own, not a link")


def _wipe(path: Path) -> None:
    for pattern in (*(f"{prefix}_*" for prefix in FILE_BYTES), "probe", "probe.new"):
        for file in path.glob(pattern):
            file.unlink()


class _SharedValue:
    """One number in a file; the library's own class asks for the process id at every step."""

    _multiprocess = True

    def __init__(self, file: Any, key: str, lock: Lock) -> None:
        self._file = file
        self._key = key
        self._lock = lock
        self._value, self._timestamp = file.read_value(key)

    def inc(self, amount: float) -> None:
        """Add an amount."""
        with self._lock:
            self._value += amount
            self._file.write_value(self._key, self._value, 0.0)

    def set(self, value: float, timestamp: float | None = None) -> None:
        """Replace the value."""
        with self._lock:
            self._value = value
            self._file.write_value(self._key, value, timestamp or 0.0)

    def get(self) -> float:
        """Return the value of this process."""
        return float(self._value)

    def set_exemplar(self, _: Any) -> None:
        """Ignore exemplars: processes do not share them."""

    def get_exemplar(self) -> None:
        """Return None: see `set_exemplar`."""


def _declare(kind: type[Declared], directory: Path | None, registry: CollectorRegistry | None) -> Declared:
    values.ValueClass = _value_class(directory)
    metrics = kind(registry or CollectorRegistry())
    logs.count_dropped_lines(metrics.log_lines_dropped.inc)
    return metrics


def _value_class(directory: Path | None) -> Any:
    if directory is None:
        return values.MutexValue
    try:
        return SharedValues(directory)
    except OSError as fault:
        _log_metrics_off(directory, fault)
        return values.MutexValue


def _allocate_all(paths: Mapping[str, Path]) -> None:
    try:
        for prefix, path in paths.items():
            _allocate(path, FILE_BYTES[prefix])
    except OSError:
        for path in paths.values():
            path.unlink(missing_ok=True)
        raise


def _used(path: Path) -> int:
    """Return the bytes in use: a process with the id of a dead one continues in its files."""
    with path.open("rb") as file:
        (used,) = struct.unpack("i", file.read(4))
    return max(8, int(used))


def _allocate(path: Path, size: int) -> None:
    """Allocate under another name first: a reader must never find an empty file."""
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    new = path
    if not path.exists():
        new = path.with_suffix(".new")
        new.unlink(missing_ok=True)
        flags |= os.O_CREAT | os.O_EXCL
    descriptor = os.open(new, flags, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError:
        new.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    new.rename(path)


def _log_metrics_off(directory: Path, fault: OSError) -> None:
    logs.event(_log, "metrics_off", level=logging.WARNING, error=fault, directory=str(directory))
