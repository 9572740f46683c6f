"""Writes the tables of monitoring.md from what they tell of: metrics, rules, dashboards, searches, fields.

    python docs/monitoring_tables.py

Each table stands between two markers, `<!-- metrics -->` and `<!-- /metrics -->`; all else is by hand.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "monitoring.md"
sys.path.insert(0, str(ROOT))

from monitoring import metrics  # noqa: E402 (found only now)
from monitoring.logs import fields  # noqa: E402

_UNITS = {
    "_seconds": "s",
    "_bytes": "B",
    "_dollars": "US dollars",
    "_ratio": "share",
    "_captures": "captures",
    "_houses": "houses",
    "_total": "count",
}
_NAME = re.compile(r"\b(?:[a-z_]+:)?umbra_[a-z_]+(?::[a-z0-9_]+)?\b|\b[a-z_]+:[a-z_]+:[a-z0-9_]+\b")


@dataclass(frozen=True, slots=True)
class AlertRule:
    """A recording rule (`severity` None) or an alert, with the expression it watches."""

    name: str
    expression: str
    severity: str | None
    summary: str
    dashboard: str
    runbook: str


@dataclass(frozen=True, slots=True)
class SavedPanel:
    """One panel of a dashboard and all it asks Prometheus for."""

    dashboard: str
    title: str
    description: str
    expressions: tuple[str, ...]


def rules() -> list[AlertRule]:
    """All rules, in the order of their files."""
    paths = sorted((ROOT / "prometheus" / "rules").glob("*.yml"))
    groups = [group for path in paths for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]]
    return [_rule(rule) for group in groups for rule in group["rules"]]


def _rule(rule: Mapping[str, Any]) -> AlertRule:
    if "record" in rule:
        return AlertRule(rule["record"], rule["expr"], None, "", "", "")
    notes = rule["annotations"]
    return AlertRule(
        name=rule["alert"],
        expression=rule["expr"],
        severity=rule["labels"]["severity"],
        summary=notes["summary"],
        dashboard=notes["dashboard"],
        runbook=notes["runbook_url"],
    )


def dashboards() -> list[Mapping[str, Any]]:
    """Grafana's dashboards."""
    paths = sorted((ROOT / "grafana" / "dashboards").rglob("*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


@dataclass(frozen=True, slots=True)
class Saved:
    """One of Kibana's objects."""

    title: str
    description: str
    query: str


def saved(kind: str) -> list[Saved]:
    """Read Kibana's saved objects of one type."""
    lines = (ROOT / "kibana" / "umbra.ndjson").read_text(encoding="utf-8").splitlines()
    return [
        _saved(saved_object["attributes"])
        for saved_object in map(json.loads, lines)
        if saved_object.get("type") == kind
    ]


def _saved(attributes: Mapping[str, Any]) -> Saved:
    source = json.loads(attributes["kibanaSavedObjectMeta"]["searchSourceJSON"])
    return Saved(attributes["title"], attributes["description"], source["query"]["query"])


def panels(dashboard: Mapping[str, Any]) -> Iterator[SavedPanel]:
    """Yield the panels of a dashboard that show figures, also those within rows."""
    every = [inner for outer in dashboard["panels"] for inner in (outer, *outer.get("panels", ()))]
    for panel in every:
        if panel["type"] not in ("row", "text"):
            queries = tuple(target["expr"] for target in panel.get("targets", ()))
            yield SavedPanel(dashboard["title"], panel["title"], panel.get("description", ""), queries)


def marks(dashboard: Mapping[str, Any]) -> Iterator[SavedPanel]:
    """Yield the vertical lines of a dashboard."""
    for mark in dashboard["annotations"]["list"]:
        if "expr" in mark:
            yield SavedPanel(dashboard["title"], f"marks “{mark['name']}”", "", (mark["expr"],))


def watched(expression: str, recorded: Mapping[str, AlertRule]) -> set[str]:
    """Return the metrics of an expression, through recording rules too."""
    metric_names: set[str] = set()
    for name in _NAME.findall(expression):
        if name in recorded:
            metric_names |= watched(recorded[name].expression, recorded)
        else:
            metric_names.add(re.sub(r"_(bucket|sum|count)$", "", name))
    return metric_names


def tables() -> dict[str, str]:
    """Each table by its marker."""
    known = rules()
    return {
        "metrics": _metrics(known),
        "alerts": _table(
            ("alert", "severity", "what it says", "dashboard"),
            [
                (f"[{rule.name}](#{rule.name.lower()})", rule.severity, rule.summary, f"`{rule.dashboard}`")
                for rule in known
                if rule.severity is not None
            ],
        ),
        "dashboards": "\n\n".join(_dashboard(dashboard) for dashboard in dashboards()),
        "searches": _table(
            ("search", "KQL", "what it finds"),
            [(search.title, f"`{search.query}`", search.description) for search in saved("search")],
        ),
        "kibana-dashboards": _table(
            ("dashboard", "what it shows"),
            [(dashboard.title, dashboard.description) for dashboard in saved("dashboard")],
        ),
        "log-fields": _table(
            ("field", "type", "what it is"),
            [(f"`umbra.{field.name}`", field.kind, field.meaning) for field in fields.FIELDS],
        ),
    }


def _metrics(known: Sequence[AlertRule]) -> str:
    recorded = {rule.name: rule for rule in known if rule.severity is None}
    alerts = [rule for rule in known if rule.severity is not None]
    return _table(
        ("metric", "type", "unit", "labels", "what it is", "panels", "alerts"),
        [
            (
                f"`{metric.name}`",
                metric.kind,
                _unit(metric.name),
                ", ".join(f"`{label}`" for label in metric.labels),
                metric.help,
                _shown_on(metric.name, recorded),
                ", ".join({r.name: 0 for r in alerts if metric.name in watched(r.expression, recorded)}),
            )
            for metric in metrics.declarations()
        ],
    )


def _shown_on(metric: str, recorded: Mapping[str, AlertRule]) -> str:
    """List the panels that show a metric, by dashboard."""
    lines = []
    for dashboard in dashboards():
        titles = [
            panel.title
            for panel in (*panels(dashboard), *marks(dashboard))
            if any(metric in watched(expression, recorded) for expression in panel.expressions)
        ]
        if titles:
            lines.append(f"*{dashboard['title'].removeprefix('Umbra: ')}*: {', '.join(titles)}")
    return "; ".join(lines)


def _unit(name: str) -> str:
    units = (unit for end, unit in _UNITS.items() if name.removesuffix("_total").endswith(end))
    return next(units, "count" if name.endswith("_total") else "")


def _dashboard(dashboard: Mapping[str, Any]) -> str:
    head = f"### {dashboard['title']} (`{dashboard['uid']}`)\n\n{dashboard.get('description', '')}"
    return f"{head}\n\n" + _table(
        ("panel", "what it shows"), [(panel.title, panel.description) for panel in panels(dashboard)]
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str | None]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell or "") for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def filled(page: str) -> str:
    """Fill every table of the page; raise LookupError for a missing marker."""
    for name, table in tables().items():
        pattern = re.compile(rf"(<!-- {name} -->\n)(?:.*?\n)?(<!-- /{name} -->)", re.DOTALL)
        if not pattern.search(page):
            raise LookupError(f"{PAGE.name} has no <!-- {name} --> ... <!-- /{name} -->")
        page = pattern.sub(lambda match, table=table: f"{match[1]}\n{table}\n\n{match[2]}", page)
    return page


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
