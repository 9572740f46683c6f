"""Houses, recorders and ingests over real files and real databases."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from model_package import schema
from model_package.reference import ModelRef
from monitoring import metrics
from shadow.ingest.mover import Ingest
from shadow.journal.capture_result import CaptureResult
from shadow.journal.recorder import Recorder, open_recorder
from shadow.journal.stored_files import Retention
from shadow.records import new_capture_ids
from shadow.settings import Settings
from shadow.source.identity import directory_id
from shadow.store import Store
from umbra.command import main

_SEEDS = count(7)  # no two askers make the same ids
LIVE = ModelRef("linear", "1")


class Asker:
    """Records answered requests as the API does, remembering every house that was acknowledged."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.kept: dict[str, float] = {}
        self._chance = random.Random(next(_SEEDS))
        self._last: dict[str, Any] = {}

    def ask_again(self, request_id: str, **changed: object) -> CaptureResult:
        """The last request once more, with the same ids: a retry under its key."""
        return self.recorder.record(request_id=request_id, **(self._last | changed))

    def ask_at(self, moment: datetime) -> CaptureResult:
        """One house, answered then."""
        return self.ask(1, moment)

    def ask(self, houses: int = 1, moment: datetime | None = None) -> CaptureResult:
        seconds = time.time() if moment is None else moment.timestamp()
        names = new_capture_ids(houses, int(seconds * 1000), self._chance.getrandbits(74))
        dollars = [self._chance.uniform(50_000, 500_000) for _ in names]
        self._last = {
            "live": LIVE,
            "capture_ids": names,
            "rows": [schema.EXAMPLE] * houses,
            "dollars": dollars,
        }
        result = self.recorder.record(request_id=f"request-{len(self.kept)}", **self._last)
        if result.is_kept:
            self.kept |= {str(name): price for name, price in zip(names, dollars, strict=True)}
        return result


@pytest.fixture
def asker(settings: Callable[..., Settings]) -> Callable[..., Asker]:
    """An API process's recorder over the test's data directory."""
    return lambda **values: Asker(open_recorder(settings(**values)))


@pytest.fixture
def ingest(settings: Callable[..., Settings], store: Store) -> Callable[[], Ingest]:
    """A new ingest over the test's data directory, as after a restart."""
    measures = metrics.shadowing(None)

    def make() -> Ingest:
        paths = settings()
        Path(paths.data_dir).mkdir(exist_ok=True)
        return Ingest(
            store,
            paths.journal_dir,
            directory_id(paths.data_dir),
            1 << 20,
            measures,
            lambda: datetime.now(UTC),
            tally_dirs=paths.tally_dirs,
            retention=Retention(journal_bytes=1 << 20),  # the disk of a test may be small
        )

    return make


@pytest.fixture
def run_umbra(tmp_path: Path, store_url: str) -> Callable[..., Result]:
    """Runs a command over the test's data directory and store."""
    environment = {
        "UMBRA_DATA_DIR": str(tmp_path / "data"),
        "UMBRA_STORE_URL": store_url,
        "COLUMNS": "200",
    }
    return lambda *arguments: CliRunner().invoke(main, arguments, env=environment)


def empty(ingest: Ingest) -> int:
    """Move everything that is there."""
    moved = 0
    while step := ingest.step():
        moved += step
    return moved
