"""Prometheus scrapes everything, evaluates its rules, reaches Alertmanager, and has no page out."""

from __future__ import annotations

from smoke.check import Wrong
from smoke.document import JsonDocument
from smoke.site import HttpSite

JOBS = ("alertmanager", "prometheus", "umbra-api", "umbra-worker")
RUNBOOKS = "docs/monitoring.md#"


def targets(prometheus: HttpSite) -> str:
    """Check that every target of every job is up; raise Wrong."""
    active = prometheus.json("GET", "/api/v1/targets?state=active")["data"]["activeTargets"].items()
    down = [_trouble(target) for target in active if target["health"].text() != "up"]
    jobs = sorted(_job(target) for target in active)
    missing = sorted(set(JOBS) - set(jobs))
    if down or missing:
        raise Wrong("; ".join([*down, *(f"{job} is not scraped" for job in missing)]), prometheus.logs())
    return f"{len(active)} up: {', '.join(jobs)}"


def _job(target: JsonDocument) -> str:
    return target["labels"]["job"].text()


def _trouble(target: JsonDocument) -> str:
    error = target.get("lastError")
    return f"{_job(target)} {target['health'].text()} {error.text() if error else ''}".strip()


def rules(prometheus: HttpSite) -> str:
    """Check that every rule was evaluated without an error; raise Wrong."""
    loaded = _rules(prometheus)
    bad = [_fault(rule) for rule in loaded if rule["health"].text() != "ok"]
    alerts = [rule for rule in loaded if rule["type"].text() == "alerting"]
    if bad or not alerts:
        raise Wrong("; ".join(bad[:3]) or "no alert rules are loaded", prometheus.logs())
    return f"{len(loaded) - len(alerts)} recorded, {len(alerts)} alerts"


def _rules(prometheus: HttpSite) -> list[JsonDocument]:
    groups = prometheus.json("GET", "/api/v1/rules")["data"]["groups"].items()
    return [rule for group in groups for rule in group["rules"].items()]


def _fault(rule: JsonDocument) -> str:
    error = rule.get("lastError")
    return f"{rule['name'].text()}: {error.text() if error else rule['health'].text()}"


def alertmanagers(prometheus: HttpSite, alertmanager: HttpSite) -> str:
    """Check that Prometheus sends to an Alertmanager that answers; raise Wrong."""
    active = prometheus.json("GET", "/api/v1/alertmanagers")["data"]["activeAlertmanagers"].items()
    if not active:
        raise Wrong("Prometheus knows no Alertmanager", prometheus.logs())
    version = alertmanager.json("GET", "/api/v2/status")["versionInfo"]["version"].text()
    return f"Prometheus sends to {active[0]['url'].text()} ({version})"


def pages(prometheus: HttpSite) -> str:
    """No alert of the severity `page` fires; raise Wrong, which names them. Lesser ones are listed."""
    alerts = [rule for rule in _rules(prometheus) if rule["type"].text() == "alerting"]
    firing = [rule for rule in alerts if rule["state"].text() == "firing"]
    paging = _names(firing, "page")
    if paging:
        runbook = f"{RUNBOOKS}{paging[0].lower()}"
        raise Wrong(f"an alert pages: {', '.join(paging)}", f"its runbook: {runbook}", final=True)
    tickets, news = _names(firing, "ticket"), _names(firing, "info")
    notes = [f"{len(tickets)} tickets ({', '.join(tickets)})"] * bool(tickets)
    notes += [f"news: {', '.join(news)}"] * bool(news)
    return "; ".join(["no alert pages", *notes])


def _names(firing: list[JsonDocument], severity: str) -> list[str]:
    return sorted({rule["name"].text() for rule in firing if _severity(rule) == severity})


def _severity(rule: JsonDocument) -> str:
    severity = rule["labels"].get("severity")
    return severity.text() if severity else ""
