"""The smoke command: what it asks of each product, what satisfies it, and what it says of what does not."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from smoke import elastic, grafana, prometheus
from smoke.check import CheckReport, Wrong
from smoke.compose import state_of
from smoke.document import JsonDocument
from standin.product import Product

ROOT = Path(__file__).parents[2]

MakeProduct = Callable[[], Product]
TRACE = "01a1fcc7-f675-7d2a-82c4-639886a25ca3"


@pytest.fixture
def product(make_product: MakeProduct) -> Product:
    return make_product()


def frames(*values: float | None) -> dict[str, Any]:
    """One frame as POST /api/ds/query answers with."""
    times = [1700000000000 + 15000 * i for i in range(len(values))]
    return {"status": 200, "frames": [{"schema": {"refId": "A"}, "data": {"values": [times, list(values)]}}]}


def board(*panels: dict[str, Any]) -> dict[str, Any]:
    variable = {"name": "job", "includeAll": True, "allValue": None, "current": {"value": ["$__all"]}}
    return {"dashboard": {"uid": "u", "panels": list(panels), "templating": {"list": [variable]}}}


def panel(title: str, expr: str, empty: str = "no data") -> dict[str, Any]:
    target = {"refId": "A", "expr": expr, "instant": False, "datasource": {"uid": "${datasource}"}}
    return {"title": title, "targets": [target], "fieldConfig": {"defaults": {"noValue": empty}}}


# -- Grafana


def test_a_dashboard_whose_queries_have_data_passes(product: Product) -> None:
    row = {"type": "row", "title": "closed", "panels": [panel("inner", 'sum(up{job=~"$job"})')]}
    product.answers = {
        ("GET", "/api/dashboards/uid/u"): (200, board(panel("outer", "rate(x[$__rate_interval])"), row)),
        ("POST", "/api/ds/query"): (200, {"results": {"A": frames(None, 1.5)}}),
    }
    assert grafana.dashboard(product.site("grafana", ("admin", "pw")), "u") == "2 queries with data"
    sent = [body["queries"][0] for method, _, _, body in product.asked if method == "POST"]
    assert [query["expr"] for query in sent] == ["rate(x[$__rate_interval])", 'sum(up{job=~".*"})']
    assert all(query["datasource"] == {"type": "prometheus", "uid": "prometheus"} for query in sent)
    assert all(headers["authorization"] == "Basic YWRtaW46cHc=" for _, _, headers, _ in product.asked)


@pytest.mark.parametrize("nothing", [{"status": 200, "frames": []}, frames(), frames(None, None)])
def test_a_panel_without_data_is_named(product: Product, nothing: dict[str, Any]) -> None:
    product.answers = {
        ("GET", "/api/dashboards/uid/u"): (200, board(panel("Traffic", "x"))),
        ("POST", "/api/ds/query"): (200, {"results": {"A": nothing}}),
    }
    with pytest.raises(Wrong, match="no data in: Traffic"):
        grafana.dashboard(product.site("grafana"), "u")


def test_a_panel_that_says_why_it_may_be_empty_may_be_empty(product: Product) -> None:
    product.answers = {
        ("GET", "/api/dashboards/uid/u"): (200, board(panel("Verdicts", "x", "no evidence yet"))),
        ("POST", "/api/ds/query"): (200, {"results": {"A": {"status": 200, "frames": []}}}),
    }
    assert grafana.dashboard(product.site("grafana"), "u") == "0 queries with data, 1 empty as they may be"


def test_a_query_that_fails_fails_even_where_it_may_be_empty(product: Product) -> None:
    error = {"results": {"A": {"status": 500, "error": "parse error", "frames": []}}}
    product.answers = {
        ("GET", "/api/dashboards/uid/u"): (200, board(panel("Verdicts", "x{", "no evidence yet"))),
        ("POST", "/api/ds/query"): (200, error),
    }
    with pytest.raises(Wrong, match="Verdicts: parse error"):
        grafana.dashboard(product.site("grafana"), "u")


def test_a_dashboard_that_is_not_there_is_wrong(product: Product) -> None:
    with pytest.raises(Wrong, match="answered 404"):
        grafana.dashboard(product.site("grafana"), "umbra-service")


def test_another_password_than_the_volumes_is_said_at_once(product: Product) -> None:
    product.answers = {("GET", "/api/dashboards/uid/u"): (401, {"message": "Invalid username or password"})}
    with pytest.raises(Wrong, match="401") as caught:
        grafana.dashboard(product.site("grafana", ("admin", "new")), "u")
    assert caught.value.final
    assert "password of its first start" in caught.value.advice


def test_a_datasource_that_does_not_reach_prometheus_is_wrong(product: Product) -> None:
    path = ("GET", "/api/datasources/uid/prometheus/health")
    product.answers = {path: (200, {"status": "OK", "message": "Successfully queried the Prometheus API."})}
    assert "Successfully" in grafana.datasource(product.site("grafana"))
    product.answers = {path: (200, {"status": "ERROR", "message": "connection refused"})}
    with pytest.raises(Wrong, match="connection refused"):
        grafana.datasource(product.site("grafana"))


def test_every_dashboard_of_the_repository_is_looked_for_and_no_variable_is_left_over() -> None:
    uids = grafana.expected(ROOT / "grafana" / "dashboards")
    assert {
        "umbra-service",
        "umbra-live-and-shadow",
        "umbra-shadow-pipeline",
        "umbra-evidence",
    } <= uids.keys()
    titles = set()
    for path in (ROOT / "grafana" / "dashboards").rglob("*.json"):
        model = json.loads(path.read_text(encoding="utf-8"))
        asked = list(grafana.queries(JsonDocument(model, path.name, "")))
        assert asked
        titles |= {(model["uid"], one.panel) for one in asked}
        exprs = [str(one.query["expr"]).replace("$__", "") for one in asked]
        assert [expr for expr in exprs if "$" in expr] == []
    assert grafana.QUIET.keys() <= titles, "a panel that may be empty is not there"


# -- Elasticsearch and Kibana


def hits(*lines: tuple[str, str]) -> dict[str, Any]:
    found = [{"_source": {"message": message, "event": {"dataset": dataset}}} for message, dataset in lines]
    return {"took": 1, "hits": {"total": {"value": len(found)}, "hits": found}}


SEARCH = ("POST", "/logs-umbra.*-*/_search")


def test_a_request_is_found_by_its_trace_id(product: Product) -> None:
    lines = hits(("request", "umbra.api"), ("house_captured", "umbra.worker"))
    product.answers = {SEARCH: (200, lines)}
    seen = elastic.request_found(product.site("elasticsearch", ("umbra_reader", "pw")), TRACE)
    assert seen == f"{TRACE}: house_captured (umbra.worker), request (umbra.api)"
    ((_, _, headers, body),) = product.asked
    assert body["query"] == {"term": {"trace.id": TRACE}}
    assert headers["authorization"].startswith("Basic ")


@pytest.mark.parametrize("lines", [hits(), hits(("house_captured", "umbra.worker"))])
def test_a_request_whose_own_line_is_missing_is_wrong(product: Product, lines: dict[str, Any]) -> None:
    product.answers = {SEARCH: (200, lines)}
    with pytest.raises(Wrong, match=TRACE) as caught:
        elastic.request_found(product.site("elasticsearch"), TRACE)
    assert "logstash" in caught.value.advice
    assert not caught.value.final


def export(body: dict[str, Any]) -> tuple[int, bytes]:
    """As Kibana answers POST /api/saved_objects/_export: one object a line."""
    return 200, b"\n".join(json.dumps(one | {"attributes": {}}).encode() for one in body["objects"])


def test_every_object_of_the_repository_is_asked_of_kibana(product: Product) -> None:
    wanted = elastic.expected(ROOT / "kibana")
    assert {"index-pattern", "dashboard", "search"} <= {kind for kind, _ in wanted}
    product.answers = {("POST", "/api/saved_objects/_export"): export}
    seen = elastic.objects_there(product.site("kibana", ("umbra_reader", "pw")), wanted)
    assert seen == f"{len(wanted)} objects"
    assert product.asked[0][2]["kbn-xsrf"]


def test_an_object_that_kibana_lacks_is_named(product: Product) -> None:
    wanted = [("search", "umbra-errors"), ("dashboard", "umbra-api-logs")]
    product.answers = {
        ("POST", "/api/saved_objects/_export"): lambda body: export({"objects": body["objects"][:1]})
    }
    with pytest.raises(Wrong, match="dashboard umbra-api-logs"):
        elastic.objects_there(product.site("kibana"), wanted)
    refusal = {"statusCode": 400, "message": "Error fetching objects to export"}
    product.answers = {("POST", "/api/saved_objects/_export"): (400, refusal)}
    with pytest.raises(Wrong, match="Error fetching objects"):
        elastic.objects_there(product.site("kibana"), wanted)


# -- Prometheus


def target(job: str, health: str = "up", error: str = "") -> dict[str, Any]:
    return {"labels": {"job": job}, "health": health, "lastError": error}


def test_a_target_that_is_down_or_missing_is_named(product: Product) -> None:
    path = ("GET", "/api/v1/targets")
    all_up = [target(job) for job in prometheus.JOBS]
    product.answers = {path: (200, {"data": {"activeTargets": all_up}})}
    assert prometheus.targets(product.site("prometheus")).startswith("4 up: ")
    product.answers = {
        path: (200, {"data": {"activeTargets": [*all_up[:3], target("umbra-worker", "down", "no route")]}})
    }
    with pytest.raises(Wrong, match="umbra-worker down no route"):
        prometheus.targets(product.site("prometheus"))
    product.answers = {path: (200, {"data": {"activeTargets": all_up[:3]}})}
    with pytest.raises(Wrong, match="umbra-worker is not scraped"):
        prometheus.targets(product.site("prometheus"))


def test_a_rule_that_cannot_be_evaluated_is_named(product: Product) -> None:
    fine = {"name": "UmbraNoTraffic", "type": "alerting", "health": "ok", "state": "firing"}
    bad = {"name": "job:x:rate5m", "type": "recording", "health": "err", "lastError": "many-to-many"}
    path = ("GET", "/api/v1/rules")
    product.answers = {path: (200, {"data": {"groups": [{"rules": [fine]}]}})}
    assert prometheus.rules(product.site("prometheus")) == "0 recorded, 1 alerts"
    product.answers = {path: (200, {"data": {"groups": [{"rules": [fine, bad]}]}})}
    with pytest.raises(Wrong, match="job:x:rate5m: many-to-many"):
        prometheus.rules(product.site("prometheus"))
    product.answers = {path: (200, {"data": {"groups": []}})}
    with pytest.raises(Wrong, match="no alert rules"):
        prometheus.rules(product.site("prometheus"))


def alert(name: str, severity: str, state: str = "firing") -> dict[str, Any]:
    rule = {"name": name, "type": "alerting", "health": "ok", "state": state}
    return rule | {"labels": {"severity": severity}}


def test_an_alert_that_pages_is_named_at_once_with_its_runbook(product: Product) -> None:
    path = ("GET", "/api/v1/rules")
    out = [alert("UmbraJournalSize", "page"), alert("UmbraWatchdog", "none"), alert("UmbraDrift", "ticket")]
    product.answers = {path: (200, {"data": {"groups": [{"rules": out}]}})}
    with pytest.raises(Wrong, match=r"an alert pages: UmbraJournalSize$") as caught:
        prometheus.pages(product.site("prometheus"))
    assert caught.value.final
    assert caught.value.advice == "its runbook: docs/monitoring.md#umbrajournalsize"


def test_alerts_that_do_not_page_are_listed_and_those_that_only_may_fire_are_not(product: Product) -> None:
    path = ("GET", "/api/v1/rules")
    out = [
        alert("UmbraWatchdog", "none"),
        alert("UmbraDrift", "ticket"),
        alert("UmbraVerdictChanged", "info"),
        alert("UmbraJournalSize", "page", "pending"),
    ]
    product.answers = {path: (200, {"data": {"groups": [{"rules": out}]}})}
    seen = prometheus.pages(product.site("prometheus"))
    assert seen == "no alert pages; 1 tickets (UmbraDrift); news: UmbraVerdictChanged"


# -- services, and the report


def container(state: str, health: str = "", code: int = 0) -> dict[str, Any]:
    return {"State": state, "Health": health, "ExitCode": code}


def test_a_service_is_as_it_should_be_only_when_healthy_or_done() -> None:
    assert state_of("api", container("running", "healthy")) == "healthy"
    assert state_of("migrate", container("exited")) == "done"
    for name, found in (
        ("api", container("running", "starting")),
        ("api", container("running", "unhealthy")),
        ("api", container("running")),
        ("api", container("restarting", code=1)),
        ("api", container("exited")),
        ("migrate", container("running")),
        ("migrate", container("exited", code=1)),
        ("api", None),
    ):
        with pytest.raises(Wrong):
            state_of(name, found)


def test_a_check_looks_again_until_it_is_satisfied_and_not_at_what_is_final() -> None:
    out = io.StringIO()
    report = CheckReport(out, seconds=30)
    looks = iter([Wrong("starting", "wait"), "healthy"])

    def look() -> str:
        found = next(looks)
        if isinstance(found, Wrong):
            raise found
        return found

    assert report.check("api", look) == "healthy"
    assert out.getvalue().split() == ["ok", "api", "healthy"]

    asked = 0

    def final() -> str:
        nonlocal asked
        asked += 1
        raise Wrong("exited with status 1", "docker compose logs migrate", final=True)

    with pytest.raises(Wrong):
        report.check("migrate", final)
    assert (report.passed, report.at, asked) == (1, "migrate", 1)
