"""A real Prometheus with the repository's configuration and rules, over other targets and in less time."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from harness.server import START_SECONDS, Server
from harness.stack import Stack
from harness.waiting import wait_until

CONFIGURATION = Path(__file__).parents[3] / "prometheus"
INTERVAL = "1s"
_FOR_SHORTER = 60  # a minute's `for` is a second here, as the scrapes come so much more often
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def targets_of(stack: Stack) -> dict[str, str]:
    """The scraped addresses of a stack, by job."""
    api, worker = stack.settings.api_metrics_port, stack.settings.worker_metrics_port
    return {"umbra-api": f"127.0.0.1:{api}", "umbra-worker": f"127.0.0.1:{worker}"}


class BadQuery(AssertionError):
    """Prometheus refused an expression; says which and why."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One series of an answer, at one moment."""

    labels: Mapping[str, str]
    value: float


class Prometheus(Server):
    """Runs while the context lasts; `targets` are addresses by job, jobs without one are left out.

    What differs from the repository's files: targets, intervals (a second), and how long a condition must
    hold before its alert fires (`for`, a sixtieth). No expression is touched.
    """

    def __init__(
        self, directory: Path, *, targets: Mapping[str, str], alertmanager: str | None = None
    ) -> None:
        arguments = ["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=warn"]
        super().__init__(directory / "prometheus", ["prometheus"], arguments)
        given = {"prometheus": self.address, **targets}
        if alertmanager is not None:
            given["alertmanager"] = alertmanager
        self._jobs = sorted(given)
        self._write("prometheus.yml", _configuration(given, alertmanager))
        (self.directory / "rules").mkdir()
        for path in sorted((CONFIGURATION / "rules").glob("*.yml")):
            self._write(f"rules/{path.name}", _sooner(yaml.safe_load(path.read_text())))

    # -- looking

    def query(self, expression: str) -> list[Sample]:
        """The samples of an expression now; a scalar is one without labels. Raises BadQuery."""
        found = self.ask("query", query=expression)
        if found["resultType"] == "scalar":
            return [Sample({}, float(found["result"][1]))]
        return [Sample(one["metric"], float(one["value"][1])) for one in found["result"]]

    def targets(self) -> dict[str, str]:
        """The health of each scraped job: up, down or unknown."""
        active = self.ask("targets", state="active")["activeTargets"]
        return {target["labels"]["job"]: target["health"] for target in active}

    def alerts(self) -> list[dict[str, Any]]:
        """Pending and firing alerts, each with labels, annotations and state."""
        found: list[dict[str, Any]] = self.ask("alerts")["alerts"]
        return found

    def rules(self) -> list[dict[str, Any]]:
        """Every rule with its `health`, `lastError` and query."""
        return [rule for group in self.ask("rules")["groups"] for rule in group["rules"]]

    def ask(self, resource: str, **parameters: str) -> Any:
        """The `data` of GET /api/v1/RESOURCE; raises BadQuery."""
        try:
            with self.open(f"/api/v1/{resource}?{urllib.parse.urlencode(parameters)}") as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as fault:
            raise BadQuery(f"{resource} {parameters}: {fault.read().decode()}") from None

    # -- waiting

    def wait_up(self, seconds: float = START_SECONDS) -> None:
        """Until every job has been scraped."""
        wanted = dict.fromkeys(self._jobs, "up")
        wait_until(lambda: self.targets() == wanted, seconds, self.targets)

    def wait_for(
        self, expression: str, seconds: float = START_SECONDS, why: Callable[[], object] | None = None
    ) -> list[Sample]:
        """Until an expression gives samples; gives them."""
        return wait_until(lambda: self.query(expression), seconds, why or (lambda: expression))

    def _write(self, name: str, content: Any) -> None:
        (self.directory / name).write_text(yaml.safe_dump(content, sort_keys=False, width=1000))


def _configuration(targets: Mapping[str, str], alertmanager: str | None) -> Any:
    """The repository's prometheus.yml with these targets and short intervals."""
    content = yaml.safe_load((CONFIGURATION / "prometheus.yml").read_text())
    for key in ("scrape_interval", "scrape_timeout", "evaluation_interval"):
        content["global"][key] = INTERVAL
    jobs = {job["job_name"]: job for job in content["scrape_configs"]}
    assert targets.keys() <= jobs.keys(), f"no such job: {targets.keys() - jobs.keys()}"
    content["scrape_configs"] = [
        jobs[name] | {"static_configs": [{"targets": [address]}]} for name, address in targets.items()
    ]
    managers = [] if alertmanager is None else [{"static_configs": [{"targets": [alertmanager]}]}]
    content["alerting"]["alertmanagers"] = managers
    return content


def _sooner(content: Any) -> Any:
    """A file of rules, evaluated every second and with short `for`; expressions as they are."""
    for group in content["groups"]:
        group.pop("interval", None)
        for rule in group["rules"]:
            if "for" in rule:
                rule["for"] = f"{int(_seconds(rule['for']) * 1000 / _FOR_SHORTER)}ms"
    return content


def _seconds(duration: str) -> float:
    parts = re.findall(r"(\d+)([smhd])", duration)
    assert "".join(number + unit for number, unit in parts) == duration, f"{duration!r} is no duration"
    return sum(int(number) * _SECONDS[unit] for number, unit in parts)
