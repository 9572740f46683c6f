"""What a person needs of a dashboard: names, explanations, units, a tidy page, links that lead somewhere."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from committed import DIRECTORY, GRAFANA, Json, dashboards, panels, variables_in

DASHBOARDS = list(dashboards().values())
EVERY = pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda one: one["uid"])
UIDS = {"umbra-service", "umbra-live-and-shadow", "umbra-shadow-pipeline", "umbra-evidence"}
KINDS = {"stat", "timeseries", "heatmap", "table", "bargauge", "text"}
COLUMNS = 24


def _provisioned(folder: str) -> list[Any]:
    return [
        yaml.safe_load(path.read_text()) for path in sorted((GRAFANA / "provisioning" / folder).glob("*"))
    ]


def _sources() -> dict[str, str]:
    """Type by uid of every provisioned datasource."""
    return {one["uid"]: one["type"] for file in _provisioned("datasources") for one in file["datasources"]}


def _nested(found: object, key: str) -> Iterator[Any]:
    """Every value under this key, wherever it is."""
    if isinstance(found, dict):
        for name, value in found.items():
            if name == key:
                yield value
            yield from _nested(value, key)
    elif isinstance(found, list):
        for one in found:
            yield from _nested(one, key)


def _cells(panel: Json) -> set[tuple[int, int]]:
    at = panel["gridPos"]
    return set(itertools.product(range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])))


def test_the_four_dashboards_are_there_under_their_uids_each_with_a_title_of_its_own() -> None:
    assert sorted(one["uid"] for one in DASHBOARDS) == sorted(UIDS)
    assert len({one["title"] for one in DASHBOARDS}) == len(DASHBOARDS)


def test_every_dashboard_is_in_the_directory_of_one_provider_with_a_folder_of_its_own() -> None:
    providers = [one for file in _provisioned("dashboards") for one in file["providers"]]
    directories = {one["options"]["path"].removeprefix("/etc/grafana/dashboards/") for one in providers}
    assert {path.parent.relative_to(DIRECTORY).as_posix() for path in dashboards()} == directories
    assert len({one["folderUid"] for one in providers}) == len({one["folder"] for one in providers})
    assert len(providers) == len(directories)


@EVERY
def test_it_is_the_raw_model_that_a_provider_can_load(dashboard: Json) -> None:
    assert dashboard["id"] is None
    assert dashboard["schemaVersion"] == 42
    assert "__inputs" not in dashboard
    assert "${DS_" not in json.dumps(dashboard)


@EVERY
def test_panels_have_numbers_and_titles_of_their_own(dashboard: Json) -> None:
    numbers = Counter(panel["id"] for panel in dashboard["panels"])
    titles = Counter(panel["title"] for panel in dashboard["panels"] if panel["type"] != "row")
    assert [number for number, count in numbers.items() if count > 1] == []
    assert [title for title, count in titles.items() if count > 1] == []
    assert {panel["type"] for panel in panels(dashboard)} <= KINDS


@EVERY
def test_panels_fill_the_page_without_holes_or_overlaps(dashboard: Json) -> None:
    taken = Counter(cell for panel in dashboard["panels"] for cell in _cells(panel))
    assert [cell for cell, count in taken.items() if count > 1] == []
    rows = 1 + max(y for _, y in taken)
    assert taken.keys() == set(itertools.product(range(COLUMNS), range(rows)))


@EVERY
def test_the_page_begins_with_a_titled_row_and_no_row_is_empty(dashboard: Json) -> None:
    kinds = [panel["type"] for panel in dashboard["panels"]]
    assert kinds[0] == "row"
    assert kinds[-1] != "row"
    assert ("row", "row") not in itertools.pairwise(kinds)
    assert all(panel["title"] for panel in dashboard["panels"])


@EVERY
def test_every_panel_says_what_it_shows_what_is_normal_and_what_to_do(dashboard: Json) -> None:
    for panel in panels(dashboard):
        if panel["type"] == "text":
            assert panel["description"], panel["title"]
            continue
        shown, normal, act = re.split(r"\n\n\*\*(?:Normal|If not):\*\* ", panel["description"])
        assert min(len(shown), len(act)) > 10, panel["title"]
        assert normal, panel["title"]


@EVERY
def test_every_panel_with_data_has_queries_and_a_unit(dashboard: Json) -> None:
    for panel in panels(dashboard):
        if panel["type"] != "text":
            assert panel["targets"], panel["title"]
            assert panel["fieldConfig"]["defaults"].get("unit"), panel["title"]
            letters = [target["refId"] for target in panel["targets"]]
            assert len(set(letters)) == len(letters), panel["title"]


@EVERY
def test_every_series_has_a_legend(dashboard: Json) -> None:
    for panel in panels(dashboard):
        if panel["type"] in {"timeseries", "stat", "bargauge"}:
            assert all(target["legendFormat"] for target in panel["targets"]), panel["title"]


@EVERY
def test_everything_asks_a_provisioned_datasource(dashboard: Json) -> None:
    sources = _sources()
    chosen = next(one for one in dashboard["templating"]["list"] if one["type"] == "datasource")
    assert sources[chosen["current"]["value"]] == chosen["query"] == "prometheus"
    asked = list(_nested(dashboard, "datasource"))
    assert len(asked) > 10
    assert {(one["type"], one["uid"]) for one in asked} == {("prometheus", "${datasource}")}


def test_the_datasources_are_both_prometheus_at_their_scrape_intervals_and_alertmanager() -> None:
    assert _sources() == {
        "prometheus": "prometheus",
        "prometheus-demo": "prometheus",
        "alertmanager": "alertmanager",
    }
    declared = {one["uid"]: one for file in _provisioned("datasources") for one in file["datasources"]}
    for uid, name in (("prometheus", "prometheus.yml"), ("prometheus-demo", "demo.yml")):
        scraped = yaml.safe_load((GRAFANA.parent / "prometheus" / name).read_text())
        assert declared[uid]["jsonData"]["timeInterval"] == scraped["global"]["scrape_interval"]
    assert [uid for uid, one in declared.items() if one.get("isDefault")] == ["prometheus"]


@EVERY
def test_it_links_to_all_the_others_and_every_link_leads_to_one(dashboard: Json) -> None:
    linked = {link["url"] for link in dashboard["links"]}
    assert linked == {f"/d/{uid}" for uid in UIDS - {dashboard["uid"]}}
    mentioned = set(re.findall(r"/d/([\w-]+)", json.dumps(dashboard)))
    assert mentioned <= UIDS


@EVERY
def test_it_uses_every_variable_it_has_and_has_every_variable_it_uses(dashboard: Json) -> None:
    declared = {variable["name"] for variable in dashboard["templating"]["list"]}
    without = json.dumps({name: value for name, value in dashboard.items() if name != "templating"})
    used = {name for name in variables_in(without) if not name.startswith("__")}
    assert used == declared


@EVERY
def test_a_variable_is_defined_as_it_is_shown_and_begins_with_everything(dashboard: Json) -> None:
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            assert variable["definition"] == variable["query"]["query"]
            assert variable["current"]["value"] == ["$__all"]


@EVERY
def test_deployments_and_verdicts_are_marked(dashboard: Json) -> None:
    marks = {one["name"]: one for one in dashboard["annotations"]["list"]}
    deployments = marks["Deployments"]
    assert deployments["useValueForTime"] is True
    assert deployments["expr"].endswith(" * 1000")  # Grafana takes the value for milliseconds
    assert "umbra_verdict_state" in marks["Verdict changes"]["expr"]


@EVERY
def test_live_and_candidates_have_their_colours_wherever_they_are_series(dashboard: Json) -> None:
    colours: dict[str, set[str]] = {"live": set(), "candidate": set()}
    for override in _nested(dashboard, "overrides"):
        for look in override:
            name = look["matcher"]["options"].strip("/^").lower()
            fixed = [p["value"]["fixedColor"] for p in look["properties"] if p["id"] == "color"]
            if name in colours:
                colours[name].update(fixed)
    assert all(len(found) <= 1 for found in colours.values())
    assert not colours["live"] & colours["candidate"]


def test_evidence_says_that_it_may_be_empty_and_so_does_each_of_its_panels() -> None:
    (evidence,) = (one for one in DASHBOARDS if one["uid"] == "umbra-evidence")
    text, *others = panels(evidence)
    assert text["type"] == "text"
    assert "empty until there is evidence" in text["options"]["content"]
    for panel in others:
        assert "Empty until" in panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["noValue"] == "no evidence yet", panel["title"]
