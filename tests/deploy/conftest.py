"""deploy/ holds scripts, so that its modules are found beside them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

HERE = Path(__file__).parent
for folder in (HERE, HERE.parents[1] / "deploy"):
    sys.path.insert(0, str(folder))

from standin.product import Product  # noqa: E402 (found only now)


@pytest.fixture
def make_product() -> Iterator[Callable[[], Product]]:
    """Makes servers on loopback."""
    servers: list[ThreadingHTTPServer] = []

    def make() -> Product:
        product = Product()

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                status, told = product.answer(self.command, self.path, headers, body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(told)))
                self.end_headers()
                self.wfile.write(told)

            do_GET = do_POST = _answer  # noqa: N815 (http.server's names)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        product.url = f"http://127.0.0.1:{server.server_address[1]}"
        return product

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()
