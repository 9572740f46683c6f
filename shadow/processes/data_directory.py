"""The data directory: other users may not read it, and may not write where Umbra writes.

Files that Umbra creates are private already (see `shadow.start`); this is about files that existed before.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from shadow.settings import Settings

_OTHERS = stat.S_IRWXO
_GROUP_AND_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class WritableByOthers(PermissionError):
    """Other users may create files in a directory that Umbra uses; the message says what to do."""

    safe_to_log = True

    def __str__(self) -> str:
        return str(self.args[0])


def make_private(settings: Settings) -> None:
    """Create the data directory if it is missing, and make it private if others may read it; raises OSError.

    Raises WritableByOthers if other users may write to it, or to any other directory that Umbra writes to.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    logs = settings.log_dir or settings.data_dir / "logs"
    for path in (settings.data_dir, settings.journal_dir, settings.run_dir, settings.models, logs):
        with suppress(FileNotFoundError):
            _refuse_foreign_writers(path)
    _close_to_others(settings.data_dir)


def _refuse_foreign_writers(path: Path) -> None:
    facts = path.stat()
    if facts.st_mode & stat.S_IWOTH:
        raise WritableByOthers(
            f"{path}: every user of this machine may write to it (mode {_mode(facts)}); `chmod 700 {path}` "
            "after a look at what lies there, or mount it with a umask of 077 if its file system has no modes"
        )
    if facts.st_mode & stat.S_IWGRP and not _is_own_group(facts):
        raise WritableByOthers(
            f"{path}: the group {facts.st_gid} may write to it (mode {_mode(facts)}), which is not this "
            f"process's own; `chmod g-w {path}` after a look at what lies there"
        )


def _is_own_group(facts: os.stat_result) -> bool:
    """Tell whether the group that may write to a directory is one of this process.

    A volume of Kubernetes belongs to root, and its group (fsGroup) is a supplementary one of the process.
    """
    if facts.st_gid == os.getegid():
        return True
    return facts.st_uid != os.geteuid() and facts.st_gid in os.getgroups()


def _mode(facts: os.stat_result) -> str:
    return f"{stat.S_IMODE(facts.st_mode):04o}"


def _close_to_others(path: Path) -> None:
    """Remove all rights of group and others if others have any, as in directories of Umbra 0.1.0.

    A directory that only its group may read is so on purpose, and stays.
    """
    facts = path.stat()
    if facts.st_uid != os.geteuid() or not facts.st_mode & _OTHERS:
        return
    _remove_rights(path)
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            _remove_rights(Path(folder) / name)


def _remove_rights(path: Path) -> None:
    with suppress(OSError):  # gone meanwhile, or a file system without modes
        facts = path.lstat()
        mode = stat.S_IMODE(facts.st_mode)
        if facts.st_uid == os.geteuid() and not stat.S_ISLNK(facts.st_mode) and mode & _GROUP_AND_OTHERS:
            path.chmod(mode & ~_GROUP_AND_OTHERS)
