"""Middleware around every request: its id, its clock, its log line, its metrics."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from api.clients import Clients
from api.identifiers import Identifiers
from monitoring import logs
from monitoring.metrics import ServingMetrics

HEADER = "X-Request-ID"
SAFEGUARDS = (("X-Content-Type-Options", "nosniff"), ("Cross-Origin-Resource-Policy", "same-origin"))
"""With every answer: nobody guesses what it is, and no page of another origin can embed it."""
UNMATCHED = "unmatched"
_KEY = "umbra.exchange"
_VALID = re.compile(r"[A-Za-z0-9._:-]{1,128}\Z")
# A UUID, or a trace id as of W3C: made by machines, with no room for what a house says.
_RANDOM = re.compile(r"([0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|[0-9A-Fa-f]{32})\Z")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_PATH_CHARACTERS = 256
_QUIET = frozenset({"livez", "readyz", "static"})
_log = logging.getLogger("umbra.access")


@dataclass(slots=True)
class Exchange:
    """One request and its answer; the resource adds what the log line should contain."""

    request_id: str
    begun: float
    route: str = UNMATCHED
    endpoint: str = UNMATCHED
    client: str | None = None
    status: int = 0
    body_bytes: int | None = None
    rows: int = 0
    model: dict[str, str] | None = None
    capture: str | None = None
    problem: str | None = None
    refused_fields: Sequence[str] = ()
    reported: Sequence[str] = ()

    def matched(self, route: str, endpoint: str) -> None:
        """Note which route answers."""
        self.route = route
        self.endpoint = endpoint

    def facts(self) -> dict[str, Any]:
        """Give the fields of the log line beyond HTTP."""
        if self.refused_fields:
            return {"problem": self.problem, "refused_fields": self.refused_fields}
        if self.problem is not None:
            return {"problem": self.problem}
        if self.reported:
            return {"rows": self.rows, "capture_ids": self.reported}
        if self.model is None:
            return {}
        return {"rows": self.rows, "model": self.model, "capture": self.capture}


def of(environ: dict[str, Any]) -> Exchange:
    """Return the exchange of the request with this environment."""
    exchange: Exchange = environ[_KEY]
    return exchange


def path(environ: dict[str, Any]) -> str:
    """Decode the path as the client meant it: WSGI hands over its bytes as Latin-1 (PEP 3333)."""
    raw: str = environ["PATH_INFO"]
    return raw if raw.isascii() else raw.encode("latin-1").decode("utf-8", "replace")


class Middleware:
    """The WSGI application around all others.

    While texts are withheld a client's request id is taken over only if it can be no text.
    """

    def __init__(
        self,
        inner: Any,
        metrics: ServingMetrics,
        ids: Identifiers,
        clock: Callable[[], float],
        clients: Clients,
        *,
        withholds_texts: bool = False,
    ) -> None:
        self._inner = inner
        self._metrics = metrics
        self._ids = ids
        self._clock = clock
        self._clients = clients
        self._accepted_id = _RANDOM if withholds_texts else _VALID

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request, and account for it."""
        client_id = environ.get("HTTP_X_REQUEST_ID", "")
        request_id = client_id if self._accepted_id.match(client_id) else self._ids.request()
        exchange = environ[_KEY] = Exchange(request_id, self._clock())
        exchange.client = self._clients.address(environ)

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            headers += (*SAFEGUARDS, (HEADER, request_id))
            exchange.status = int(status[:3])
            exchange.body_bytes = next((int(v) for name, v in headers if name == "Content-Length"), None)
            return start_response(status, headers, exc_info)

        logs.bind_request_id(request_id)
        self._metrics.requests_in_flight.inc()
        try:
            body: Iterable[bytes] = self._inner(environ, start)
            self._close(exchange, environ)
        finally:
            self._metrics.requests_in_flight.dec()
            logs.bind_request_id("")
        return body

    def _close(self, exchange: Exchange, environ: dict[str, Any]) -> None:
        seconds = self._clock() - exchange.begun
        verb, status = environ["REQUEST_METHOD"], exchange.status
        method = verb if verb in _METHODS else "other"
        self._metrics.requests[method, exchange.route, str(status)].inc()
        self._metrics.request_seconds[(exchange.route,)].observe(seconds)
        logs.event(
            _log,
            "request",
            level=logging.DEBUG if exchange.endpoint in _QUIET else logging.INFO,
            event={
                "action": exchange.endpoint,
                "outcome": "success" if status < 400 else "failure",
                "duration": int(seconds * 1e9),
            },
            http={
                "request": {"method": method, "id": exchange.request_id},
                "response": {"status_code": status, "body": {"bytes": exchange.body_bytes}},
            },
            url={"path": path(environ)[:_PATH_CHARACTERS]},
            client={"ip": exchange.client},
            **exchange.facts(),
        )
