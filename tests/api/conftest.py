"""An application over real parts: a real artifact of a plain recipe, a real journal, a real SQLite store."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from patience import PATIENCE_SECONDS
from ports import free_ports
from prometheus_client import CollectorRegistry
from sqlalchemy import select

from api.app import Components, build
from api.limits import RequestLimits
from api.live import Live, load
from api.retries import Retries
from api.store_reads import StoreReads
from model_package import artifact
from model_package.reference import ModelRef
from model_package.schema import EXAMPLE
from monitoring import metrics
from shadow.ingest.mover import Ingest
from shadow.journal.recorder import Recorder, open_recorder
from shadow.records import NewObservation
from shadow.rollout import first_deployment
from shadow.settings import Settings
from shadow.source.identity import directory_id
from shadow.store import Store, candidates, observations, open_store
from shadow.store.database.tables import captures
from shadow.store.schema import migrate

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NOW = datetime(2026, 11, 21, tzinfo=UTC)
CARD = b'{"metrics": {"rmse_log": 0.13}}'


@pytest.fixture(autouse=True)
def _plain_recipe_is_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(HERE)


def save_model(models: Path, name: str = "plain") -> Path:
    """Save the next version of a model of the plain recipe."""
    files = {"card.json": CARD, "profile.json": b"{}"}
    return artifact.save(models, name, "plain", lambda _: files, lambda _: None)


@pytest.fixture
def deployed(settings: Callable[..., Settings], tmp_path: Path) -> Settings:
    """Settings of a data directory in which plain@1 is live."""
    deployed = settings(recipe_modules="plain_recipe", api_max_rows=50, api_max_body_bytes=100_000)
    deploy(deployed)
    return deployed


def deploy(settings: Settings) -> None:
    """Make plain@1 live in a data directory."""
    from model_package import recipes  # noqa: PLC0415 (after the recipe's folder is on the path)

    recipes.register(settings.recipe_modules)
    save_model(settings.models)
    store = open_store(settings.store)
    migrate(store)
    first_deployment(store, settings.models, ModelRef("plain", "1"), "test", NOW)
    store.close()


@dataclass(slots=True)
class Bench:
    """An application and what it is made of."""

    app: Flask
    settings: Settings
    registry: CollectorRegistry
    live: Live
    store: Store
    recorder: Recorder
    client: FlaskClient = field(init=False)
    now: datetime = NOW

    def __post_init__(self) -> None:
        self.client = self.app.test_client()

    def post(self, house: Any = None, **more: Any) -> Any:
        """POST /v1/predictions: the example house, unless another or a body is given."""
        arguments = more if "data" in more else {"json": house or dict(EXAMPLE)} | more
        return self.client.post("/v1/predictions", **arguments)

    def value(self, name: str, **labels: str) -> float | None:
        """One sample of the metrics."""
        return self.registry.get_sample_value(name, labels)

    def ingest(self) -> int:
        """Move every capture into the store, as the worker does; gives their number."""
        self.recorder.close()
        return ingest_all(self.settings, self.store)

    def observe(self, candidate: ModelRef, answer: NewObservation) -> None:
        """Let a new candidate say what it says of the first captures."""
        with self.store.writing() as connection:
            added = candidates.add(connection, candidate, 1.0, NOW.replace(year=2020), NOW)
            (cursor,) = candidates.cursors_of(connection, added)
            observations.store(connection, added, cursor, [answer], 1, NOW)


def ingest_all(settings: Settings, store: Store) -> int:
    """Move the whole journal into the store, as the worker does; gives the number of captures."""
    mover = Ingest(
        store,
        settings.journal_dir,
        directory_id(settings.data_dir),
        1 << 20,
        metrics.shadowing(None),
        lambda: datetime.now(UTC),
    )
    return sum(iter(mover.step, 0))


@pytest.fixture
def ingested() -> Callable[[Settings], set[str]]:
    """Move a data directory's journal into its store; gives the ids of all captures there."""

    def ids(settings: Settings) -> set[str]:
        store = open_store(settings.store)
        ingest_all(settings, store)
        with store.reading() as connection:
            stored = {str(row.id) for row in connection.execute(select(captures.c.id))}
        store.close()
        return stored

    return ids


@pytest.fixture
def bench(deployed: Settings) -> Iterator[Bench]:
    """The application over real parts, with metrics of its own."""
    registry = CollectorRegistry()
    measured = metrics.serving(None, registry)
    live = Live(load(deployed))
    store, recorder = open_store(deployed.store), open_recorder(deployed)
    components = Components(
        live,
        recorder,
        StoreReads(store),
        measured,
        deployed.models,
        RequestLimits(deployed.api_max_rows, deployed.api_max_body_bytes),
        Retries(deployed.data_dir / "retries"),
    )
    yield Bench(build(components), deployed, registry, live, store, recorder)
    recorder.close()
    store.close()


@dataclass(slots=True)
class Server:
    """A real `python -m api.server`, its ports and what it printed."""

    process: subprocess.Popen[bytes]
    settings: Settings
    output: Path

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, Any, bytes]:
        """One request; gives status, headers and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.settings.api_port, timeout=PATIENCE_SECONDS)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def price(self, **headers: str) -> tuple[int, Any, bytes]:
        """POST the example house."""
        return self.ask(
            "POST",
            "/v1/predictions",
            json.dumps(EXAMPLE).encode(),
            **{"Content_Type": "application/json"} | headers,
        )

    def raw(self, sent: bytes) -> bytes:
        """Send bytes as they are, say that there are no more, and give all that comes back."""
        with socket.create_connection(
            ("127.0.0.1", self.settings.api_port), timeout=PATIENCE_SECONDS
        ) as wire:
            with suppress(OSError):  # it may have answered and closed before it had everything
                wire.sendall(sent)
                wire.shutdown(socket.SHUT_WR)
            return _everything(wire)

    def lines(self) -> list[dict[str, Any]]:
        """The JSON lines written so far."""
        return [json.loads(line) for line in self.output.read_text().splitlines()]

    def wait_until(self, condition: Callable[[], Any]) -> Any:
        """What `found` gives once that is true."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if answer := condition():
                return answer
            time.sleep(0.02)
        raise AssertionError(f"waited in vain; the server wrote:\n{self.output.read_text()}")

    def ready(self) -> bool:
        """Whether it answers."""
        assert self.process.poll() is None, self.output.read_text()
        try:
            return self.ask("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def workers_ready(self) -> int:
        """How many workers said that they are."""
        return sum(line["message"] == "worker_ready" for line in self.lines())

    def stop(self) -> int:
        """SIGTERM; gives the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


def _everything(wire: socket.socket) -> bytes:
    answer = b""
    try:
        while piece := wire.recv(65536):
            answer += piece
    except ConnectionResetError:
        return answer
    return answer


def environment_of(settings: Settings, **more: str) -> dict[str, str]:
    """The environment that gives a process these settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("UMBRA_")}
    return {
        **inherited,
        "PYTHONPATH": f"{ROOT}:{HERE}",
        "UMBRA_DATA_DIR": str(settings.data_dir),
        "UMBRA_RECIPE_MODULES": "plain_recipe",
        "UMBRA_METRICS_DIR": str(settings.data_dir / "metrics"),
        "UMBRA_API_PORT": str(settings.api_port),
        "UMBRA_API_METRICS_PORT": str(settings.api_metrics_port),
        "UMBRA_API_MAX_BODY_BYTES": str(settings.api_max_body_bytes),
        **more,
    }


def start(settings: Settings, output: Path, *, within: Sequence[str] = (), **more: str) -> Server:
    """Start `python -m api.server` without waiting for it; `within`: by a command that becomes it."""
    with output.open("wb") as sink:
        command = [*within, sys.executable, "-m", "api.server"]
        environment = environment_of(settings, **more)
        process = subprocess.Popen(command, env=environment, stdout=sink, stderr=sink, cwd=output.parent)
    return Server(process, settings, output)


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start `python -m api.server` with some settings, without waiting; stopped after the test."""
    begun: list[Server] = []

    def begin(settings: Settings, *, within: Sequence[str] = (), **more: str) -> Server:
        begun.append(start(settings, tmp_path / f"serve-{len(begun)}.log", within=within, **more))
        return begun[-1]

    yield begin
    for server in begun:
        server.process.terminate()
        server.process.wait(30)


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server in which plain@1 is live, for all tests of a file: they ask it and change nothing."""
    home = tmp_path_factory.mktemp("shared")
    port, metrics_port = free_ports(2)
    values = {
        "DATA_DIR": home / "data",
        "RECIPE_MODULES": "plain_recipe",
        "API_PORT": port,
        "API_METRICS_PORT": metrics_port,
        "API_MAX_BODY_BYTES": 100_000,
    }
    settings = Settings.from_environment({f"UMBRA_{name}": str(value) for name, value in values.items()})
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(HERE)
        deploy(settings)
    server = start(settings, home / "serve.log")
    server.wait_until(lambda: server.ready() and server.workers_ready() == settings.api_workers)
    yield server
    server.process.terminate()
    server.process.wait(30)


@pytest.fixture
def serving(launch: Callable[..., Server], settings: Callable[..., Settings]) -> Callable[..., Server]:
    """Start a server in which plain@1 is live, and wait until its workers (or so many of them) are ready."""

    def begin(workers_ready: int | None = None, **more: str) -> Server:
        port, metrics_port = free_ports(2)
        server_settings = settings(
            recipe_modules="plain_recipe",
            api_port=port,
            api_metrics_port=metrics_port,
            api_max_body_bytes=100_000,
        )
        if not server_settings.models.exists():
            deploy(server_settings)
        server = launch(server_settings, **more)
        wanted = workers_ready or int(more.get("UMBRA_API_WORKERS", server_settings.api_workers))
        server.wait_until(lambda: server.ready() and server.workers_ready() == wanted)
        return server

    return begin
