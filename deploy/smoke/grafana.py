"""Grafana: its datasource answers, its dashboards are there, and what their panels ask for has data."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smoke.check import Wrong
from smoke.site import Site

DATASOURCE = "prometheus"
LOOK_BACK_SECONDS = 3600
STEP_MILLISECONDS = 15_000
ORDINARY = "no data"
"""What a panel says when it has none but should; one with other words of its own may be empty."""
QUIET = {
    ("umbra-service", "Refused by problem"): "nothing was refused yet",
    ("umbra-shadow-pipeline", "Failures by reason"): "no candidate has failed",
    ("umbra-shadow-pipeline", "Restarts"): "no candidate was started again",
    ("umbra-live-and-shadow", "Share of houses in each bucket"): "it compares with the week before",
    ("umbra-live-and-shadow", "Time of the candidates"): "one house in a hundred is timed",
    ("umbra-live-and-shadow", "Time of the model alone"): "the same",
}
"""Panels that are empty while all is well or little was asked, and why."""
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """One query of a panel, as Grafana would send it."""

    panel: str
    may_be_empty: bool
    query: Json


def datasource(grafana: Site) -> str:
    """Grafana reaches Prometheus; raises Wrong."""
    told = grafana.json("GET", f"/api/datasources/uid/{DATASOURCE}/health")
    if told.get("status") != "OK":
        raise Wrong(f"the datasource {DATASOURCE} says {told}", grafana.logs())
    return str(told.get("message", "OK"))


def expected(directory: Path) -> dict[str, str]:
    """Uid and title of every dashboard of the repository."""
    read = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(directory.rglob("*.json"))]
    return {one["uid"]: one["title"] for one in read}


def dashboard(grafana: Site, uid: str) -> str:
    """One dashboard is there and each of its queries has data, or may have none; raises Wrong."""
    model = grafana.json("GET", f"/api/dashboards/uid/{uid}")["dashboard"]
    asked = list(queries(model))
    full = [has_data(grafana, one) for one in asked]
    empty = [one for one, any_data in zip(asked, full, strict=True) if not any_data]
    wrong = sorted({one.panel for one in empty if not one.may_be_empty})
    if wrong or not asked:
        raise Wrong(
            f"no data in: {', '.join(wrong)}" if wrong else "it has no queries", "docker compose logs grafana"
        )
    return f"{sum(full)} queries with data" + (f", {len(empty)} empty as they may be" if empty else "")


def queries(model: Json) -> Iterator[Asked]:
    """Every query of every panel, its variables replaced by all of their values."""
    values = {one["name"]: _all_of(one) for one in model.get("templating", {}).get("list", [])}
    for panel in _panels(model):
        says = panel.get("fieldConfig", {}).get("defaults", {}).get("noValue", ORDINARY)
        for target in panel.get("targets", []):
            if "expr" in target:
                quiet = says != ORDINARY or (model["uid"], panel["title"]) in QUIET
                yield Asked(panel["title"], quiet, _query(target, values))


def has_data(grafana: Site, asked: Asked) -> bool:
    """Whether a query gives at least one value; raises Wrong for one that fails."""
    now = int(time.time() * 1000)
    body = {"from": str(now - LOOK_BACK_SECONDS * 1000), "to": str(now), "queries": [asked.query]}
    (result,) = grafana.json("POST", "/api/ds/query", body)["results"].values()
    if "error" in result:
        raise Wrong(f"{asked.panel}: {result['error']}", f"the query is {asked.query['expr']}")
    return any(_filled(frame) for frame in result.get("frames", []))


def _filled(frame: Json) -> bool:
    """Whether a frame has a value beside its times."""
    return any(value is not None for column in frame["data"]["values"][1:] for value in column)


def _panels(model: Json) -> Iterator[Json]:
    for panel in model.get("panels", []):
        yield panel
        yield from _panels(panel)  # those of a closed row


def _query(target: Json, values: Mapping[str, str]) -> Json:
    instant = bool(target.get("instant"))
    return {
        "refId": target["refId"],
        "datasource": {"type": "prometheus", "uid": DATASOURCE},
        "expr": substituted(target["expr"], values),
        "format": target.get("format", "time_series"),
        "instant": instant,
        "range": not instant,
        "intervalMs": STEP_MILLISECONDS,
        "maxDataPoints": LOOK_BACK_SECONDS * 1000 // STEP_MILLISECONDS,
    }


def substituted(expr: str, values: Mapping[str, str]) -> str:
    """`expr` with $name and ${name} replaced; what begins with __ is Grafana's own to replace."""

    def value(found: re.Match[str]) -> str:
        return values.get(found["plain"] or found["braced"], found[0])

    return re.sub(r"\$(?:(?P<plain>\w+)|\{(?P<braced>\w+)(?::\w+)?\})", value, expr)


def _all_of(variable: Json) -> str:
    if variable.get("includeAll"):
        return str(variable.get("allValue") or ".*")
    return str(variable.get("current", {}).get("value", ".*"))
