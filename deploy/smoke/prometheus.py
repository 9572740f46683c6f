"""Prometheus scrapes everything, evaluates its rules, and reaches Alertmanager."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smoke.check import Wrong
from smoke.site import Site

JOBS = ("alertmanager", "prometheus", "umbra-api", "umbra-worker")


def targets(prometheus: Site) -> str:
    """Every target of every job is up; raises Wrong."""
    found = prometheus.json("GET", "/api/v1/targets?state=active")["data"]["activeTargets"]
    down = [_trouble(one) for one in found if one["health"] != "up"]
    missing = sorted(set(JOBS) - {one["labels"]["job"] for one in found})
    if down or missing:
        raise Wrong("; ".join([*down, *(f"{job} is not scraped" for job in missing)]), "look at /targets")
    return f"{len(found)} up: {', '.join(sorted(one['labels']['job'] for one in found))}"


def _trouble(target: Mapping[str, Any]) -> str:
    return f"{target['labels']['job']} {target['health']} {target['lastError']}".strip()


def rules(prometheus: Site) -> str:
    """Every rule was evaluated without an error; raises Wrong."""
    groups = prometheus.json("GET", "/api/v1/rules")["data"]["groups"]
    found = [rule for group in groups for rule in group["rules"]]
    bad = [
        f"{rule['name']}: {rule.get('lastError') or rule['health']}"
        for rule in found
        if rule["health"] != "ok"
    ]
    alerts = [rule for rule in found if rule["type"] == "alerting"]
    if bad or not alerts:
        raise Wrong("; ".join(bad[:3]) or "no alert rules are loaded", prometheus.logs())
    firing = sorted(rule["name"] for rule in alerts if rule["state"] == "firing")
    return f"{len(found) - len(alerts)} recorded, {len(alerts)} alerts, firing: {', '.join(firing) or 'none'}"


def alertmanagers(prometheus: Site, alertmanager: Site) -> str:
    """Prometheus sends to an Alertmanager, and that one answers; raises Wrong."""
    active = prometheus.json("GET", "/api/v1/alertmanagers")["data"]["activeAlertmanagers"]
    if not active:
        raise Wrong("Prometheus knows no Alertmanager", prometheus.logs())
    version = alertmanager.json("GET", "/api/v2/status")["versionInfo"]["version"]
    return f"Prometheus sends to {active[0]['url']} ({version})"
