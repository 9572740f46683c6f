"""Models trained once, and services that really listen: each test says what they answer."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ports import free_port
from serving import serving

from model_package import train
from model_package.reference import ModelRef
from model_package.synthetic import synthetic
from shadow.rollout import first_deployment
from shadow.settings import Settings
from shadow.store import open_store
from shadow.store.schema import migrate

TRAINED_AT = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Provide a read-only models directory with linear@1 and gbm@1."""
    directory = tmp_path_factory.mktemp("models")
    for recipe in ("linear", "gbm"):
        train.train(recipe, synthetic(800, seed=3), directory, 7, trained_at=TRAINED_AT)
    return directory


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as a service got it."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Said:
    """One reply; `body` is JSON unless it is bytes."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def data(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


Answering = Callable[[Asked], Said]
Serve = Callable[[Answering], str]
Talk = Callable[..., str]


@pytest.fixture
def said() -> type[Said]:
    """Provide the builder of a service's reply."""
    return Said


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start an HTTP service that answers as a function says; return its address."""
    with ExitStack() as ends:
        yield lambda answering: _served(answering, ends)


def _served(answering: Answering, ends: ExitStack) -> str:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16  # head and body in one packet: the kernel would hold back the second one

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = answering(Asked(self.command, self.path, headers, body))
            self.send_response(reply.status)
            self.send_header("Content-Length", str(len(reply.data)))
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.data)

        do_GET = do_PUT = do_POST  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Log nothing."""

    server = _Server(("127.0.0.1", free_port()), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    ends.callback(thread.join)
    ends.callback(server.server_close)
    ends.callback(server.shutdown)
    return f"http://127.0.0.1:{server.server_address[1]}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that closes its connection early, as some tests do."""


@pytest.fixture
def talk() -> Iterator[Talk]:
    """Start a service of which each connection is handed to a function, once a request has come."""
    with ExitStack() as ends:
        yield lambda speak, *, reads=True: _talking(speak, ends, reads=reads)


def _talking(speak: Callable[[socket.socket], None], ends: ExitStack, *, reads: bool) -> str:
    listening = socket.create_server(("127.0.0.1", free_port()))

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threading.Thread(target=converse, args=(connection,), daemon=True).start()

    def converse(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            if reads:
                connection.recv(1 << 16)
            speak(connection)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    ends.callback(thread.join)
    ends.callback(listening.close)
    ends.callback(lambda: listening.shutdown(socket.SHUT_RDWR))
    return f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def over() -> Iterator[threading.Event]:
    """Set when the test is over: what a slow service waits for."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture(scope="session")
def umbra(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Provide the address of a real Umbra in which linear@1 is live."""
    data = tmp_path_factory.mktemp("umbra")
    store = open_store(Settings.from_environment({"UMBRA_DATA_DIR": str(data)}).store)
    migrate(store)
    first_deployment(store, models, ModelRef("linear", "1"), "test", TRAINED_AT)
    store.close()
    with serving(models, data, workers=1) as running:
        yield running.url
