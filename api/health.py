"""Health: /livez answers while the process lives, /readyz names the live model it has loaded."""

from __future__ import annotations

import orjson
from flask import Response

from api.content import JSON
from api.live import Live
from api.openapi.operation import ResourceDescription, get
from api.openapi.schema import Schema
from shadow.processes.handover import INSTANCE_HEADER


class HealthResource:
    """Serves both probes."""

    def __init__(self, live: Live, instance: str | None = None) -> None:
        """`instance` is the id that `umbra up` recognises its own API by; None: nothing asks for one."""
        self._live = live
        self._headers = {} if instance is None else {INSTANCE_HEADER: instance}

    def livez(self) -> Response:
        """Answer 200, always."""
        return Response(b'{"status":"alive"}', content_type=JSON)

    def readyz(self) -> Response:
        """Answer 200 with the model served and the one deployed last; raises NoLiveModel."""
        served = self._live.serving().label
        body = {"status": "ready", "model": served, "wanted": str(self._live.wanted)}
        return Response(orjson.dumps(body), content_type=JSON, headers=self._headers)


def describe() -> ResourceDescription:
    """Describe both operations; the status is written by hand, for /livez names no models."""
    status: Schema = {
        "type": "object",
        "properties": {
            "status": {"type": "string"},
            "model": {"type": "string", "description": "NAME@VERSION of the model that answers."},
            "wanted": {"type": "string", "description": "NAME@VERSION of the model deployed last."},
        },
    }
    paths = {
        "/livez": {"get": get("livez", "Whether the process answers.", "Status", tag="health")},
        "/readyz": {
            "get": get("readyz", "Whether the process has a live model.", "Status", 503, tag="health")
        },
    }
    return ResourceDescription(paths, schemas={"Status": status})
