"""Kibana's objects are what their source says, hang together, and name only fields that there are."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from reading import index, objects

ROOT = Path(__file__).resolve().parents[2]
# What Kibana's schemas of these shapes allow; it refuses a dashboard with any other attribute.
ATTRIBUTES = {
    "index-pattern": {
        "title",
        "name",
        "timeFieldName",
        "allowNoIndex",
        "fieldFormatMap",
        "fieldAttrs",
        "fields",
        "runtimeFieldMap",
        "sourceFilters",
    },
    "search": {
        "title",
        "description",
        "columns",
        "sort",
        "grid",
        "hideChart",
        "isTextBasedQuery",
        "kibanaSavedObjectMeta",
    },
    "dashboard": {
        "title",
        "description",
        "version",
        "panelsJSON",
        "optionsJSON",
        "timeRestore",
        "timeFrom",
        "timeTo",
        "refreshInterval",
        "kibanaSavedObjectMeta",
    },
}
ENVELOPE = {
    "id",
    "type",
    "attributes",
    "references",
    "coreMigrationVersion",
    "typeMigrationVersion",
    "managed",
}
SHAPES = {"index-pattern": "8.0.0", "search": "8.0.0", "dashboard": "8.9.0"}
STRINGS = {
    "index-pattern": ["fieldFormatMap", "fieldAttrs", "fields", "runtimeFieldMap", "sourceFilters"],
    "search": ["kibanaSavedObjectMeta.searchSourceJSON"],
    "dashboard": ["panelsJSON", "optionsJSON", "kibanaSavedObjectMeta.searchSourceJSON"],
}
NUMBERS = {"long", "double"}
KEYS = {"keyword"} | NUMBERS
SUITS = {
    "count": None,
    "filters": None,
    "unique_count": KEYS,
    "percentile": NUMBERS,
    "min": NUMBERS,
    "max": NUMBERS,
    "range": NUMBERS,
    "date_histogram": {"date"},
    "terms": KEYS,
}
OBJECTS = objects.objects()
CHARTS = objects.charts()


def named(one: dict[str, object]) -> str:
    return str(one["id"])


def test_the_committed_file_is_what_the_source_makes() -> None:
    command = [sys.executable, "-m", "kibana.source", "--print"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    assert printed == objects.FILE.read_bytes(), "run `python -m kibana.source` and commit what it wrote"


def test_the_searches_and_dashboards_that_were_asked_for_are_there() -> None:
    assert {one["attributes"]["title"] for one in OBJECTS} == {
        "logs-umbra.*-*",
        "Umbra: errors",
        "Umbra: slow requests",
        "Umbra: refused inputs",
        "Umbra: candidate failures",
        "Umbra: one request by id",
        "Umbra: outcomes",
        "Umbra: candidate far above live",
        "Umbra: candidate far below live",
        "Umbra: API logs",
        "Umbra: model inputs",
        "Umbra: live and shadow predictions",
    }


def test_ids_are_unique_and_of_this_project() -> None:
    ids = [one["id"] for one in OBJECTS]
    assert len(set(ids)) == len(ids)
    assert all(name.startswith("umbra-") for name in ids)


@pytest.mark.parametrize("one", OBJECTS, ids=named)
def test_an_object_has_the_attributes_and_the_version_of_its_shape(one: objects.Object) -> None:
    assert set(one) == ENVELOPE
    assert set(one["attributes"]) == ATTRIBUTES[one["type"]]
    assert (one["coreMigrationVersion"], one["typeMigrationVersion"]) == ("8.8.0", SHAPES[one["type"]])


@pytest.mark.parametrize("one", OBJECTS, ids=named)
def test_json_within_an_object_is_text(one: objects.Object) -> None:
    for path in STRINGS[one["type"]]:
        value = one["attributes"]
        for name in path.split("."):
            value = value[name]
        assert isinstance(value, str), path
        json.loads(value)


@pytest.mark.parametrize("one", OBJECTS, ids=named)
def test_every_reference_leads_somewhere(one: objects.Object) -> None:
    there = {(other["type"], other["id"]) for other in OBJECTS}
    assert {(reference["type"], reference["id"]) for reference in one["references"]} <= there


@pytest.mark.parametrize("one", objects.of_type("search"), ids=named)
def test_a_search_looks_at_the_data_view_by_a_reference(one: objects.Object) -> None:
    assert objects.search_source(one)["indexRefName"] in {
        reference["name"] for reference in one["references"]
    }


@pytest.mark.parametrize("one", objects.of_type("dashboard"), ids=named)
def test_a_dashboard_carries_the_references_of_its_panels_and_no_others(one: objects.Object) -> None:
    needed = set()
    for panel in objects.panels(one):
        if panel["type"] == "search":
            needed.add(f"{panel['panelIndex']}:{panel['panelRefName']}")
        if panel["type"] == "lens":
            attributes = panel["embeddableConfig"]["attributes"]
            layers = attributes["state"]["datasourceStates"]["formBased"]["layers"]
            names = {f"indexpattern-datasource-layer-{layer}" for layer in layers}
            assert {reference["name"] for reference in attributes["references"]} == names
            needed |= {f"{panel['panelIndex']}:{name}" for name in names}
    assert {reference["name"] for reference in one["references"]} == needed


@pytest.mark.parametrize("one", objects.of_type("dashboard"), ids=named)
def test_panels_lie_beside_each_other_within_48_columns(one: objects.Object) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in objects.panels(one):
        grid = panel["gridData"]
        assert grid["i"] == panel["panelIndex"]
        cells = {
            (x, y)
            for x in range(grid["x"], grid["x"] + grid["w"])
            for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert cells
        assert not cells & taken
        assert max(x for x, _ in cells) < 48
        taken |= cells


@pytest.mark.parametrize("one", objects.of_type("dashboard"), ids=named)
def test_every_chart_says_what_it_shows(one: objects.Object) -> None:
    shown = [p["embeddableConfig"]["attributes"] for p in objects.panels(one) if p["type"] == "lens"]
    assert all(chart["title"] and chart["description"].endswith(".") for chart in shown)
    titles = [chart["title"] for chart in shown]
    assert len(set(titles)) == len(titles)


def test_every_field_in_an_object_is_one_that_lines_have() -> None:
    known = {**index.ecs(), **index.mapped()}
    unknown = {field: users for field, users in objects.fields_used().items() if field not in known}
    assert unknown == {}


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_a_charts_columns_suit_the_types_of_their_fields(chart: objects.Chart) -> None:
    known = {**index.ecs(), **index.mapped()}
    for column in chart.columns.values():
        suits = SUITS[column["operationType"]]
        assert suits is None or known[column["sourceField"]] in suits, column["label"]


@pytest.mark.parametrize("search", objects.searches(), ids=lambda search: search.id)
def test_a_search_is_sorted_by_a_field_that_can_be(search: objects.Search) -> None:
    known = {**index.ecs(), **index.mapped()}
    assert all(known[field] in {"date"} | KEYS for field, _ in search.sort)


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_a_charts_accessors_are_its_columns(chart: objects.Chart) -> None:
    (panel,) = (
        panel
        for one in objects.of_type("dashboard")
        for panel in objects.panels(one)
        if one["id"] == chart.dashboard and panel.get("title") == chart.title
    )
    shown = panel["embeddableConfig"]["attributes"]["state"]["visualization"]
    assert sorted(_accessors(shown)) == sorted(chart.columns)
    ordered = [
        name
        for name, column in chart.columns.items()
        if column["operationType"] == "terms"
        and column["params"]["orderBy"].get("columnId", "figure-0") not in chart.columns
    ]
    assert ordered == []


def _accessors(shown: dict[str, object]) -> list[str]:
    layers = shown.get("layers", [shown])
    assert isinstance(layers, list)
    found = []
    for layer in layers:
        found += [layer[key] for key in ("xAccessor", "splitAccessor", "metricAccessor") if key in layer]
        found += layer.get("accessors", [])
        found += [column["columnId"] for column in layer.get("columns", [])]
    return found
