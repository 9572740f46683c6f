"""Health: /livez says the process answers, /readyz that it has a live model to answer with, and which."""

from __future__ import annotations

import orjson
from flask import Response

from api.content import JSON
from api.live import Live
from shadow.processes.handover import INSTANCE_HEADER


class Health:
    """The two views."""

    def __init__(self, live: Live, instance: str | None = None) -> None:
        """`instance` is what `umbra up` knows its own API by; None: nobody asks."""
        self._live = live
        self._headers = {} if instance is None else {INSTANCE_HEADER: instance}

    def livez(self) -> Response:
        """Always 200."""
        return Response(b'{"status":"alive"}', content_type=JSON)

    def readyz(self) -> Response:
        """200 with the model served and the one wanted, which may not load here; raises NoLiveModel."""
        served = self._live.serving().label
        body = {"status": "ready", "model": served, "wanted": str(self._live.wanted)}
        return Response(orjson.dumps(body), content_type=JSON, headers=self._headers)
