"""Alertmanager's configuration is valid, and each severity reaches the receiver that is meant for it."""

from __future__ import annotations

import re

import pytest
from rule_files import ROOT, Tool, parsed, rules

CONFIGURATION = ROOT / "alertmanager" / "alertmanager.yml"
ALERTS = {rule["alert"] for rule in rules() if "alert" in rule}


def test_the_configuration_is_valid(amtool: Tool) -> None:
    amtool("check-config", CONFIGURATION)


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (["alertname=UmbraApiDown", "severity=page", "job=umbra-api"], "page"),
        (["alertname=UmbraCandidateLag", "severity=ticket", "candidate=gbm@1"], "ticket"),
        (["alertname=UmbraVerdictChanged", "severity=info"], "info"),
        (["alertname=UmbraWatchdog", "severity=none"], "watchdog"),
        (["alertname=OfSomebodyElse"], "shown-only"),
    ],
)
def test_a_severity_reaches_its_receiver(amtool: Tool, labels: list[str], receiver: str) -> None:
    told = amtool("config", "routes", "test", f"--config.file={CONFIGURATION}", *labels)
    assert told.split() == [receiver]


def test_every_alert_that_is_left_unsaid_exists() -> None:
    matchers = [
        matcher
        for rule in parsed(CONFIGURATION)["inhibit_rules"]
        for side in ("source_matchers", "target_matchers")
        for matcher in rule[side]
    ]
    named = {
        name
        for matcher in matchers
        if matcher.startswith("alertname")
        for name in re.findall(r"Umbra\w+", matcher)
    }
    assert named
    assert named <= ALERTS


def test_no_receiver_comes_with_an_address_of_somebody() -> None:
    assert all(receiver.keys() == {"name"} for receiver in parsed(CONFIGURATION)["receivers"])
