"""Saved objects as Kibana imports them: one JSON document each, other JSON in it as strings.

The versions say which shape a document has; Kibana 8.9 and later, and 9.x, bring it up to date themselves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kibana.source import lens

DATA_VIEW = "umbra-logs"
LINKS = (
    "**Umbra** · [API logs](#/view/umbra-api-logs) · [Model inputs](#/view/umbra-model-inputs) · "
    "[Live and shadow predictions](#/view/umbra-live-and-shadow)"
)
"""The links at the top of every dashboard."""
_SHAPES = {"index-pattern": "8.0.0", "search": "8.0.0", "dashboard": "8.9.0"}
_COLUMNS = 48

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Search:
    """A saved search: the lines that a KQL query matches, newest first unless `sort` says otherwise."""

    id: str
    title: str
    description: str
    query: str
    columns: Sequence[str]
    sort: tuple[str, str] = (lens.TIME, "desc")


Panel = lens.Chart | Search | str
"""What a dashboard shows: a chart, the lines of a saved search, or text in Markdown."""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Panels in rows: each row is (height, panels), its panels are equally wide."""

    id: str
    title: str
    description: str
    rows: Sequence[tuple[int, Sequence[Panel]]]


def number(title: str, description: str, query: str, figure: lens.Column) -> lens.Chart:
    """Make a chart of one figure over all lines that a query matches."""
    return lens.Chart(title, description, "number", query, [figure])


def data_view(title: str, name: str, formats: Mapping[str, object]) -> Object:
    """Make the data view that every object reads; `formats` say how numbers are written."""
    attributes = {
        "title": title,
        "name": name,
        "timeFieldName": lens.TIME,
        "allowNoIndex": True,
        "fieldFormatMap": _compact_json(formats),
        "fieldAttrs": "{}",
        "fields": "[]",
        "runtimeFieldMap": "{}",
        "sourceFilters": "[]",
    }
    return _object("index-pattern", DATA_VIEW, attributes, [])


def search(saved: Search) -> Object:
    """Make the object of a saved search."""
    name = "kibanaSavedObjectMeta.searchSourceJSON.index"
    attributes = {
        "title": saved.title,
        "description": saved.description,
        "columns": list(saved.columns),
        "sort": [list(saved.sort)],
        "grid": {},
        "hideChart": False,
        "isTextBasedQuery": False,
        "kibanaSavedObjectMeta": _search_source(saved.query, indexRefName=name),
    }
    return _object("search", saved.id, attributes, [_reference("index-pattern", DATA_VIEW, name)])


def dashboard(board: Dashboard) -> Object:
    """Make the object of a dashboard."""
    panels: list[dict[str, Any]] = []
    references: list[dict[str, str]] = []
    top = 0
    for height, row in board.rows:
        width = _COLUMNS // len(row)
        for position, panel in enumerate(row):
            number = str(len(panels) + 1)
            grid = {"x": position * width, "y": top, "w": width, "h": height, "i": number}
            content, panel_references = _content(panel, number)
            panels.append({"panelIndex": number, "gridData": grid, **content})
            references += panel_references
        top += height
    attributes = {
        "title": board.title,
        "description": board.description,
        "version": 1,
        "panelsJSON": _compact_json(panels),
        "optionsJSON": _compact_json(
            {
                "useMargins": True,
                "syncColors": True,
                "syncCursor": True,
                "syncTooltips": False,
                "hidePanelTitles": False,
            }
        ),
        "timeRestore": True,
        "timeFrom": "now-24h",
        "timeTo": "now",
        "refreshInterval": {"pause": True, "value": 60000},
        "kibanaSavedObjectMeta": _search_source(""),
    }
    return _object("dashboard", board.id, attributes, references)


def _content(panel: Panel, number: str) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Return what a panel shows, and the references that the dashboard carries for it."""
    if isinstance(panel, Search):
        name = f"panel_{number}"
        reference = _reference("search", panel.id, f"{number}:{name}")
        return {"type": "search", "panelRefName": name, "embeddableConfig": {"enhancements": {}}}, [reference]
    if isinstance(panel, str):
        return {
            "type": "visualization",
            "embeddableConfig": {"savedVis": _markdown(panel), "enhancements": {}},
        }, []
    chart = lens.attributes(panel, DATA_VIEW)
    references = [reference | {"name": f"{number}:{reference['name']}"} for reference in chart["references"]]
    config = {"attributes": chart, "enhancements": {}}
    return {"type": "lens", "title": panel.title, "embeddableConfig": config}, references


def _markdown(text: str) -> dict[str, Any]:
    return {
        "type": "markdown",
        "title": "",
        "description": "",
        "uiState": {},
        "params": {"markdown": text, "fontSize": 12, "openLinksInNewTab": False},
        "data": {"aggs": [], "searchSource": {"query": {"query": "", "language": "kuery"}, "filter": []}},
    }


def _search_source(query: str, **more: str) -> dict[str, str]:
    source = {"query": {"query": query, "language": "kuery"}, "filter": [], **more}
    return {"searchSourceJSON": _compact_json(source)}


def _object(kind: str, identity: str, attributes: dict[str, Any], references: list[dict[str, str]]) -> Object:
    return {
        "id": identity,
        "type": kind,
        "attributes": attributes,
        "references": references,
        "coreMigrationVersion": "8.8.0",
        "typeMigrationVersion": _SHAPES[kind],
        "managed": False,
    }


def _reference(kind: str, identity: str, name: str) -> dict[str, str]:
    return {"type": kind, "id": identity, "name": name}


def _compact_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
