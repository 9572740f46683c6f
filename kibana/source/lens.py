"""Charts as Kibana's Lens stores them: columns of figures over the lines that a KQL query matches.

The shapes are those of `formBased` states as Kibana 8.6 and later write them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Column = dict[str, Any]
Kind = Literal["bar", "bar_stacked", "bar_horizontal", "line", "number", "table"]

LAYER = "layer"
TIME = "@timestamp"


@dataclass(frozen=True, slots=True)
class Chart:
    """Figures per bucket: `buckets` are the x axis and then what splits it, or the rows of a table."""

    title: str
    description: str
    kind: Kind
    query: str
    figures: Sequence[Column]
    buckets: Sequence[Column] = ()


def count(label: str, where: str = "") -> Column:
    """Count lines; with `where` only those that this KQL matches too."""
    column = _figure(label, "count", "___records___", emptyAsNull=False)
    return column | {"filter": _kql(where)} if where else column


def distinct(label: str, field: str) -> Column:
    """Count the different values of a field."""
    return _figure(label, "unique_count", field)


def percentile(label: str, field: str, percent: int) -> Column:
    """Take a percentile of a number."""
    return _figure(label, "percentile", field, percentile=percent)


def smallest(label: str, field: str) -> Column:
    """Take the least value of a number."""
    return _figure(label, "min", field)


def largest(label: str, field: str) -> Column:
    """Take the greatest value of a number."""
    return _figure(label, "max", field)


def over_time() -> Column:
    """Make a bucket for each interval of time."""
    params = {"interval": "auto", "includeEmptyRows": True, "dropPartials": False}
    return _bucket("time", "date_histogram", "date", "interval", params) | {"sourceField": TIME}


def values(label: str, field: str, size: int = 10, *, ordered: bool = False) -> Column:
    """Make a bucket for each value: the `size` most frequent, or all in order of a number with few values."""
    order: dict[str, Any] = {"type": "column", "columnId": "figure-0"}
    if ordered:
        order = {"type": "alphabetical", "fallback": False}
    params = {
        "size": size,
        "orderBy": order,
        "orderDirection": "asc" if ordered else "desc",
        "otherBucket": False,
        "missingBucket": False,
    }
    kind = "number" if ordered else "string"
    return _bucket(label, "terms", kind, "ordinal", params) | {"sourceField": field}


def histogram(label: str, field: str) -> Column:
    """Make buckets of a number; Kibana chooses their width."""
    params = {"type": "histogram", "ranges": [{"from": 0, "to": 1000, "label": ""}], "maxBars": "auto"}
    return _bucket(label, "range", "number", "interval", params) | {"sourceField": field}


def classes(label: str, field: str, edges: Sequence[float], label_format: str) -> Column:
    """Make buckets with these edges, open at both ends, so that two charts of the same classes compare.

    `label_format` writes an edge, `${:,.0f}` for example.
    """
    names = [label_format.format(edge) for edge in edges]
    first = {"from": None, "to": edges[0], "label": f"< {names[0]}"}
    last = {"from": edges[-1], "to": None, "label": f"≥ {names[-1]}"}
    between = [
        {"from": low, "to": high, "label": f"{name} to {next_name}"}
        for low, high, name, next_name in zip(edges, edges[1:], names, names[1:], strict=False)
    ]
    params = {
        "type": "range",
        "ranges": [first, *between, last],
        "maxBars": 50,
        "parentFormat": {"id": "range", "params": {"template": "arrow_right", "replaceInfinity": True}},
    }
    return _bucket(label, "range", "string", "ordinal", params) | {"sourceField": field}


def queries(label: str, named: dict[str, str]) -> Column:
    """Make a bucket for each KQL query, under its name."""
    filters = [{"label": name, "input": _kql(query)} for name, query in named.items()]
    return _bucket(label, "filters", "string", "ordinal", {"filters": filters})


def attributes(chart: Chart, data_view: str) -> dict[str, Any]:
    """Return the attributes and references of a Lens object, as a dashboard's panel holds them."""
    buckets = {f"bucket-{number}": column for number, column in enumerate(chart.buckets)}
    figures = {f"figure-{number}": column for number, column in enumerate(chart.figures)}
    layer = {"columnOrder": [*buckets, *figures], "columns": buckets | figures, "incompleteColumns": {}}
    kind, visualization = _visualization(chart, list(buckets), list(figures))
    return {
        "title": chart.title,
        "description": chart.description,
        "visualizationType": kind,
        "references": [
            {"type": "index-pattern", "id": data_view, "name": f"indexpattern-datasource-layer-{LAYER}"}
        ],
        "state": {
            "datasourceStates": {"formBased": {"layers": {LAYER: layer}}},
            "visualization": visualization,
            "query": _kql(chart.query),
            "filters": [],
            "internalReferences": [],
            "adHocDataViews": {},
        },
    }


def _visualization(chart: Chart, buckets: list[str], figures: list[str]) -> tuple[str, dict[str, Any]]:
    layer: dict[str, Any] = {"layerId": LAYER, "layerType": "data"}
    if chart.kind == "number":
        return "lnsMetric", layer | {"metricAccessor": figures[0]}
    if chart.kind == "table":
        return "lnsDatatable", layer | {"columns": [{"columnId": name} for name in [*buckets, *figures]]}
    layer |= {"seriesType": chart.kind, "xAccessor": buckets[0], "accessors": figures}
    if len(buckets) > 1:
        layer |= {"splitAccessor": buckets[1]}
    several = len(buckets) > 1 or len(figures) > 1
    return "lnsXY", {
        "preferredSeriesType": chart.kind,
        "legend": {"isVisible": several, "position": "right"},
        "valueLabels": "hide",
        "layers": [layer],
    }


def _figure(label: str, operation: str, field: str, **params: Any) -> Column:
    return {
        "label": label,
        "customLabel": True,
        "dataType": "number",
        "operationType": operation,
        "isBucketed": False,
        "scale": "ratio",
        "sourceField": field,
        "params": params,
    }


def _bucket(label: str, operation: str, kind: str, scale: str, params: dict[str, Any]) -> Column:
    return {
        "label": label,
        "customLabel": True,
        "dataType": kind,
        "operationType": operation,
        "isBucketed": True,
        "scale": scale,
        "params": params,
    }


def _kql(query: str) -> dict[str, str]:
    return {"query": query, "language": "kuery"}
