"""What happens around every request: its id, its clock, its one log line, its metrics."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass

from flask import Flask, Response, request

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


def current() -> Exchange:
    """The exchange of the request that is being answered."""
    exchange: Exchange = request.environ[_KEY]
    return exchange


class Access:
    """Opens and closes the exchange of every request of an application."""

    def __init__(
        self, metrics: ServingMetrics, new_request_id: Callable[[], str], clock: Callable[[], float]
    ) -> None:
        self._metrics = metrics
        self._new_request_id = new_request_id
        self._clock = clock

    def watch(self, app: Flask) -> None:
        """Hook into the application; to be called before any other hook is added."""
        app.before_request(self._open)
        app.after_request(self._close)
        app.teardown_request(_unbind)

    def _open(self) -> None:
        environ = request.environ
        given = environ.get("HTTP_X_REQUEST_ID", "")
        request_id = given if _VALID.match(given) else self._new_request_id()
        environ[_KEY] = Exchange(request_id, self._clock())
        logs.bind(request_id)
        self._metrics.requests_in_flight.inc()

    def _close(self, response: Response) -> Response:
        exchange = current()
        response.headers[HEADER] = exchange.request_id
        seconds = self._clock() - exchange.begun
        status, rule = response.status_code, request.url_rule
        self._count(rule.rule if rule is not None else UNMATCHED, status, seconds)
        self._tell(exchange, response, status, seconds, quiet=rule is not None and rule.endpoint in _QUIET)
        return response

    def _count(self, route: str, status: int, seconds: float) -> None:
        metrics = self._metrics
        method = request.method if request.method in _METHODS else "other"
        metrics.requests[method, route, str(status)].inc()
        metrics.request_seconds[(route,)].observe(seconds)
        metrics.requests_in_flight.dec()

    def _tell(
        self, exchange: Exchange, response: Response, status: int, seconds: float, *, quiet: bool
    ) -> None:
        own = {
            name: value
            for name in ("rows", "model", "capture", "problem")
            if (value := getattr(exchange, name))
        }
        logs.event(
            _log,
            "request",
            level=logging.DEBUG if quiet else logging.INFO,
            event={
                "action": request.endpoint or UNMATCHED,
                "outcome": "success" if status < 400 else "failure",
                "duration": int(seconds * 1e9),
            },
            http={
                "request": {"method": request.method, "id": exchange.request_id},
                "response": {"status_code": status, "body": {"bytes": response.content_length}},
            },
            url={"path": request.path[:_PATH_CHARACTERS]},
            **own,
        )


_QUIET = frozenset({"livez", "readyz", "static"})


def _unbind(_: BaseException | None) -> None:
    logs.bind("")
