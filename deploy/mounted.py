"""Folders of the checkout that containers mount, whose users are nobody here: others must be able to read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

FOLDERS = ("prometheus", "alertmanager", "grafana", "logstash", "elasticsearch", "kibana")
MAKE_READABLE = f"chmod -R go+rX {' '.join(FOLDERS)}"
OTHERS_READ, OTHERS_ENTER = 0o004, 0o001


def unreadable(root: Path) -> str:
    """Describe what others cannot read of the folders in `root`; return "" if they can read all of it."""
    unreadable = [path for folder in FOLDERS for path in _closed(root / folder)]
    more = f" and {len(unreadable) - 1} more" if len(unreadable) > 1 else ""
    return (
        f"the users inside the containers cannot read {unreadable[0].relative_to(root)}{more}"
        if unreadable
        else ""
    )


def _closed(folder: Path) -> Iterator[Path]:
    for name, below, files in os.walk(folder):
        below[:] = sorted(
            path for path in below if not path.startswith((".", "__"))
        )  # caches are nobody's concern
        directory = Path(name)
        if not _allows(directory, OTHERS_READ | OTHERS_ENTER):
            yield directory
        yield from (path for path in map(directory.joinpath, sorted(files)) if not _allows(path, OTHERS_READ))


def _allows(path: Path, wanted: int) -> bool:
    return path.lstat().st_mode & wanted == wanted
