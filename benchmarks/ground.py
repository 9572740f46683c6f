"""The ground a benchmark stands on: a throwaway directory, trained models, houses to ask about, databases."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg2
from sqlalchemy.engine import make_url

from model_package import synthetic, train
from model_package.schema import Row
from shadow.settings import Settings

SEED = 1
TRAINING_HOUSES = 8000
_STOP_SECONDS = 60.0
_OPTIONS = "-c listen_addresses=127.0.0.1 -c shared_buffers=256MB -c max_wal_size=4GB"


class NoPostgres(RuntimeError):
    """PostgreSQL was asked for and is not installed."""


def houses(count: int) -> list[Row]:
    """Synthetic houses, the same ones every time."""
    return list(synthetic.synthetic(count, SEED).rows)


@contextmanager
def directory() -> Iterator[Path]:
    """Yield a temporary directory."""
    with tempfile.TemporaryDirectory(prefix="umbra-benchmark-") as name:
        yield Path(name)


def models(path: Path) -> Path:
    """Train the live and the candidate model, by the recipes as shipped, on synthetic houses."""
    sales = synthetic.synthetic(TRAINING_HOUSES, SEED)
    for recipe in ("linear", "gbm"):
        train.train(recipe, sales, path, SEED, trained_at=datetime.now(UTC))
    return path


def settings(data_dir: Path, models_dir: Path, **values: object) -> Settings:
    """Return the settings of one data directory, independent of the environment."""
    return Settings.from_environment(environment(data_dir, models_dir, **values))


def environment(data_dir: Path, models_dir: Path, **values: object) -> dict[str, str]:
    """Return the UMBRA_* variables of `settings`, for processes."""
    own = {"data_dir": data_dir, "models_dir": models_dir, "log_dir": data_dir / "logs"} | values
    return {f"UMBRA_{name.upper()}": str(value) for name, value in own.items()}


def free_port() -> int:
    """Find a free TCP port on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def machine() -> str:
    """Describe this machine in one line."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        "unknown CPU",
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    python = ".".join(map(str, sys.version_info[:3]))
    return f"{cpu}, {os.cpu_count()} cores, {memory:.0f} GiB, Linux {os.uname().release}, Python {python}"


def load_average() -> float:
    """Return the load average of the last minute."""
    return os.getloadavg()[0]


@dataclass(frozen=True, slots=True)
class Postgres:
    """A throwaway PostgreSQL cluster, run as an ordinary user, with the durability a server has."""

    binaries: Path
    directory: Path
    port: int
    user: str | None

    @property
    def url(self) -> str:
        """The server, as the user that may do anything there."""
        return f"postgresql://umbra@127.0.0.1:{self.port}/postgres"

    def new_database(self) -> str:
        """Create an empty database and return its URL."""
        name = f"umbra_benchmark_{uuid4().hex[:12]}"
        connection = psycopg2.connect(self.url)
        connection.autocommit = True
        connection.cursor().execute(f'CREATE DATABASE "{name}"')
        connection.close()
        return make_url(self.url).set(database=name).render_as_string(hide_password=False)

    def run(self, program: str, *arguments: str) -> None:
        """Run one of the cluster's programs; raise CalledProcessError."""
        subprocess.run(
            [self.binaries / program, *arguments],
            user=self.user,
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            timeout=_STOP_SECONDS,
            check=True,
        )


def postgres_binaries() -> Path | None:
    """Where PostgreSQL's programs are, the newest version; None when it is not installed."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    on_path = shutil.which("pg_ctl")
    return installed[-1] if installed else Path(on_path).resolve().parent if on_path else None


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Run a temporary Postgres cluster; raise NoPostgres."""
    binaries = postgres_binaries()
    if binaries is None:
        raise NoPostgres("PostgreSQL is not installed; install it, or choose --store sqlite")
    home = Path(tempfile.mkdtemp(prefix="umbra-benchmark-postgres-"))
    cluster = Postgres(binaries, home, free_port(), _ordinary_user())
    data = str(home / "data")
    try:
        if cluster.user is not None:
            shutil.chown(home, cluster.user)
        cluster.run("initdb", "-A", "trust", "-U", "umbra", "-E", "UTF8", "-D", data)
        options = f"-p {cluster.port} -k {home} {_OPTIONS}"
        cluster.run("pg_ctl", "-w", "-D", data, "-l", str(home / "log"), "-o", options, "start")
        try:
            yield cluster
        finally:
            cluster.run("pg_ctl", "-w", "-m", "fast", "-D", data, "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _ordinary_user() -> str | None:
    """PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def is_postgres(url: str) -> bool:
    """Whether a store's URL is of Postgres."""
    return urlsplit(url).scheme == "postgresql"


def median(values: Sequence[float]) -> float:
    """Return the median of the rounds."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
