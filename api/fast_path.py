"""The front: answers POST /v1/predictions itself and leaves everything else to Flask.

Flask's routing, contexts and response objects take a quarter of a prediction's time; the one route that
is asked thousands of times a second goes without them (docs/decisions/0005-front.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from api import middleware
from api.answers import Answer

PATH = "/v1/predictions"
ENDPOINT = "predictions.create"
Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Front:
    """A WSGI application in front of another."""

    def __init__(
        self,
        create: Callable[[dict[str, Any]], Answer],
        refuse: Callable[[Exception, dict[str, Any]], Answer],
        rest: Wsgi,
    ) -> None:
        self._create = create
        self._refuse = refuse
        self._rest = rest

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        if environ["PATH_INFO"] != PATH or environ["REQUEST_METHOD"] != "POST":
            return self._rest(environ, start_response)
        middleware.of(environ).matched(PATH, ENDPOINT)
        try:
            answer = self._create(environ)
        except Exception as fault:  # noqa: BLE001 - whatever it is, the one table of problems answers it
            answer = self._refuse(fault, environ)
        return answer.start(start_response)
