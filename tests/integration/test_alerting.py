"""From the metric to the message: a real Prometheus and a real Alertmanager over a whole Umbra."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from harness import artifacts
from harness.alertmanager import Alertmanager, Inbox
from harness.load import Load
from harness.prometheus import Prometheus, targets_of
from harness.stack import MakeStack
from harness.waiting import wait_until

KILLED, DYING = "UmbraCandidateRestarts", "UmbraCandidateBreakerOpen"
KILLS = 5  # three restarts in half an hour are borne
WATCHDOG = "UmbraWatchdog"
OF_THEMSELVES = (
    "prometheus_config_last_reload_successful",
    "prometheus_notifications_alertmanagers_discovered",
    "prometheus_notifications_dropped_total",
    "prometheus_notifications_errors_total",
    "prometheus_rule_evaluation_failures_total",
    "alertmanager_config_last_reload_successful",
    "alertmanager_notifications_failed_total",
)
"""What rules ask of Prometheus and Alertmanager; tests/prometheus/test_rules.py has the labels."""
TOLD_SECONDS = 90.0
OF_THIS_MACHINE = {"UmbraLatencyBurn", "UmbraDiskFull", "UmbraStoreDiskFull", WATCHDOG}
"""How fast and how full the machine of the tests is, is not the question here; the watchdog always fires."""


def alarms(prometheus: Prometheus) -> list[tuple[str, str]]:
    """Name and candidate of each alert, firing or about to."""
    found = [alert["labels"] for alert in prometheus.alerts()]
    return [
        (labels["alertname"], labels.get("candidate", ""))
        for labels in found
        if labels["alertname"] not in OF_THIS_MACHINE
    ]


def test_a_killed_candidate_and_one_that_cannot_live_are_told_to_somebody(
    make_stack: MakeStack, tmp_path: Path
) -> None:
    stack = make_stack(recipe_modules="poison_recipe", candidate_batch_rows=16)
    dying = artifacts.poisonous(stack.settings.models, "crashes", always=True)
    stack.up()
    with (
        Inbox() as inbox,
        Alertmanager(tmp_path, inbox.url) as alertmanager,
        Prometheus(tmp_path, targets=targets_of(stack), alertmanager=alertmanager.address) as prometheus,
        Load(stack) as load,
    ):

        def why() -> object:
            return prometheus.alerts(), inbox.messages, prometheus.explain(), alertmanager.explain()

        prometheus.wait_up()
        wait_until(lambda: not alarms(prometheus), TOLD_SECONDS, why)
        assert [rule for rule in prometheus.rules() if rule["health"] == "err"] == []

        chance = random.Random(1)
        for _ in range(KILLS):
            stack.kill("model", chance)
        check(wait_until(lambda: inbox.alerts(KILLED), TOLD_SECONDS, why), KILLED, "gbm@1")

        stack.done("candidates", "add", dying)
        check(wait_until(lambda: inbox.alerts(DYING), TOLD_SECONDS, why), DYING, dying)
        receiver, _ = wait_until(lambda: inbox.alerts(WATCHDOG), TOLD_SECONDS, why)[0]
        assert receiver == "watchdog"
        for name in OF_THEMSELVES:
            prometheus.wait_for(name)

        stack.done("candidates", "remove", dying)
        wait_until(lambda: inbox.alerts(DYING, "resolved"), TOLD_SECONDS, why)
    assert load.faults == []


def check(told: list[tuple[str, dict[str, Any]]], name: str, candidate: str) -> None:
    """That the first message is about this alert and candidate, and went where tickets go."""
    receiver, alert = told[0]
    assert receiver == "ticket"
    assert alert["labels"] == {"alertname": name, "severity": "ticket", "candidate": candidate}
    assert candidate in alert["annotations"]["description"]
