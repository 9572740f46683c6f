"""What happens around every request: its id, its clock, its one log line, its metrics."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Flask, Request, Response, request

from api.identifiers import Identifiers
from monitoring import logs
from monitoring.metrics import ServingMetrics

HEADER = "X-Request-ID"
UNMATCHED = "unmatched"
_KEY = "umbra.exchange"
_VALID = re.compile(r"[A-Za-z0-9._:-]{1,128}\Z")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_PATH_CHARACTERS = 256
_log = logging.getLogger("umbra.access")


@dataclass(slots=True)
class Exchange:
    """One request while it is answered; whoever answers it adds what the log line should say."""

    request_id: str
    begun: float
    rows: int = 0
    model: dict[str, str] | None = None
    capture: str | None = None
    problem: str | None = None

    def facts(self) -> dict[str, Any]:
        """What the log line says beyond HTTP."""
        if self.problem is not None:
            return {"problem": self.problem}
        if self.model is None:
            return {}
        return {"rows": self.rows, "model": self.model, "capture": self.capture}


def of(environ: dict[str, Any]) -> Exchange:
    """The exchange of the request with this environment."""
    exchange: Exchange = environ[_KEY]
    return exchange


class Access:
    """Opens and closes the exchange of every request of an application."""

    def __init__(self, metrics: ServingMetrics, ids: Identifiers, clock: Callable[[], float]) -> None:
        self._metrics = metrics
        self._ids = ids
        self._clock = clock

    def watch(self, app: Flask) -> None:
        """Hook into the application; to be called before any other hook is added."""
        app.before_request(self._open)
        app.after_request(self._close)

    def _open(self) -> None:
        environ = request.environ
        given = environ.get("HTTP_X_REQUEST_ID", "")
        request_id = given if _VALID.match(given) else self._ids.request()
        environ[_KEY] = Exchange(request_id, self._clock())
        logs.bind(request_id)
        self._metrics.requests_in_flight.inc()

    def _close(self, response: Response) -> Response:
        asked = _itself(request)
        exchange = of(asked.environ)
        response.headers.add(HEADER, exchange.request_id)
        seconds = self._clock() - exchange.begun
        self._count(asked, response.status_code, seconds)
        self._tell(exchange, asked, response, seconds)
        logs.bind("")
        return response

    def _count(self, asked: Request, status: int, seconds: float) -> None:
        metrics = self._metrics
        route = UNMATCHED if asked.url_rule is None else asked.url_rule.rule
        method = asked.method if asked.method in _METHODS else "other"
        metrics.requests[method, route, str(status)].inc()
        metrics.request_seconds[(route,)].observe(seconds)
        metrics.requests_in_flight.dec()

    def _tell(self, exchange: Exchange, asked: Request, response: Response, seconds: float) -> None:
        endpoint, status = asked.endpoint or UNMATCHED, response.status_code
        logs.event(
            _log,
            "request",
            level=logging.DEBUG if endpoint in _QUIET else logging.INFO,
            event={
                "action": endpoint,
                "outcome": "success" if status < 400 else "failure",
                "duration": int(seconds * 1e9),
            },
            http={
                "request": {"method": asked.method, "id": exchange.request_id},
                "response": {"status_code": status, "body": {"bytes": response.content_length}},
            },
            url={"path": asked.path[:_PATH_CHARACTERS]},
            **exchange.facts(),
        )


def _itself(proxy: Request) -> Request:
    """What the proxy stands for, so that the way there is gone only once."""
    found: Request = proxy._get_current_object()  # type: ignore[attr-defined]
    return found


_QUIET = frozenset({"livez", "readyz", "static"})
