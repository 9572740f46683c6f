"""The rules are valid, every alert is shown to fire and to be silent, and all they name exists."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from prometheus_client.utils import floatToGoString
from rule_files import CASE_FILES, ROOT, RULE_FILES, Tool, parsed, rules

from monitoring import metrics
from monitoring.metrics.buckets import DIFFERENCE_RATIO, DURATION_SECONDS, PRICE_DOLLARS

DASHBOARDS = {"umbra-service", "umbra-live-and-shadow", "umbra-shadow-pipeline", "umbra-evidence"}
SEVERITIES = {"page", "ticket", "info", "none"}
ANNOTATIONS = {"summary", "description", "runbook_url", "dashboard"}
EDGES = {
    "umbra_request_duration_seconds": DURATION_SECONDS,
    "umbra_prediction_price_dollars": PRICE_DOLLARS,
    "umbra_candidate_difference_ratio": DIFFERENCE_RATIO,
}
ALWAYS_FIRES = "UmbraWatchdog"
THEIR_OWN = {
    "prometheus_config_last_reload_successful": set[str](),
    "prometheus_notifications_alertmanagers_discovered": set[str](),
    "prometheus_notifications_dropped_total": set[str](),
    "prometheus_notifications_errors_total": {"alertmanager"},
    "prometheus_rule_evaluation_failures_total": {"rule_group"},
    "alertmanager_config_last_reload_successful": set[str](),
    "alertmanager_notifications_failed_total": {"integration"},
}
"""What Prometheus and Alertmanager say of themselves; tests/integration/test_alerting.py asks real ones."""
ALERTS = [rule for rule in rules() if "alert" in rule]


class Alert(NamedTuple):
    """An alert at one of its severities."""

    name: str
    severity: str


DECLARED = {Alert(rule["alert"], rule["labels"]["severity"]) for rule in ALERTS}


class Check(NamedTuple):
    """One look of a case at one alert; `fired` are the severities it must have."""

    case: dict[str, Any]
    name: str
    fired: set[str]


def checks() -> list[Check]:
    """Every look of every case file."""
    return [
        Check(case, one["alertname"], {a["exp_labels"]["severity"] for a in one.get("exp_alerts", [])})
        for path in CASE_FILES
        for case in parsed(path)["tests"]
        for one in case.get("alert_rule_test", [])
    ]


def metrics_of(expression: str) -> set[str]:
    """The names of ours, and of recording rules, that an expression asks for; without labels and texts."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    return set(re.findall(r"[a-z_]+(?::\w+)+|\b(?:umbra|prometheus|alertmanager)_\w+|\bup\b", bare))


@pytest.mark.parametrize("name", ["prometheus.yml", "demo.yml"])
def test_the_configuration_is_valid(promtool: Tool, name: str) -> None:
    promtool("check", "config", ROOT / "prometheus" / name)


def test_the_prometheus_of_the_demo_tells_nobody_and_scrapes_the_demo_alone() -> None:
    demo = parsed(ROOT / "prometheus" / "demo.yml")
    assert "alerting" not in demo
    addresses = {
        target.partition(":")[0]
        for job in demo["scrape_configs"]
        for targets in job["static_configs"]
        for target in targets["targets"]
    }
    assert addresses == {"demo"}


def test_the_rules_are_valid_and_none_is_written_twice(promtool: Tool) -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", *RULE_FILES)


@pytest.mark.parametrize("path", CASE_FILES, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_only_then(promtool: Tool, path: Path) -> None:
    promtool("test", "rules", path)


def test_every_alert_is_shown_to_fire_at_each_of_its_severities() -> None:
    assert {Alert(check.name, severity) for check in checks() for severity in check.fired} == DECLARED


def test_every_alert_is_shown_to_be_silent_where_its_metrics_are_present() -> None:
    asked = {rule["alert"]: needed(rule["expr"]) for rule in ALERTS}
    silent = {
        Alert(check.name, severity)
        for check in checks()
        for severity in SEVERITIES - check.fired
        if asked[check.name] & {series_name(one["series"]) for one in check.case["input_series"]}
    }
    assert {alert.name for alert in DECLARED - silent} == {ALWAYS_FIRES}


def test_a_wait_is_shown_to_be_waited_for() -> None:
    """An alert with `for` is silent at one moment of a case and fires at a later one."""
    seen: dict[tuple[int, str], list[set[str]]] = {}
    for check in checks():
        seen.setdefault((id(check.case), check.name), []).append(check.fired)
    waits = {Alert(rule["alert"], rule["labels"]["severity"]) for rule in ALERTS if "for" in rule}
    shown = {
        Alert(name, severity)
        for (_, name), looks in seen.items()
        for before, after in pairwise(looks)
        for severity in after - before
    }
    assert waits <= shown


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
def test_an_alert_says_what_is_wrong_how_bad_it_is_and_where_to_look(rule: dict[str, Any]) -> None:
    name, notes = rule["alert"], rule["annotations"]
    assert re.fullmatch(r"Umbra([A-Z][a-z]+)+", name)
    assert rule["labels"]["severity"] in SEVERITIES
    assert rule["labels"].keys() == {"severity"}
    assert notes.keys() == ANNOTATIONS
    assert all(notes.values())
    assert notes["runbook_url"] == f"docs/monitoring.md#{name.lower()}"
    assert notes["dashboard"] in DASHBOARDS
    assert "{{" not in notes["summary"], "a summary is the same for all alerts of a group"
    assert notes["description"].endswith(".")


def test_a_rule_asks_only_for_metrics_that_exist() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    for rule in rules():
        assert metrics_of(rule["expr"]) or rule.get("alert") == ALWAYS_FIRES, rule
        assert metrics_of(rule["expr"]) <= recorded | exported_names().keys(), rule


def test_a_rule_selects_by_labels_and_edges_that_exist() -> None:
    for rule in rules():
        for name, selector in re.findall(r"\b(umbra_\w+)\{([^}]*)\}", rule["expr"]):
            labels = dict(re.findall(r'(\w+)=~?"([^"]*)"', selector))
            assert labels.keys() <= exported_names()[name] | {"job"}, rule
            if "le" in labels:
                assert labels["le"] in ("+Inf", *edges(name)), rule


def test_a_case_gives_series_as_they_are_exported() -> None:
    given = {
        one["series"] for path in CASE_FILES for case in parsed(path)["tests"] for one in case["input_series"]
    }
    for series in given:
        labels = set(re.findall(r'(\w+)="', series)) - {"job", "instance"}
        assert labels == exported_names()[series_name(series)], series


def test_a_recording_rule_is_named_level_metric_operations() -> None:
    for rule in rules():
        if "record" in rule:
            assert re.fullmatch(r"[a-z_]+:umbra_[a-z_]+:[a-z0-9_]+", rule["record"])


def test_a_recording_rule_looks_back_as_far_as_its_name_says() -> None:
    for rule in rules():
        if said := re.search(r"(?:rate|increase)(\d+[mhd])$", rule.get("record", "")):
            assert set(re.findall(r"\[(\w+)\]", rule["expr"])) <= {said[1]}, rule


def test_the_table_of_neighbouring_edges_is_that_of_the_histogram() -> None:
    record = "role_window_le:umbra_prices_below_edge_before:increase"
    (table,) = [rule["expr"] for rule in rules() if rule.get("record") == record]
    found = re.findall(r'label_replace\(\S+\{le="([^"]+)"\}, "le", "([^"]+)", "", ""\)', table)
    assert found == list(pairwise((*edges("umbra_prediction_price_dollars_bucket"), "+Inf")))


def exported_names() -> dict[str, set[str]]:
    """Every metric as Prometheus stores it, with its labels: three for a histogram."""
    exported: dict[str, set[str]] = {"up": set(), **THEIR_OWN}
    for one in metrics.declarations():
        labels = set(one.labels)
        if one.kind == "histogram":
            exported |= {f"{one.name}_bucket": labels | {"le"}, f"{one.name}_sum": labels}
            exported |= {f"{one.name}_count": labels}
        else:
            exported[one.name] = labels
    return exported


def edges(bucket: str) -> list[str]:
    """The edges of a histogram, as /metrics writes them."""
    return [floatToGoString(float(edge)) for edge in EDGES[bucket.removesuffix("_bucket")]]


def series_name(series: str) -> str:
    """The metric's name of a series such as `up{job="umbra-api"}`."""
    return series.partition("{")[0]


def needed(expression: str) -> set[str]:
    """The exported metrics an expression is computed from, recording rules followed."""
    by_name = {rule["record"]: rule["expr"] for rule in rules() if "record" in rule}
    found = metrics_of(expression)
    return {leaf for name in found for leaf in (needed(by_name[name]) if name in by_name else {name})}
