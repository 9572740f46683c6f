"""A Lens chart as the aggregations that Kibana would ask for, and what came of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reading import kql
from reading.objects import Chart

Column = dict[str, Any]
_SIMPLE = {"min": "min", "max": "max", "average": "avg", "unique_count": "cardinality"}


class NotKnown(ValueError):
    """A column of a kind that is not translated here."""


def request(chart: Chart) -> dict[str, Any]:
    """The body of a search for a chart's figures: bucket in bucket, the figures innermost."""
    figures = {name: _figure(column) for name, column in chart.columns.items() if not column["isBucketed"]}
    inner: dict[str, Any] = {name: figure for name, figure in figures.items() if figure is not None}
    for name, column in reversed(chart.columns.items()):
        if column["isBucketed"]:
            inner = {name: {**_bucket(column), "aggs": inner}}
    return {
        "size": 0,
        "track_total_hits": True,
        "query": kql.read(chart.query).query,
        "aggs": inner,
    }


def found(chart: Chart, answer: dict[str, Any]) -> dict[str, list[float]]:
    """Per column what came: counts of buckets that are not empty, values of figures."""
    values: dict[str, list[float]] = {name: [] for name in chart.columns}
    for name, value in _walk(chart, answer.get("aggregations", {}), answer["hits"]["total"]["value"]):
        if value is not None:
            values[name].append(value)
    return values


def _walk(chart: Chart, answer: dict[str, Any], lines: int) -> Iterator[tuple[str, float | None]]:
    nested = False
    for name, column in chart.columns.items():
        if column["isBucketed"] and not nested and name in answer:
            nested = True
            for bucket in _buckets(answer[name]):
                if bucket["doc_count"]:
                    yield name, bucket["doc_count"]
                    yield from _walk(chart, bucket, bucket["doc_count"])
    if not nested:
        for name, column in chart.columns.items():
            if not column["isBucketed"]:
                yield name, _value(answer[name]) if name in answer else lines


def _buckets(answer: dict[str, Any]) -> list[dict[str, Any]]:
    buckets = answer["buckets"]
    return list(buckets.values()) if isinstance(buckets, dict) else buckets


def _value(answer: dict[str, Any]) -> float | None:
    if "values" in answer:
        (value,) = answer["values"].values()
        return None if value == "NaN" else value
    return answer["value"] if "value" in answer else answer["doc_count"]


def _figure(column: Column) -> dict[str, Any] | None:
    """The aggregation of a figure; None for the count, which every bucket tells."""
    operation, field = column["operationType"], column["sourceField"]
    if operation == "count":
        return {"filter": kql.read(column["filter"]["query"]).query} if "filter" in column else None
    if operation == "percentile":
        return {"percentiles": {"field": field, "percents": [column["params"]["percentile"]]}}
    if operation in _SIMPLE:
        return {_SIMPLE[operation]: {"field": field}}
    raise NotKnown(f"figure {operation}")


def _bucket(column: Column) -> dict[str, Any]:
    operation, params = column["operationType"], column["params"]
    if operation == "date_histogram":
        return {
            "date_histogram": {"field": column["sourceField"], "fixed_interval": "1m", "min_doc_count": 1}
        }
    if operation == "terms":
        return {"terms": {"field": column["sourceField"], "size": params["size"]}}
    if operation == "filters":
        named = {one["label"]: kql.read(one["input"]["query"]).query for one in params["filters"]}
        return {"filters": {"filters": named}}
    if operation == "range" and params["type"] == "histogram":
        return {"variable_width_histogram": {"field": column["sourceField"], "buckets": 20}}
    if operation == "range":
        return {"range": {"field": column["sourceField"], "ranges": list(map(_edges, params["ranges"]))}}
    raise NotKnown(f"bucket {operation}")


def _edges(given: dict[str, Any]) -> dict[str, Any]:
    return {name: given[name] for name in ("from", "to") if given[name] is not None}
