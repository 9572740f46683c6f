"""The name by which the store knows a data directory: the file `source-id` in it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from uuid import UUID, uuid4

from shadow.processes import CannotRun

FILE = "source-id"


class DamagedSourceId(CannotRun):
    """A `source-id` that is no id; the message says what to do."""


def directory_id(data_dir: Path) -> str:
    """Return the name by which the store knows this data directory; the first call makes it.

    Raises DamagedSourceId, and OSError when it can be neither read nor made.
    """
    known = known_directory_id(data_dir)
    if known is not None:
        return known
    data_dir.mkdir(parents=True, exist_ok=True)
    # The process that has the lock and finds the file empty writes: two processes at once agree on one name,
    # without a hard link, which not every file system has.
    descriptor = os.open(data_dir / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if not os.pread(descriptor, 64, 0).strip():  # a power cut may have left it empty
            os.pwrite(descriptor, f"{uuid4()}\n".encode(), 0)
    finally:
        os.close(descriptor)
    return known_directory_id(data_dir) or directory_id(data_dir)


def known_directory_id(data_dir: Path) -> str | None:
    """Return the name without making one: None where there is none yet."""
    path = data_dir / FILE
    try:
        text = path.read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return None
    if not text:
        return None
    try:
        return str(UUID(text))
    except ValueError:
        raise DamagedSourceId(
            f"{path}: {text!r:.80} is no source-id; put back the one it had, or remove the file to "
            "begin as a new source"
        ) from None
