"""The store that the notebooks read: that of the environment, else two months of a small town.

`python filled_store.py` fills the empty store that UMBRA_STORE_URL and UMBRA_DATA_DIR name.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from town import SimulatedTown, TownPlan

from shadow.settings import Settings
from shadow.store import Store, open_store
from shadow.store.schema import migrate

HERE = Path(__file__).parent
END = datetime(2026, 11, 21, 9, tzinfo=UTC)
"""The last look in the store beside the notebooks: the same at every filling."""
_NAMED_BY = ("UMBRA_STORE_URL", "UMBRA_DATA_DIR")


class NotEmpty(RuntimeError):
    """The store to be filled has a live model already; it belongs to somebody."""


def installation() -> Settings:
    """Return the settings of the environment, else of `umbra-data` beside this file, filled if missing."""
    if any(os.environ.get(name) for name in _NAMED_BY):
        return Settings.from_environment()
    settings = of_directory(HERE / "umbra-data")
    if not settings.data_dir.exists():
        fresh = settings.data_dir.with_name(f"umbra-data.{os.getpid()}")
        try:
            fill(of_directory(fresh), END)
            fresh.rename(settings.data_dir)  # there whole or not at all
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return settings


def of_directory(data_dir: Path, **more: Path) -> Settings:
    """Return the settings of a data directory with SQLite; `more` as in `models_dir=PATH`."""
    named = {f"UMBRA_{name.upper()}": str(path) for name, path in more.items()}
    return Settings.from_environment({"UMBRA_DATA_DIR": str(data_dir), **named})


def fill(settings: Settings, end: datetime, plan: TownPlan | None = None) -> None:
    """Let a town live in an empty store until `end`; models that are missing are trained; raise NotEmpty."""
    plan = plan or TownPlan()
    # A busy machine must lose no house, and two months are to hold enough measured latencies.
    patient = replace(
        settings, journal_write_seconds=5.0, candidate_latency_share=0.05, candidate_deadline_seconds=60.0
    )
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    # Faults that are planted are found in the store, not below a cell.
    logging.getLogger("umbra").addHandler(logging.NullHandler())
    store = open_store(settings.store)
    try:
        migrate(store)
        _require_empty(store)
        with SimulatedTown.begin(patient, store, plan, end) as town:
            town.live_on(end)
    finally:
        store.close()


def _require_empty(store: Store) -> None:
    deployment = store.deployment()
    if deployment is not None:
        raise NotEmpty(
            f"{deployment.live} is live in this store: expected an empty one; name another by {_NAMED_BY[0]}"
        )


def main() -> int:
    """Fill the store that the environment names."""
    settings = Settings.from_environment() if any(map(os.environ.get, _NAMED_BY)) else None
    if settings is None:
        sys.stderr.write(f"set {' or '.join(_NAMED_BY)}: this fills the store they name\n")
        return 2
    try:
        fill(settings, datetime.now(UTC))
    except NotEmpty as fault:
        sys.stderr.write(f"{fault}\n")
        return 1
    sys.stderr.write("filled; open the notebooks, or look around with `umbra verdict` and `umbra up`\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
