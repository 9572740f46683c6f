"""The saved objects as committed, and the searches, charts and fields in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reading import kql

FILE = Path(__file__).resolve().parents[3] / "kibana" / "umbra.ndjson"

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Search:
    """A saved search."""

    id: str
    query: str
    columns: tuple[str, ...]
    sort: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """A Lens chart of a dashboard: its query, and its columns in their order."""

    dashboard: str
    title: str
    kind: str
    query: str
    columns: dict[str, dict[str, Any]]

    @property
    def name(self) -> str:
        """What a test calls it."""
        return f"{self.dashboard}: {self.title}"


def objects() -> list[Object]:
    """Every object."""
    return [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]


def of_type(kind: str) -> list[Object]:
    """Every object of a type."""
    return [one for one in objects() if one["type"] == kind]


def searches() -> list[Search]:
    """Every saved search."""
    return [
        Search(
            one["id"],
            search_source(one)["query"]["query"],
            tuple(one["attributes"]["columns"]),
            tuple((field, order) for field, order in one["attributes"]["sort"]),
        )
        for one in of_type("search")
    ]


def search_source(one: Object) -> dict[str, Any]:
    """What a search or a dashboard asks for beyond its panels."""
    found: dict[str, Any] = json.loads(one["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
    return found


def panels(dashboard: Object) -> list[dict[str, Any]]:
    """The panels of a dashboard."""
    found: list[dict[str, Any]] = json.loads(dashboard["attributes"]["panelsJSON"])
    return found


def charts() -> list[Chart]:
    """Every chart of every dashboard."""
    return [
        _chart(one["id"], panel["embeddableConfig"]["attributes"])
        for one in of_type("dashboard")
        for panel in panels(one)
        if panel["type"] == "lens"
    ]


def _chart(dashboard: str, attributes: dict[str, Any]) -> Chart:
    state = attributes["state"]
    (layer,) = state["datasourceStates"]["formBased"]["layers"].values()
    columns = {name: layer["columns"][name] for name in layer["columnOrder"]}
    return Chart(
        dashboard, attributes["title"], attributes["visualizationType"], state["query"]["query"], columns
    )


def fields_used() -> dict[str, set[str]]:
    """Each field that an object names, with the objects that do."""
    found: dict[str, set[str]] = {}
    for name, field in _named():
        found.setdefault(field, set()).add(name)
    return found


def _named() -> Iterator[tuple[str, str]]:
    for search in searches():
        for field in (*search.columns, *(name for name, _ in search.sort), *kql.read(search.query).fields):
            yield search.id, field
    for chart in charts():
        yield from ((chart.name, field) for field in kql.read(chart.query).fields)
        for column in chart.columns.values():
            yield from ((chart.name, field) for field in _of_column(column))
    for view in of_type("index-pattern"):
        attributes = view["attributes"]
        for field in (attributes["timeFieldName"], *json.loads(attributes["fieldFormatMap"])):
            yield view["id"], field


def _of_column(column: dict[str, Any]) -> Iterator[str]:
    source = column.get("sourceField")
    if source and source != "___records___":
        yield source
    inner = [column["filter"]] if "filter" in column else []
    inner += [one["input"] for one in column["params"].get("filters", [])]
    for query in inner:
        yield from kql.read(query["query"]).fields
