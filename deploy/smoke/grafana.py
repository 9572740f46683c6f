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
from smoke.document import JsonDocument
from smoke.site import HttpSite

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
class PanelQuery:
    """One query of a panel, as Grafana would send it."""

    panel: str
    may_be_empty: bool
    query: Json


def datasource(grafana: HttpSite) -> str:
    """Grafana reaches Prometheus; raise Wrong."""
    health = grafana.json("GET", f"/api/datasources/uid/{DATASOURCE}/health")
    status, message = health["status"].text(), health.get("message")
    seen = message.text() if message else status
    if status != "OK":
        raise Wrong(f"the datasource {DATASOURCE} says {status}: {seen}", grafana.logs())
    return seen


def expected(directory: Path) -> dict[str, str]:
    """Uid and title of every dashboard of the repository."""
    read = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(directory.rglob("*.json"))]
    return {dashboard["uid"]: dashboard["title"] for dashboard in read}


def dashboard(grafana: HttpSite, uid: str) -> str:
    """One dashboard is there and each of its queries has data, or may have none; raise Wrong."""
    panel_queries = list(queries(grafana.json("GET", f"/api/dashboards/uid/{uid}")["dashboard"]))
    full = [has_data(grafana, panel_query) for panel_query in panel_queries]
    empty = [panel_query for panel_query, any_data in zip(panel_queries, full, strict=True) if not any_data]
    wrong = sorted({panel_query.panel for panel_query in empty if not panel_query.may_be_empty})
    if wrong or not panel_queries:
        raise Wrong(
            f"no data in: {', '.join(wrong)}" if wrong else "it has no queries", "docker compose logs grafana"
        )
    return f"{sum(full)} queries with data" + (f", {len(empty)} empty as they may be" if empty else "")


def queries(model: JsonDocument) -> Iterator[PanelQuery]:
    """Every query of every panel, its variables replaced by all of their values; raise Wrong."""
    templating = model.get("templating")
    variables = templating.get("list") if templating else None
    values = {
        variable["name"].text(): _all_of(variable) for variable in (variables.items() if variables else [])
    }
    uid = model["uid"].text()
    for panel in _panels(model):
        targets = panel.get("targets")
        for target in targets.items() if targets else []:
            if target.get("expr"):
                yield _asked(uid, panel, target, values)


def _asked(uid: str, panel: JsonDocument, target: JsonDocument, values: Mapping[str, str]) -> PanelQuery:
    title, says = panel["title"].text(), _says_when_empty(panel)
    return PanelQuery(title, says != ORDINARY or (uid, title) in QUIET, _query(target, values))


def _says_when_empty(panel: JsonDocument) -> str:
    config = panel.get("fieldConfig")
    defaults = config.get("defaults") if config else None
    says = defaults.get("noValue") if defaults else None
    return says.text() if says else ORDINARY


def has_data(grafana: HttpSite, panel_query: PanelQuery) -> bool:
    """Return whether a query has at least one value; raise Wrong for a failed query."""
    now = int(time.time() * 1000)
    body = {"from": str(now - LOOK_BACK_SECONDS * 1000), "to": str(now), "queries": [panel_query.query]}
    result = grafana.json("POST", "/api/ds/query", body)["results"].only()
    if error := result.get("error"):
        raise Wrong(f"{panel_query.panel}: {error.text()}", f"the query is {panel_query.query['expr']}")
    frames = result.get("frames")
    return any(_filled(frame) for frame in (frames.items() if frames else []))


def _filled(frame: JsonDocument) -> bool:
    """Return whether a frame has a value beside its times."""
    columns = frame["data"]["values"].items()[1:]
    return any(value.content is not None for column in columns for value in column.items())


def _panels(model: JsonDocument) -> Iterator[JsonDocument]:
    panels = model.get("panels")
    for panel in panels.items() if panels else []:
        yield panel
        yield from _panels(panel)  # those of a closed row


def _query(target: JsonDocument, values: Mapping[str, str]) -> Json:
    once, form = target.get("instant"), target.get("format")
    instant = bool(once and once.content)
    return {
        "refId": target["refId"].text(),
        "datasource": {"type": "prometheus", "uid": DATASOURCE},
        "expr": substituted(target["expr"].text(), values),
        "format": form.text() if form else "time_series",
        "instant": instant,
        "range": not instant,
        "intervalMs": STEP_MILLISECONDS,
        "maxDataPoints": LOOK_BACK_SECONDS * 1000 // STEP_MILLISECONDS,
    }


def substituted(expr: str, values: Mapping[str, str]) -> str:
    """`expr` with $name and ${name} replaced; what begins with __ is Grafana's own to replace."""

    def value(match: re.Match[str]) -> str:
        return values.get(match["plain"] or match["braced"], match[0])

    return re.sub(r"\$(?:(?P<plain>\w+)|\{(?P<braced>\w+)(?::\w+)?\})", value, expr)


def _all_of(variable: JsonDocument) -> str:
    every, chosen = variable.get("includeAll"), variable.get("allValue")
    if every and every.content:
        return (chosen.text() if chosen else "") or ".*"
    current = variable.get("current")
    value = current.get("value") if current else None
    return str(value.content) if value else ".*"
