"""Interfaces as plain data: the metrics of a scrape, and what an OpenAPI document promises."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from monitoring import metrics

Metrics = dict[str, dict[str, Any]]
_TEXTS = ("summary", "description", "title")
_BY_NAME = ("properties", "paths", "responses", "content", "headers")
"""Where keys are names, which may be called as a keyword is."""
_VERBATIM = ("example", "examples", "default", "const")
_SETS = ("required", "enum", "type", "tags", "parameters")
"""Lists whose order means nothing."""


def declared() -> Metrics:
    """List type and labels of every metric in the catalogue."""
    return {metric.name: _shape(metric.kind, metric.labels) for metric in metrics.declarations()}


def exposed(text: str) -> Metrics:
    """List type and labels of every metric in the text of a /metrics; the labels are those of its samples."""
    families = sorted(text_string_to_metric_families(text), key=lambda family: family.name)
    return {
        family.name: _shape(family.type, {label for sample in family.samples for label in sample.labels})
        for family in families
    }


def _shape(kind: str, labels: Iterable[str]) -> dict[str, Any]:
    return {"type": kind, "labels": sorted(labels)}


def promised(document: dict[str, Any]) -> Any:
    """Resolve the references of an OpenAPI document; leave out texts, the version and names of components."""
    components, info = document["components"], dict(document["info"], version="")
    parts = {**document, "info": info, "components": components["securitySchemes"]}
    return _resolved(parts, components)


def _resolved(node: Any, components: Any, *, by_name: bool = False) -> Any:
    if isinstance(node, list):
        return [_resolved(item, components) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node and not by_name:
        *_, kind, name = node["$ref"].split("/")
        beside = {key: value for key, value in node.items() if key != "$ref"}
        return _resolved(components[kind][name] | beside, components)
    resolved = {
        key: value
        if key in _VERBATIM and not by_name
        else _resolved(value, components, by_name=key in _BY_NAME and not by_name)
        for key, value in node.items()
        if by_name or key not in _TEXTS
    }
    lists = [key for key in _SETS if isinstance(resolved.get(key), list) and not by_name]
    return resolved | {key: sorted(resolved[key], key=repr) for key in lists}
