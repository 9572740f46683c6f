"""Purpose: keep the invented rows of a demo and real rows apart, in data directories and in stores.

The first use marks both: a row marks the store, so that two directories on one store do not mix; a file marks
the directory, so that its journal and its models never reach a store of the other purpose.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from shadow.processes import CannotRun
from shadow.records import Purpose
from shadow.settings import Settings
from shadow.store import Store, StoreUnavailable, open_store, purposes

DEFAULT_DIRECTORY, DEMO_DIRECTORY = "umbra-data", "umbra-demo"
"""Where `umbra demo` keeps its data when no setting names a directory: beside the default data directory."""
_FILE = "purpose"
_STORE_REMEDY = {
    Purpose.REAL: "set UMBRA_STORE_URL to another database for real requests, or unset it (SQLite in the "
    "data directory)",
    Purpose.DEMO: "unset UMBRA_STORE_URL, and the demo uses SQLite in its directory, or set it to another "
    "database",
}
_HOLDS = {
    Purpose.DEMO: "holds a demo: invented houses, judged by a policy to which a second is a day. "
    "Real requests do not belong there",
    Purpose.REAL: "holds real data. A demo's invented houses and sales do not belong there",
}


class PurposeMismatch(CannotRun):
    """A demo cannot use what holds real data, nor real requests what holds a demo."""

    def __init__(self, holder: str, purpose: Purpose, remedy: str) -> None:
        super().__init__(f"{holder} {_HOLDS[purpose]}: {remedy}")
        self.purpose = purpose


def check(settings: Settings, store: Store, wanted: Purpose) -> None:
    """Raise PurposeMismatch unless directory and store are unused or have the purpose; changes nothing."""
    check_directory(settings, wanted)
    _agree(_name(settings), purposes.find_in_store(store), wanted, _STORE_REMEDY[wanted])


def check_directory(settings: Settings, wanted: Purpose) -> None:
    """Check the data directory alone, which takes no store but the embedded one; raises PurposeMismatch."""
    directory = settings.data_dir
    _agree(str(directory), of_directory(settings), wanted, _remedy(directory, wanted))


def keep_apart(settings: Settings, store: Store) -> None:
    """Raise PurposeMismatch when the store has another purpose than the mark of the directory.

    A store that is away raises nothing; a directory or a store without a mark agrees with every purpose.
    """
    wanted = _marked(settings)
    with suppress(StoreUnavailable):
        purpose = purposes.find_in_store(store)
        if wanted is not None:
            _agree(_name(settings), purpose, wanted, _STORE_REMEDY[wanted])


def mark(settings: Settings, store: Store, wanted: Purpose, now: datetime) -> None:
    """Mark store and directory; raises PurposeMismatch when another process marked them otherwise before."""
    with store.writing() as connection:
        _agree(_name(settings), purposes.mark(connection, wanted, now), wanted, _STORE_REMEDY[wanted])
    mark_directory(settings, wanted)


def mark_directory(settings: Settings, wanted: Purpose) -> None:
    """Mark the data directory; raises PurposeMismatch when it has the other purpose."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    check_directory(settings, wanted)
    if _marked(settings) is None:  # a crash may have left the file empty
        _file(settings).write_text(f"{wanted.value}\n", encoding="ascii")


def of_directory(settings: Settings) -> Purpose | None:
    """Return the purpose of the data directory; None when it is unused.

    A directory without a mark, as 0.1.0 left it, has the purpose of the store that is embedded in it.
    """
    purpose = _marked(settings)
    if purpose is not None:
        return purpose
    store = open_store(replace(settings, store_url="").store)
    try:
        return purposes.find_in_store(store)
    except StoreUnavailable:  # an unreadable store must not stop live answers
        return None
    finally:
        store.close()


def demo_hint(settings: Settings) -> str:
    """Say where a demo is when the settings name the unused directory beside it; empty when there is none."""
    demo = settings.data_dir.with_name(DEMO_DIRECTORY)
    is_unused = settings.data_dir != demo and not _file(settings).exists()
    if not (is_unused and (demo / _FILE).is_file()):
        return ""
    return f"There is a demo in {demo}: put UMBRA_DATA_DIR={demo} before the command"


def _marked(settings: Settings) -> Purpose | None:
    try:
        text = _file(settings).read_text(encoding="utf-8", errors="replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Purpose(text) if text in set(Purpose) else None


def _file(settings: Settings) -> Path:
    return settings.data_dir / _FILE


def _remedy(directory: Path, wanted: Purpose) -> str:
    """Say what to do about a directory of the other purpose."""
    if wanted is Purpose.DEMO:
        unset = (
            "" if directory.name == DEMO_DIRECTORY else f"unset UMBRA_DATA_DIR ({DEMO_DIRECTORY} then), or "
        )
        return f"{unset}set UMBRA_DATA_DIR to another directory"
    if directory.name == DEFAULT_DIRECTORY:
        return (
            f"rename it to {directory.with_name(DEMO_DIRECTORY)}, where `umbra demo` goes on with it, or set "
            "UMBRA_DATA_DIR to another directory"
        )
    return (
        f"unset UMBRA_DATA_DIR ({DEFAULT_DIRECTORY} then), or set it to another directory; "
        f"`UMBRA_DATA_DIR={directory} umbra demo` goes on with this one"
    )


def _name(settings: Settings) -> str:
    return f"the store {purposes.location_of(settings.store)}"


def _agree(holder: str, purpose: Purpose | None, wanted: Purpose, remedy: str) -> None:
    if purpose not in (None, wanted):
        raise PurposeMismatch(holder, purpose, remedy)
