"""What ended processes have counted, in one file per kind: however many there were, a scrape is short.

Only the process that serves /metrics moves counts here, and never while it reads the files: every count is in
exactly one of them whenever it looks.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from threading import Lock

from prometheus_client.mmap_dict import MmapedDict

reading_or_moving = Lock()
"""Held while the files are read, and while counts are moved from one to the other."""

_ENDED = "ended"
_HEADER = struct.Struct("i4x")
_ALIGNMENT = 8


def take_over(file: Path) -> None:
    """Add the counts of an ended process to the file `KIND_ended.db`, and remove its own; raises OSError.

    Raises struct.error or RuntimeError if the file is damaged; then everything stays as it was.
    """
    target = file.with_name(f"{file.name.partition('_')[0]}_{_ENDED}.db")
    with reading_or_moving:
        totals = _counts(target) if target.exists() else {}
        for key, count in _counts(file).items():
            totals[key] = totals.get(key, 0.0) + count
        fresh = target.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with fresh.open("xb") as written:
            written.write(_packed(totals))
        fresh.replace(target)
        file.unlink()


def _counts(file: Path) -> dict[str, float]:
    values = MmapedDict.read_all_values_from_file(str(file))  # type: ignore[no-untyped-call]
    return {key: value for key, value, _, _ in values}


def _packed(totals: Mapping[str, float]) -> bytes:
    """The library's format: bytes in use, then for each value the size of its key, the key, two doubles."""
    entries = b"".join(_entry(key.encode(), count) for key, count in totals.items())
    return _HEADER.pack(_HEADER.size + len(entries)) + entries


def _entry(key: bytes, count: float) -> bytes:
    padded = key + b" " * (_ALIGNMENT - (len(key) + 4) % _ALIGNMENT)
    return struct.pack(f"i{len(padded)}sdd", len(key), padded, count, 0.0)
