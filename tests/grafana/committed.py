"""The committed dashboards as Grafana reads them, and every query in them as Prometheus gets it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
GRAFANA = ROOT / "grafana"
DIRECTORY = GRAFANA / "dashboards"

Json = dict[str, Any]

BUILT_IN = {"__rate_interval": "1m", "__interval": "15s", "__range": "5m"}
"""What Grafana puts in for its own variables."""

EVERYTHING = dict.fromkeys(("job", "api_instance", "worker_instance", "route", "candidate"), ".*")
"""Something to put in for our own variables where no Prometheus tells their values."""

_VARIABLE = re.compile(r"\$(\w+)|\$\{(\w+)(?::\w+)?\}|\[\[(\w+)\]\]")
_LABEL_VALUES = re.compile(r"label_values\((?P<series>.+), (?P<label>\w+)\)")


@dataclass(frozen=True, slots=True)
class Asked:
    """One expression, where it stands (dashboard, panel or variable or annotation, refId), and as written."""

    dashboard: str
    place: str
    ref: str
    written: str

    def expr(self, **values: str) -> str:
        """The expression with every variable replaced; raises KeyError for one that does not exist."""
        return substituted(self.written, BUILT_IN | EVERYTHING | values)

    def __str__(self) -> str:
        return f"{self.dashboard} / {self.place} / {self.ref}"


def dashboards() -> dict[Path, Json]:
    """Every dashboard, by its file."""
    return {path: json.loads(path.read_text(encoding="utf-8")) for path in sorted(DIRECTORY.rglob("*.json"))}


def panels(dashboard: Json) -> list[Json]:
    """The panels of a dashboard, without the titles of its rows."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def queries(dashboard: Json) -> Iterator[Asked]:
    """Every query of panels, annotations and variables."""
    uid = dashboard["uid"]
    for panel in panels(dashboard):
        for target in panel.get("targets", []):
            yield Asked(uid, panel["title"], target["refId"], target["expr"])
    for annotation in dashboard["annotations"]["list"]:
        yield Asked(uid, annotation["name"], "annotation", annotation["expr"])
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield Asked(uid, variable["name"], "variable", values_query(variable))


def values_query(variable: Json) -> str:
    """The PromQL that finds the values of a `label_values` variable."""
    found = _LABEL_VALUES.fullmatch(variable["query"]["query"])
    assert found, f"{variable['name']}: expected label_values(series, label), got {variable['query']}"
    return f"count by ({found['label']}) ({found['series']})"


def variables_in(text: str) -> set[str]:
    """The names of the variables that a text uses."""
    return {next(filter(None, found.groups())) for found in _VARIABLE.finditer(text)}


def substituted(text: str, values: Mapping[str, str]) -> str:
    """The text with every variable replaced."""
    return _VARIABLE.sub(lambda found: values[next(filter(None, found.groups()))], text)
