"""One HTTP server of the stack, as seen from this machine."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from smoke.check import Wrong

TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Site:
    """`service` is its name in docker-compose.yml, `url` where it is published, `login` user and password.

    `refused` says what to do when they are not taken.
    """

    service: str
    url: str
    login: tuple[str, str] | None = None
    refused: str = ""

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """Status and body; raises Wrong when there is no answer."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=TIMEOUT_SECONDS)
        try:
            payload = None if body is None else json.dumps(body).encode()
            connection.request(method, path, payload, self._headers(body is not None))
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as fault:
            raise Wrong(f"{self.url} does not answer: {fault}", self.logs()) from fault
        finally:
            connection.close()

    def text(self, method: str, path: str, body: object = None) -> str:
        """The body of an answer with status 200; raises Wrong."""
        status, answer = self.ask(method, path, body)
        if status != http.client.OK:
            refused = status in (http.client.UNAUTHORIZED, http.client.FORBIDDEN)
            raise Wrong(
                f"{method} {path} answered {status}: {_short(answer)}", self._advice(refused), final=refused
            )
        return answer.decode()

    def json(self, method: str, path: str, body: object = None) -> Any:
        """The JSON of an answer with status 200; raises Wrong."""
        text = self.text(method, path, body)
        try:
            return json.loads(text)
        except ValueError as fault:
            raise Wrong(f"{method} {path} answered no JSON: {_short(text.encode())}", self.logs()) from fault

    def logs(self) -> str:
        """Where to look when this server misbehaves."""
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


def _short(body: bytes) -> str:
    return " ".join(body.decode(errors="replace").split())[:200]
