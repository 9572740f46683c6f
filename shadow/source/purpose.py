"""Purpose: a data directory and a store hold a demo's invented houses or real ones, and never both.

Each is marked at its first use: the store by a row, so that two directories on one store do not mix, the
directory by a file, so that its journal and its models do not come into a store of the other kind.
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
"""Where `umbra demo` keeps its data unless it is told otherwise: beside the default data directory."""
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


class OtherPurpose(CannotRun):
    """A demo was asked to use what holds real data, or the other way round."""

    def __init__(self, what: str, found: Purpose, remedy: str) -> None:
        super().__init__(f"{what} {_HOLDS[found]}: {remedy}")
        self.found = found


def check(settings: Settings, store: Store, wanted: Purpose) -> None:
    """Raise OtherPurpose, before anything is changed, unless directory and store are free or of this kind."""
    check_directory(settings, wanted)
    _agree(_name(settings), purposes.of_store(store), wanted, _STORE_REMEDY[wanted])


def check_directory(settings: Settings, wanted: Purpose) -> None:
    """The same of the data directory alone, which takes no store but the embedded one."""
    found, directory = of_directory(settings), settings.data_dir
    _agree(str(directory), found, wanted, _remedy(directory, wanted))


def keep_apart(settings: Settings, store: Store) -> None:
    """Raise OtherPurpose when the store is not of the kind that the directory is marked for.

    A store that is away says nothing, and a directory or a store without a mark agrees with every other.
    """
    wanted = _marked(settings)
    with suppress(StoreUnavailable):
        found = purposes.of_store(store)
        if wanted is not None:
            _agree(_name(settings), found, wanted, _STORE_REMEDY[wanted])


def mark(settings: Settings, store: Store, wanted: Purpose, now: datetime) -> None:
    """Mark store and directory; raises OtherPurpose when somebody else was first with the other kind."""
    with store.writing() as connection:
        _agree(_name(settings), purposes.mark(connection, wanted, now), wanted, _STORE_REMEDY[wanted])
    mark_directory(settings, wanted)


def mark_directory(settings: Settings, wanted: Purpose) -> None:
    """Mark the data directory; raises OtherPurpose when it is of the other kind."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    check_directory(settings, wanted)
    if _marked(settings) is None:  # a crash may have left the file empty
        _file(settings).write_text(f"{wanted.value}\n", encoding="ascii")


def of_directory(settings: Settings) -> Purpose | None:
    """What the data directory holds; None: it has not been used yet.

    One without a mark, as those of 0.1.0, is what the store that is embedded in it holds.
    """
    found = _marked(settings)
    if found is not None:
        return found
    store = open_store(replace(settings, store_url="").store)
    try:
        return purposes.of_store(store)
    except StoreUnavailable:  # what cannot be read does not keep anybody from answering
        return None
    finally:
        store.close()


def demo_hint(settings: Settings) -> str:
    """Where a demo is, for whoever looks into the unused directory beside it; empty when there is none."""
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
    """What to do about a directory that is of the other kind."""
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
    return f"the store {purposes.place(settings.store)}"


def _agree(what: str, found: Purpose | None, wanted: Purpose, remedy: str) -> None:
    if found not in (None, wanted):
        raise OtherPurpose(what, found, remedy)
