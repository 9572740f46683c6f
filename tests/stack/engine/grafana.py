"""What the smoke command asks of Grafana, answered from the dashboards' files and a real Prometheus."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from smoke.document import JsonDocument
from smoke.site import Inside

ITS_OWN = {"$__rate_interval": "60s", "$__interval": "15s", "$__range_s": "3600", "$__range": "1h"}
"""As Grafana would choose for an hour, where Prometheus scrapes every 15 seconds."""


@dataclass(frozen=True, slots=True)
class Grafana(Inside):
    """`service` and `url` are those of the Prometheus behind the datasource."""

    dashboards: Path = Path()

    def json(self, method: str, path: str, body: Any = None) -> JsonDocument:
        """A dashboard by its uid, or the frames of one query."""
        return JsonDocument(self._json(method, path, body), f"{method} {path}", self.logs())

    def _json(self, method: str, path: str, body: Any) -> Any:
        if method == "GET":
            read = [json.loads(file.read_text(encoding="utf-8")) for file in self.dashboards.rglob("*.json")]
            return {"dashboard": next(one for one in read if path.endswith(f"/{one['uid']}"))}
        (query,) = body["queries"]
        return {"results": {query["refId"]: self._result(query)}}

    def _result(self, query: Any) -> dict[str, Any]:
        expr, now = query["expr"], time.time()
        for name, value in ITS_OWN.items():
            expr = expr.replace(name, value)
        span = {"time": now} if query["instant"] else {"start": now - 3600, "end": now, "step": 15}
        kind = "query" if query["instant"] else "query_range"
        _, answer = self.ask("GET", f"/api/v1/{kind}?{urlencode({'query': expr, **span})}")
        told = json.loads(answer)
        if told["status"] != "success":
            return {"error": told["error"]}
        return {"frames": [_frame(series) for series in told["data"]["result"]]}


def _frame(series: Any) -> dict[str, Any]:
    samples = series.get("values") or [series["value"]]
    values = [None if math.isnan(value) else value for value in (float(text) for _, text in samples)]
    return {"data": {"values": [[moment for moment, _ in samples], values]}}
