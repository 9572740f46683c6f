"""What every part of the suite shares: real databases, real data directories, a clean environment."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest
from databases import make_database
from needed import missing, program
from playwright.sync_api import Browser, sync_playwright
from ports import free_port

from shadow.settings import Settings, sqlite_url
from shadow.store import Store, open_store
from shadow.store.schema import migrate

POSTGRES_VARIABLE = "UMBRA_TEST_POSTGRES_URL"


def pytest_configure() -> None:
    """Generated examples are the same everywhere, and no test is timed."""
    hypothesis.settings.register_profile("umbra", deadline=None, derandomize=True)
    hypothesis.settings.load_profile("umbra")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """The whole suite runs in a process for each core; what is named on the command line, in this one."""
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    return (os.cpu_count() or 1) if whole else 0


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium without a window; in its sandbox, except that of root, for whom it has none."""
    chromium = program("chromium", "chromium-browser")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, chromium_sandbox=os.getuid() != 0)
        yield launched
        launched.close()


@dataclass(frozen=True, slots=True)
class PostgresCluster:
    """A throwaway PostgreSQL cluster in a directory of its own, run as an ordinary user."""

    binaries: Path
    directory: Path
    port: int
    user: str | None

    @classmethod
    def create(cls, binaries: Path) -> PostgresCluster:
        directory = Path(tempfile.mkdtemp(prefix="umbra-postgres-"))
        cluster = cls(binaries, directory, free_port(), _ordinary_user())
        if cluster.user is not None:
            shutil.chown(directory, cluster.user)
        cluster.run(
            "initdb", "-A", "trust", "-U", "umbra", "-E", "UTF8", "--no-sync", "-D", str(directory / "data")
        )
        return cluster

    def run(self, program: str, *arguments: str) -> None:
        result = subprocess.run(
            [self.binaries / program, *arguments],
            user=self.user,
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert result.returncode == 0, f"{program} failed: {result.stdout}{result.stderr}"

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.directory} -c fsync=off"
        self.run(
            "pg_ctl",
            "-w",
            "-D",
            str(self.directory / "data"),
            "-l",
            str(self.directory / "log"),
            "-o",
            options,
            "start",
        )

    def stop(self) -> None:
        self.run("pg_ctl", "-w", "-m", "immediate", "-D", str(self.directory / "data"), "stop")

    @property
    def url(self) -> str:
        return f"postgresql://umbra@127.0.0.1:{self.port}/postgres"

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.directory)


def _ordinary_user() -> str | None:
    """PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _postgres_binaries() -> Path | None:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    on_path = shutil.which("pg_ctl")
    return installed[-1] if installed else Path(on_path).resolve().parent if on_path else None


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[PostgresCluster]:
    """A cluster that a test may stop and start."""
    binaries = _postgres_binaries()
    if binaries is None:
        missing("PostgreSQL", f"install it, or set {POSTGRES_VARIABLE}")
    cluster = PostgresCluster.create(binaries)
    cluster.start()
    yield cluster
    cluster.remove()


@pytest.fixture(scope="session")
def postgres_url(request: pytest.FixtureRequest) -> str:
    """A server on which tests may make databases."""
    given = os.environ.get(POSTGRES_VARIABLE)
    if given:
        return given
    cluster: PostgresCluster = request.getfixturevalue("postgres_cluster")
    return cluster.url


@pytest.fixture(scope="session")
def sqlite_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with the tables of an empty store, to be copied."""
    path = tmp_path_factory.mktemp("tables") / "umbra.db"
    _migrate(sqlite_url(path))
    return path


@pytest.fixture(scope="session")
def postgres_tables(postgres_url: str) -> str:
    """A PostgreSQL database with the tables of an empty store, to be the template of others."""
    url = make_database(postgres_url)
    _migrate(url)
    return url


def _migrate(url: str) -> None:
    empty = open_store(url)
    migrate(empty)
    empty.close()


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store, on each database in turn; with its tables if the test uses `store`.

    Those are copied from a store that was migrated once: migrations have tests of their own.
    """
    has_tables = "store" in request.fixturenames
    if request.param == "sqlite":
        path = tmp_path / "umbra.db"
        if has_tables:
            shutil.copyfile(request.getfixturevalue("sqlite_tables"), path)
        return sqlite_url(path)
    template = request.getfixturevalue("postgres_tables") if has_tables else None
    return make_database(request.getfixturevalue("postgres_url"), template)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An empty store with its tables, on each database in turn."""
    opened = open_store(store_url)
    yield opened
    opened.close()


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., Settings]:
    """Settings of a data directory of the test's own, as from the environment."""

    def make(**values: object) -> Settings:
        directories = {
            "UMBRA_DATA_DIR": str(tmp_path / "data"),
            "UMBRA_METRICS_DIR": str(tmp_path / "metrics"),
        }
        environment = {f"UMBRA_{name.upper()}": str(value) for name, value in values.items()}
        return Settings.from_environment(directories | environment)

    return make
