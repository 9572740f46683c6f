"""A server that writes down what it is asked and answers as it is told: for Elasticsearch and for Kibana."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, as it came."""

    method: str
    path: str
    user: str
    body: str
    headers: dict[str, str]


@dataclass(slots=True)
class Recorder:
    """`answers` are (status, body) by path, in turn, the last one for ever; 200 and `{}` for all others."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    answers: dict[str, list[tuple[int, str]]] = field(default_factory=dict)

    def paths(self) -> list[str]:
        """What was asked, in order."""
        return [f"{one.method} {one.path}" for one in self.asked]

    def answer(self, path: str) -> tuple[int, str]:
        """What to say now."""
        told = self.answers.get(path, [(200, "{}")])
        return told.pop(0) if len(told) > 1 else told[0]


@contextmanager
def recording() -> Iterator[Recorder]:
    """A recorder that listens while the context lasts."""
    recorder = Recorder()

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            user = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
            recorder.asked.append(Asked(self.command, self.path, user, body, dict(self.headers)))
            status, text = recorder.answer(self.path.partition("?")[0])
            self.send_response(status)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_PUT = do_POST = handle_any  # noqa: N815 (the library's names)

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    recorder.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield recorder
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
