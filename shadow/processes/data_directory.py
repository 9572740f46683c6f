"""The data directory: nobody else reads what lies in it, and nobody else may write where Umbra writes.

Files that Umbra makes are private already (see `shadow.start`); this is about what was there before.
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
    """A directory of ours in which other users may plant files; the message says what to do."""

    safe_to_log = True

    def __str__(self) -> str:
        return str(self.args[0])


def make_private(settings: Settings) -> None:
    """Make the data directory if it is missing, private if others may look into it; raises OSError.

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
    """Whether a directory that its group may write to is meant for this process: its group's, or lent to it.

    Kubernetes lends a volume so: it is root's, and its group (fsGroup) is a supplementary one of the process.
    """
    if facts.st_gid == os.getegid():
        return True
    return facts.st_uid != os.geteuid() and facts.st_gid in os.getgroups()


def _mode(facts: os.stat_result) -> str:
    return f"{stat.S_IMODE(facts.st_mode):04o}"


def _close_to_others(path: Path) -> None:
    """Take all rights from group and others where others have any, as Umbra 0.1.0 left its directories.

    A directory that only its group may read was made so by somebody, and stays.
    """
    facts = path.stat()
    if facts.st_uid != os.geteuid() or not facts.st_mode & _OTHERS:
        return
    _take_rights(path)
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            _take_rights(Path(folder) / name)


def _take_rights(path: Path) -> None:
    with suppress(OSError):  # gone meanwhile, or a file system without modes
        facts = path.lstat()
        mode = stat.S_IMODE(facts.st_mode)
        if facts.st_uid == os.geteuid() and not stat.S_ISLNK(facts.st_mode) and mode & _GROUP_AND_OTHERS:
            path.chmod(mode & ~_GROUP_AND_OTHERS)
