"""What surrounds the panels: variables, annotations, and links to the other dashboards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grafana.source.grid import Section, positioned
from grafana.source.panels import DATASOURCE, Json

SCHEMA_VERSION = 42
TAG = "umbra"


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the top of the page: the values of a label of a series, all of them at first."""

    name: str
    title: str
    description: str
    label: str
    series: str

    def as_json(self) -> Json:
        """Return Grafana's query variable."""
        values = f"label_values({self.series}, {self.label})"
        return {
            "type": "query",
            "name": self.name,
            "label": self.title,
            "description": self.description,
            "datasource": DATASOURCE,
            "definition": values,
            "query": {"qryType": 1, "query": values, "refId": f"variable-{self.name}"},
            "refresh": 2,  # when the time range changes
            "sort": 7,  # natural: gbm@2 before gbm@10
            "multi": True,
            "includeAll": True,
            "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
            "hide": 0,
        }


JOB = Variable(
    "job",
    "Job",
    "Prometheus jobs that scrape Umbra; more when several platforms report to one Prometheus.",
    "job",
    "umbra_metrics_files_readable",
)
API_INSTANCE = Variable(
    "api_instance",
    "API instance",
    "API hosts, by the address their metrics come from.",
    "instance",
    'umbra_live_model_info{job=~"$job"}',
)
WORKER_INSTANCE = Variable(
    "worker_instance",
    "Worker instance",
    "Workers, by the address their metrics come from.",
    "instance",
    'umbra_store_up{job=~"$job"}',
)
ROUTE = Variable(
    "route",
    "Route",
    "Routes of the API, as in /openapi.json.",
    "route",
    'umbra_requests_total{job=~"$job"}',
)
CANDIDATE = Variable(
    "candidate",
    "Candidate",
    "Models being scored in shadow, NAME@VERSION.",
    "candidate",
    'umbra_candidate_sample_ratio{job=~"$job"}',
)

_DATASOURCE_VARIABLE = {
    "type": "datasource",
    "name": "datasource",
    "label": "Datasource",
    "description": "The Prometheus that scrapes Umbra.",
    "query": "prometheus",
    "regex": "",
    "refresh": 1,
    "multi": False,
    "includeAll": False,
    "options": [],
    "current": {"selected": True, "text": "Prometheus", "value": "prometheus"},
    "hide": 0,
}


@dataclass(frozen=True, slots=True)
class Annotation:
    """Marks on every panel; `value_is_time`: the expression gives the moment, in milliseconds."""

    name: str
    expr: str
    title: str
    text: str
    color: str
    value_is_time: bool = False

    def as_json(self) -> Json:
        """Return Grafana's annotation query."""
        return {
            "name": self.name,
            "datasource": DATASOURCE,
            "enable": True,
            "hide": False,
            "iconColor": self.color,
            "expr": self.expr,
            "step": "15s",
            "titleFormat": self.title,
            "textFormat": self.text,
            "tagKeys": "model,candidate",
            "useValueForTime": self.value_is_time,
        }


_VERDICT = 'max by (candidate, state) (umbra_verdict_state{job=~"$job"}%s) == 1'

DEPLOYMENTS = Annotation(
    "Deployments",
    'max by (model) (umbra_deployment_timestamp_seconds{job=~"$job"}) * 1000',
    "{{model}} went live",
    "A deployment: promotion, rollback, or the first one.",
    "purple",
    value_is_time=True,
)
VERDICTS = Annotation(
    "Verdict changes",
    f"({_VERDICT % ''}) unless ({_VERDICT % ' offset $__interval'})",
    "{{candidate}}: {{state}}",
    "The verdict on this candidate became {{state}}.",
    "super-light-yellow",
)


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One page. `folder` is the directory its file is in, `since` how far back it reads at first."""

    uid: str
    title: str
    folder: str
    description: str
    variables: Sequence[Variable]
    sections: Sequence[Section]
    since: str = "now-3h"

    @property
    def path(self) -> str:
        """The path of its file under grafana/dashboards."""
        return f"{self.folder}/{self.uid.removeprefix(TAG + '-')}.json"

    def as_json(self, dashboards: Sequence[Dashboard]) -> Json:
        """Return Grafana's classic model, linked to all the other dashboards."""
        return {
            "id": None,
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": [TAG],
            "schemaVersion": SCHEMA_VERSION,
            "version": 1,
            "editable": False,
            "graphTooltip": 1,  # one crosshair on all panels
            "timezone": "browser",
            "time": {"from": self.since, "to": "now"},
            "refresh": "30s",
            "links": [_link(other) for other in dashboards if other.uid != self.uid],
            "annotations": {"list": [DEPLOYMENTS.as_json(), VERDICTS.as_json()]},
            "templating": {
                "list": [_DATASOURCE_VARIABLE, *(variable.as_json() for variable in self.variables)]
            },
            "panels": list(positioned(self.sections)),
        }


def _link(other: Dashboard) -> Json:
    return {
        "type": "link",
        "title": other.title,
        "url": f"/d/{other.uid}",
        "tooltip": other.description,
        "icon": "dashboard",
        "tags": [],
        "asDropdown": False,
        "targetBlank": False,
        "includeVars": True,
        "keepTime": True,
    }
