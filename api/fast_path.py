"""The fast path: answer POST /v1/predictions here and leave everything else to Flask.

Flask's routing, contexts and response objects take a quarter of a prediction's time; the one route that
serves thousands of requests a second does without them (docs/decisions/0005-front.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from api import middleware
from api.answers import HttpAnswer

PATH = "/v1/predictions"
ENDPOINT = "predictions.create"
Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


class FastPath:
    """A WSGI application in fast_path of Flask's."""

    def __init__(
        self,
        create: Callable[[dict[str, Any]], HttpAnswer],
        refuse: Callable[[Exception, dict[str, Any]], HttpAnswer],
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
