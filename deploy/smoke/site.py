"""One HTTP server of the stack, as seen from this machine, or from within its own container."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from smoke.check import Wrong, short
from smoke.compose import Compose
from smoke.document import JsonDocument

BODY_MOST_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class HttpSite:
    """`service` is its name in docker-compose.yml, `url` where it is published, `login` user and password.

    `refused` says what to do when they are not taken; `timeout_seconds` bounds a whole answer.
    """

    service: str
    url: str
    login: tuple[str, str] | None = None
    refused: str = ""
    timeout_seconds: float = 30.0

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """Send a request; return status and body; raise Wrong without a whole answer in time."""
        try:
            return self._exchanged(method, path, body)
        except (OSError, ValueError, http.client.HTTPException) as fault:
            why = short(str(fault)) or type(fault).__name__
            raise Wrong(f"{short(self.url)} does not answer {method} {path}: {why}", self.logs()) from fault

    def _exchanged(self, method: str, path: str, body: object) -> tuple[int, bytes]:
        address = urlsplit(self.url).netloc
        with closing(http.client.HTTPConnection(address, timeout=self.timeout_seconds)) as connection:
            connection.connect()
            with _ended_after(connection.sock, self.timeout_seconds):
                payload = None if body is None else json.dumps(body).encode()
                connection.request(method, path, payload, self._headers(body is not None))
                answer = connection.getresponse()
                content = answer.read(BODY_MOST_BYTES + 1)
        _refuse_part(answer, content)
        return answer.status, content

    def text(self, method: str, path: str, body: object = None) -> str:
        """Return the body of an answer with status 200; raise Wrong."""
        status, answer = self.ask(method, path, body)
        if status != http.client.OK:
            refused = status in (http.client.UNAUTHORIZED, http.client.FORBIDDEN)
            seen = f"{method} {path} answered {status}: {short(answer.decode(errors='replace'))}"
            raise Wrong(seen, self._advice(refused), final=refused)
        return answer.decode(errors="replace")

    def json(self, method: str, path: str, body: object = None) -> JsonDocument:
        """Return the JSON of an answer with status 200; raise Wrong."""
        return JsonDocument.read(self.text(method, path, body), f"{method} {path}", self.logs())

    def logs(self) -> str:
        """Return the command that shows the logs of this server."""
        return f"docker compose logs {self.service}"

    def _advice(self, refused: bool) -> str:
        if not refused:
            return self.logs()
        return self.refused or (
            f"the volume of {self.service} keeps the password of its first start: "
            "put that one back into .env, or remove the volume"
        )

    def _headers(self, has_body: bool) -> Mapping[str, str]:
        headers = {"kbn-xsrf": "umbra"} if self.service == "kibana" else {}
        if has_body:
            headers["Content-Type"] = "application/json"
        if self.login:
            headers["Authorization"] = "Basic " + base64.b64encode(":".join(self.login).encode()).decode()
        return headers


@dataclass(frozen=True, slots=True)
class Inside(HttpSite):
    """A server that is not published: asked within its container, by GET; `url` is its address there."""

    compose: Compose = field(default_factory=Compose)

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """Send a GET inside the container; return 200 and the body; raise Wrong for another status."""
        if method != "GET" or body is not None:
            raise ValueError(f"{self.service} is only asked by GET, not {method}")
        wget = ("wget", "-q", "-O", "-", "-T", f"{self.timeout_seconds:g}", f"{self.url}{path}")
        try:
            return http.client.OK, self.compose.run("exec", "-T", self.service, *wget).encode()
        except Wrong as fault:
            raise Wrong(f"{self.service}, GET {path}: {fault}", self.logs(), final=fault.final) from fault


@contextmanager
def _ended_after(connected: socket.socket, seconds: float) -> Iterator[None]:
    """Shut a socket down after so many seconds, however slowly its peer goes on sending."""

    def end() -> None:
        with suppress(OSError):  # it has ended by itself
            connected.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _refuse_part(answer: http.client.HTTPResponse, content: bytes) -> None:
    if len(content) > BODY_MOST_BYTES:
        raise ValueError(f"the answer has more than {BODY_MOST_BYTES >> 20} MiB")
    if answer.length:
        raise ValueError(f"the answer ended {answer.length} bytes before its end")
