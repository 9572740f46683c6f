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
from smoke.document import Document
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
    health = grafana.json("GET", f"/api/datasources/uid/{DATASOURCE}/health")
    status, message = health["status"].text(), health.get("message")
    said = message.text() if message else status
    if status != "OK":
        raise Wrong(f"the datasource {DATASOURCE} says {status}: {said}", grafana.logs())
    return said


def expected(directory: Path) -> dict[str, str]:
    """Uid and title of every dashboard of the repository."""
    read = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(directory.rglob("*.json"))]
    return {one["uid"]: one["title"] for one in read}


def dashboard(grafana: Site, uid: str) -> str:
    """One dashboard is there and each of its queries has data, or may have none; raises Wrong."""
    asked = list(queries(grafana.json("GET", f"/api/dashboards/uid/{uid}")["dashboard"]))
    full = [has_data(grafana, one) for one in asked]
    empty = [one for one, any_data in zip(asked, full, strict=True) if not any_data]
    wrong = sorted({one.panel for one in empty if not one.may_be_empty})
    if wrong or not asked:
        raise Wrong(
            f"no data in: {', '.join(wrong)}" if wrong else "it has no queries", "docker compose logs grafana"
        )
    return f"{sum(full)} queries with data" + (f", {len(empty)} empty as they may be" if empty else "")


def queries(model: Document) -> Iterator[Asked]:
    """Every query of every panel, its variables replaced by all of their values; raises Wrong."""
    templating = model.get("templating")
    variables = templating.get("list") if templating else None
    values = {one["name"].text(): _all_of(one) for one in (variables.items() if variables else [])}
    uid = model["uid"].text()
    for panel in _panels(model):
        targets = panel.get("targets")
        for target in targets.items() if targets else []:
            if target.get("expr"):
                yield _asked(uid, panel, target, values)


def _asked(uid: str, panel: Document, target: Document, values: Mapping[str, str]) -> Asked:
    title, says = panel["title"].text(), _says_when_empty(panel)
    return Asked(title, says != ORDINARY or (uid, title) in QUIET, _query(target, values))


def _says_when_empty(panel: Document) -> str:
    config = panel.get("fieldConfig")
    defaults = config.get("defaults") if config else None
    says = defaults.get("noValue") if defaults else None
    return says.text() if says else ORDINARY


def has_data(grafana: Site, asked: Asked) -> bool:
    """Whether a query gives at least one value; raises Wrong for one that fails."""
    now = int(time.time() * 1000)
    body = {"from": str(now - LOOK_BACK_SECONDS * 1000), "to": str(now), "queries": [asked.query]}
    result = grafana.json("POST", "/api/ds/query", body)["results"].only()
    if error := result.get("error"):
        raise Wrong(f"{asked.panel}: {error.text()}", f"the query is {asked.query['expr']}")
    frames = result.get("frames")
    return any(_filled(frame) for frame in (frames.items() if frames else []))


def _filled(frame: Document) -> bool:
    """Whether a frame has a value beside its times."""
    columns = frame["data"]["values"].items()[1:]
    return any(value.content is not None for column in columns for value in column.items())


def _panels(model: Document) -> Iterator[Document]:
    panels = model.get("panels")
    for panel in panels.items() if panels else []:
        yield panel
        yield from _panels(panel)  # those of a closed row


def _query(target: Document, values: Mapping[str, str]) -> Json:
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

    def value(found: re.Match[str]) -> str:
        return values.get(found["plain"] or found["braced"], found[0])

    return re.sub(r"\$(?:(?P<plain>\w+)|\{(?P<braced>\w+)(?::\w+)?\})", value, expr)


def _all_of(variable: Document) -> str:
    every, chosen = variable.get("includeAll"), variable.get("allValue")
    if every and every.content:
        return (chosen.text() if chosen else "") or ".*"
    current = variable.get("current")
    value = current.get("value") if current else None
    return str(value.content) if value else ".*"
