"""Counts of ended processes, in one file per kind: a scrape stays short however many have ended.

Only the process that serves /metrics moves counts here, and never while it reads the files: it reads every
count from exactly one of them.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from threading import Lock

from prometheus_client.mmap_dict import MmapedDict

files_lock = Lock()
"""Hold it to read the files, and to move counts from one to the other."""

_ENDED = "ended"
_HEADER = struct.Struct("i4x")
_ALIGNMENT = 8


def merge(file: Path) -> None:
    """Add the counts of an ended process to the file `KIND_ended.db`, and remove its own; raises OSError.

    Raises struct.error or RuntimeError if the file is damaged; then everything stays as it was.
    """
    target = file.with_name(f"{file.name.partition('_')[0]}_{_ENDED}.db")
    with files_lock:
        totals = _counts(target) if target.exists() else {}
        for key, count in _counts(file).items():
            totals[key] = totals.get(key, 0.0) + count
        fresh = target.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with fresh.open("xb") as output:
            output.write(_encoded(totals))
        fresh.replace(target)
        file.unlink()


def _counts(file: Path) -> dict[str, float]:
    values = MmapedDict.read_all_values_from_file(str(file))  # type: ignore[no-untyped-call]
    return {key: value for key, value, _, _ in values}


def _encoded(totals: Mapping[str, float]) -> bytes:
    """Encode totals as the library does: bytes in use, then for each value key size, key, two doubles."""
    entries = b"".join(_entry(key.encode(), count) for key, count in totals.items())
    return _HEADER.pack(_HEADER.size + len(entries)) + entries


def _entry(key: bytes, count: float) -> bytes:
    padded = key + b" " * (_ALIGNMENT - (len(key) + 4) % _ALIGNMENT)
    return struct.pack(f"i{len(padded)}sdd", len(key), padded, count, 0.0)
