"""Disks of the test's own: too small, or hung."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

Mount = Callable[..., None]


def small(mount: Mount, place: Path, size_bytes: int) -> None:
    """A file system in memory with room for so many bytes."""
    mount(place, "-t", "tmpfs", "-o", f"size={size_bytes},mode=700", "umbra-test")


def ext4(mount: Mount, place: Path, image: Path) -> None:
    """A file system on a loop device, which can be frozen."""
    with image.open("wb") as file:
        file.truncate(48 << 20)
    made = subprocess.run(["mkfs.ext4", "-q", str(image)], capture_output=True, check=False)
    if made.returncode != 0:
        pytest.skip("needs mkfs.ext4")
    mount(place, "-o", "loop", str(image))


def abort(place: Path) -> None:
    """Have a file system refuse every write from now on, as ext4 does after an error."""
    result = subprocess.run(
        ["mount", "-o", "remount,abort", str(place)], capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        pytest.skip(f"needs to abort a file system: {result.stderr.strip()}")


@contextmanager
def frozen(place: Path) -> Iterator[None]:
    """Every write to the file system hangs while the context lasts."""
    freeze = subprocess.run(["fsfreeze", "--freeze", str(place)], capture_output=True, text=True, check=False)
    if freeze.returncode != 0:
        pytest.skip(f"needs to freeze a file system: {freeze.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["fsfreeze", "--unfreeze", str(place)], check=True)
