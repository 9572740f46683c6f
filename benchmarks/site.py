"""The site of a comparison: what the targets share, and Umbra's two halves on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import ground, load, servers
from benchmarks.servers import BenchmarkServer, Processes
from benchmarks.targets import classic
from shadow import status
from shadow.journal import journal_file
from shadow.settings import Settings, sqlite_url
from shadow.source.identity import directory_id
from shadow.store import Store, candidates, open_store, sources
from umbra import bootstrap

_CATCH_UP_SECONDS = 300.0
_HOUSES = 500


@dataclass(slots=True)
class BenchmarkSite:
    """A directory, models, request bodies and a database server: what the targets share."""

    home: Path
    models: Path
    bodies: Path
    new_database: Callable[[str], str]
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1_000_000)))

    def new_home(self, name: str) -> Path:
        """Create a directory for one run of one target."""
        path = self.home / f"{name}-{next(self.numbers)}"
        path.mkdir()
        return path


class BenchmarkUmbra:
    """Umbra's two halves on a data directory of their own."""

    def __init__(self, site: BenchmarkSite, workers: int) -> None:
        self._home = site.new_home("umbra")
        self._environment = ground.environment(
            self._home,
            site.models,
            store_url=site.new_database("umbra"),
            api_workers=workers,
            api_port=ground.free_port(),
            api_metrics_port=ground.free_port(),
            worker_metrics_port=ground.free_port(),
            metrics_dir=self._home / "metrics",
        )
        self._settings = Settings.from_environment(self._environment)
        self._store = open_store(self._settings.store)
        bootstrap.prepare(self._settings, self._store, _trained, "benchmark", datetime.now(UTC))
        self.server: BenchmarkServer = servers.umbra(self._home, self._environment)
        self.worker: Processes | None = None
        self.start_worker()

    def start_worker(self) -> None:
        """Have captures stored and scored."""
        if self.worker is None:
            self.worker = servers.umbra_worker(self._home, self._environment)

    def stop_worker(self) -> None:
        """Leave captures in the journal."""
        if self.worker is not None:
            self.worker.stop()
            self.worker = None

    def catch_up(self) -> float:
        """Wait until everything answered is stored and scored; returns the seconds it took."""
        begun = time.monotonic()
        while not self._is_caught_up():
            if time.monotonic() > begun + _CATCH_UP_SECONDS:
                raise servers.ServerNotReady(
                    f"the shadow is not done after {_CATCH_UP_SECONDS:g} s: {self._home}"
                )
            time.sleep(0.1)
        return time.monotonic() - begun

    def stop(self) -> bool:
        """Stop both halves in order; returns whether the ledger balances."""
        self.server.stop()
        self.stop_worker()
        self._store.close()
        books = status.gather(self._settings, datetime.now(UTC)).store
        return books is not None and books.balances

    def _is_caught_up(self) -> bool:
        return _is_read(self._settings, self._store) and _is_scored(self._store)


def _is_read(settings: Settings, store: Store) -> bool:
    with store.reading() as connection:
        known = sources.progress_of_directory(connection, directory_id(settings.data_dir))
    positions = {name: at.position for name, at in known.items()}
    for path in journal_file.paths(settings.journal_dir):
        size = path.stat().st_size
        if (
            size > journal_file.HEADER_BYTES
            and positions.get(path.name.removesuffix(journal_file.SUFFIX), 0) < size
        ):
            return False
    return True


def _is_scored(store: Store) -> bool:
    with store.reading() as connection:
        present = candidates.present(connection)
        return not any(
            cursor.pending for candidate in present for cursor in candidates.cursors_of(connection, candidate)
        )


def _trained(recipe: str) -> Path:
    raise RuntimeError(f"{recipe} should have been trained beforehand")


@contextmanager
def prepared(store: str) -> Iterator[BenchmarkSite]:
    """Make one, with a database server of the kind `store`; all of it is gone afterwards."""
    with ExitStack() as stack:
        home = stack.enter_context(ground.directory())
        numbers = iter(range(1_000_000))
        cluster = stack.enter_context(ground.postgres()) if store == "postgres" else None

        def new_database(name: str) -> str:
            return cluster.new_database() if cluster else sqlite_url(home / f"{name}-{next(numbers)}.db")

        bodies = load.write_bodies(home / "bodies.jsonl", ground.houses(_HOUSES))
        yield BenchmarkSite(home, ground.models(home / "models"), bodies, new_database)


def other(site: BenchmarkSite, name: str, workers: int) -> BenchmarkServer:
    """One of the applications Umbra is compared with."""
    more = {}
    if name == "classic":
        more[classic.DATABASE_VARIABLE] = site.new_database("classic")
        classic.create_tables(more[classic.DATABASE_VARIABLE])
    return servers.other(name, workers, site.new_home(name), more)
