"""A scrape that is lost neither resolves an alert that fires nor starts the `for` of one that will.

Each case makes one alert true for as long as it lasts. While a scrape is lost, `up` is 0 and every series of
the target is stale, as Prometheus has it. promtool evaluates the repository's rules over all of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from rule_files import RULE_FILES, Tool, rules

SECONDS = 15
"""Between two scrapes, and between two evaluations."""
API, WORKER = 'instance="api:8001",job="umbra-api"', 'instance="worker:8002",job="umbra-worker"'
PROMETHEUS = 'instance="localhost:9090",job="prometheus"'
CANDIDATE = f'candidate="gbm@1",{WORKER}'
PREDICTIONS = f'{API},method="POST",route="/v1/predictions"'
GAP_MINUTES = 4
LONGEST_WAIT_MINUTES = 20
"""After how long beyond its `for` and the past that it needs each alert below fires."""

Value = Callable[[int], float]
"""What a series says at the scrape of this number."""


@dataclass(frozen=True, slots=True)
class Case:
    """What makes an alert of a severity true, and how many hours of the past it needs for that."""

    alert: str
    severity: str
    target: str
    series: dict[str, Value]
    hours: float = 0.0

    def __str__(self) -> str:
        return f"{self.alert}-{self.severity}"


def constant(value: float) -> Value:
    return lambda _: value


def rising(by: float, start: float = 0.0) -> Value:
    return lambda scrape: start + by * scrape


SCORED = f"umbra_candidate_sample_ratio{{{CANDIDATE}}}"
STORE = f"umbra_store_up{{{WORKER}}}"
DIFFERENCE = "umbra_candidate_difference_ratio_bucket"
DURATION = "umbra_request_duration_seconds"


def journal(used: float) -> dict[str, Value]:
    return {
        f"umbra_journal_bytes{{{WORKER}}}": constant(used),
        f"umbra_journal_bound_bytes{{{WORKER}}}": constant(1),
    }


def disk(free: Value, of: str = "journal") -> dict[str, Value]:
    return {
        f"umbra_{of}_disk_free_bytes{{{WORKER}}}": free,
        f"umbra_{of}_disk_size_bytes{{{WORKER}}}": constant(6000),
    }


def failing() -> dict[str, Value]:
    statuses = {"200": rising(10), "500": rising(10)}
    return {
        f'umbra_requests_total{{status="{status}",{PREDICTIONS}}}': value
        for status, value in statuses.items()
    }


def slow() -> dict[str, Value]:
    route = f'{API},route="/v1/predictions"'
    return {
        f'{DURATION}_bucket{{le="0.05",{route}}}': rising(5),
        f"{DURATION}_count{{{route}}}": rising(10),
    }


def worker(alert: str, severity: str, series: dict[str, Value], hours: float = 0.0) -> Case:
    return Case(alert, severity, WORKER, series, hours)


def api(alert: str, severity: str, series: dict[str, Value], hours: float = 0.0) -> Case:
    return Case(alert, severity, API, series, hours)


def prometheus(alert: str, severity: str, series: dict[str, Value]) -> Case:
    return Case(alert, severity, PROMETHEUS, series)


OLD = rising(0, -4e7)
LOSING = {
    f'umbra_captures_dropped_total{{reason="full",{API}}}': rising(10),
    f"umbra_captures_written_total{{{API}}}": rising(10),
}
LAGGING = {
    SCORED: constant(1),
    f"umbra_candidate_lag_seconds{{{CANDIDATE}}}": constant(900),
    f"umbra_candidate_lag_captures{{{CANDIDATE}}}": rising(5),
}
COVERED = {
    SCORED: constant(1),
    STORE: constant(1),
    f'umbra_candidate_observations_total{{state="scored",{CANDIDATE}}}': rising(5),
    f'umbra_predictions_total{{role="live",model="linear@1",{WORKER}}}': rising(10),
}
APART = {
    f'{DIFFERENCE}{{le="-0.2",{CANDIDATE}}}': rising(5),
    f'{DIFFERENCE}{{le="0.2",{CANDIDATE}}}': rising(6),
    f'{DIFFERENCE}{{le="+Inf",{CANDIDATE}}}': rising(10),
}
CASES = [
    worker(
        "UmbraJournalAge",
        "ticket",
        {f"umbra_journal_oldest_entry_age_seconds{{{WORKER}}}": constant(600)},
    ),
    worker("UmbraJournalSize", "page", journal(0.9)),
    worker("UmbraJournalSize", "ticket", journal(0.6)),
    worker("UmbraJournalFilesRefused", "ticket", {f"umbra_journal_refused_files{{{WORKER}}}": constant(2)}),
    worker("UmbraJournalFilesHeldUp", "ticket", {f"umbra_journal_held_up_files{{{WORKER}}}": constant(1)}),
    worker("UmbraStoreWentBack", "ticket", {f"umbra_store_missing_captures{{{WORKER}}}": constant(60)}),
    worker("UmbraStoreAway", "ticket", {STORE: constant(0)}),
    worker("UmbraDiskFull", "page", disk(constant(60))),
    worker("UmbraDiskFull", "ticket", disk(rising(-0.2, 1000)), hours=6),
    worker("UmbraStoreDiskFull", "page", disk(constant(60), "store")),
    worker("UmbraStoreDiskFull", "ticket", disk(rising(-0.2, 1000), "store"), hours=6),
    api("UmbraCapturesDropped", "page", LOSING),
    api("UmbraCapturesDropped", "ticket", LOSING),
    worker("UmbraJournalDamaged", "ticket", {f"umbra_journal_damaged_entries_total{{{WORKER}}}": rising(1)}),
    worker("UmbraCandidateLag", "ticket", LAGGING),
    worker(
        "UmbraCandidateFailures",
        "ticket",
        {f'umbra_candidate_observations_total{{state="failed",{CANDIDATE}}}': rising(9)},
    ),
    worker(
        "UmbraCandidateBreakerOpen", "ticket", {f"umbra_candidate_breaker_open{{{CANDIDATE}}}": constant(1)}
    ),
    worker("UmbraCandidateRestarts", "ticket", {f"umbra_candidate_restarts_total{{{CANDIDATE}}}": rising(1)}),
    worker("UmbraCandidateGone", "ticket", {SCORED: constant(1)}),
    worker("UmbraLedgerImbalance", "ticket", {f"umbra_ledger_missing_houses{{{CANDIDATE}}}": constant(3)}),
    worker("UmbraShadowCoverage", "ticket", COVERED, hours=1.2),
    worker("UmbraCandidateDisagrees", "ticket", APART),
    worker("UmbraDrift", "ticket", {f'umbra_drift_state{{field="lot_area",{WORKER}}}': constant(2)}),
    worker(
        "UmbraVerdictChanged",
        "info",
        {f'umbra_verdict_state{{state="promote",{CANDIDATE}}}': lambda scrape: float(scrape > 60)},
    ),
    worker("UmbraRollbackAlarm", "page", {f"umbra_rollback_alarm{{{CANDIDATE}}}": constant(1)}),
    worker(
        "UmbraSkew", "ticket", {f'umbra_replay_differing_houses{{model="linear@1",{WORKER}}}': constant(1)}
    ),
    worker(
        "UmbraEvidenceStale",
        "ticket",
        {SCORED: constant(1), f"umbra_evidence_timestamp_seconds{{{CANDIDATE}}}": OLD},
    ),
    worker(
        "UmbraOutcomesStopped",
        "ticket",
        {SCORED: constant(1), f"umbra_outcome_newest_timestamp_seconds{{{WORKER}}}": OLD},
    ),
    worker(
        "UmbraModelStale",
        "ticket",
        {f'umbra_model_trained_timestamp_seconds{{model="linear@1",{WORKER}}}': OLD},
    ),
    api("UmbraNoLiveModel", "page", {f'umbra_live_model_info{{model="linear@1",{API}}}': constant(0)}),
    api("UmbraNoTraffic", "ticket", {f'umbra_requests_total{{status="200",{PREDICTIONS}}}': constant(5)}),
    api("UmbraMetricsUnreadable", "page", {f"umbra_metrics_files_readable{{{API}}}": constant(0)}),
    api(
        "UmbraWrongTokens",
        "ticket",
        {f'umbra_requests_refused_total{{problem="wrong-token",{API}}}': rising(1)},
    ),
    prometheus(
        "UmbraAlertsUnsent",
        "page",
        {f"prometheus_notifications_alertmanagers_discovered{{{PROMETHEUS}}}": constant(0)},
    ),
    prometheus(
        "UmbraRulesFail",
        "page",
        {f'prometheus_rule_evaluation_failures_total{{rule_group="a;b",{PROMETHEUS}}}': rising(1)},
    ),
    prometheus(
        "UmbraReloadFailed",
        "ticket",
        {f"prometheus_config_last_reload_successful{{{PROMETHEUS}}}": constant(0)},
    ),
    prometheus(
        "UmbraNotificationsFail",
        "page",
        {f'alertmanager_notifications_failed_total{{integration="slack",{PROMETHEUS}}}': rising(1)},
    ),
    api("UmbraSwitchFailed", "page", {f"umbra_switch_failures_total{{{API}}}": rising(1)}),
    api("UmbraLogLinesDropped", "ticket", {f"umbra_log_lines_dropped_total{{{API}}}": rising(1)}),
    api("UmbraAvailabilityBurn", "page", failing(), hours=1),
    api("UmbraAvailabilityBurn", "ticket", failing(), hours=1),
    api("UmbraLatencyBurn", "page", slow(), hours=1),
    api("UmbraLatencyBurn", "ticket", slow(), hours=1),
]
ABOUT_SCRAPES = {
    "UmbraApiDown",
    "UmbraApiAbsent",
    "UmbraWorkerDown",
    "UmbraWorkerAbsent",
    "UmbraPrometheusDown",
    "UmbraAlertmanagerDown",
}
"""What these say is that scrapes are lost."""
OTHERS = {"UmbraLivePriceShift", "UmbraWatchdog"}
"""One compares an hour with a week, of which a lost scrape is a two-hundredth; the other asks for nothing."""


def seconds_of(duration: str) -> int:
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([smhd])", duration))


def wait_of(case: Case) -> int:
    """The `for` of a case's alert, in seconds."""
    (rule,) = [
        rule
        for rule in rules()
        if rule.get("alert") == case.alert and rule["labels"]["severity"] == case.severity
    ]
    return seconds_of(str(rule.get("for", "0s")))


def written(value: Value, scrapes: int, lost: set[int]) -> str:
    """A series as promtool reads it: stale at the first scrape that is lost, then without a sample."""
    return " ".join(
        f"{value(scrape):.10g}" if scrape not in lost else "_" if scrape - 1 in lost else "stale"
        for scrape in range(scrapes)
    )


def input_of(target: str, series: dict[str, Value], scrapes: int, lost: set[int]) -> list[dict[str, str]]:
    up = {"series": f"up{{{target}}}", "values": " ".join(str(int(i not in lost)) for i in range(scrapes))}
    return [
        up,
        *({"series": name, "values": written(value, scrapes, lost)} for name, value in series.items()),
    ]


def firing(case: Case, at: int) -> dict[str, Any]:
    expression = f'count(ALERTS{{alertname="{case.alert}",severity="{case.severity}",alertstate="firing"}})'
    return {
        "expr": expression,
        "eval_time": f"{at}s",
        "exp_samples": [{"labels": "{}", "value": 1}],
    }


def trial(case: Case) -> dict[str, Any]:
    """Every sixth scrape is lost from the start, and all of some minutes once the alert fires."""
    begin = int(case.hours * 3600) + wait_of(case) + LONGEST_WAIT_MINUTES * 60
    end = begin + GAP_MINUTES * 60
    scrapes = end // SECONDS + 20
    lost = set(range(6, scrapes, 6)) | set(range(begin // SECONDS, end // SECONDS))
    moments = range(begin - SECONDS, end + 8 * SECONDS, SECONDS)
    return {
        "name": str(case),
        "interval": f"{SECONDS}s",
        "input_series": input_of(case.target, case.series, scrapes, lost),
        "promql_expr_test": [firing(case, at) for at in moments],
    }


def files_of(alerts: set[str]) -> list[str]:
    """The rule files that declare these alerts."""
    return [str(path) for path in RULE_FILES if alerts & set(re.findall(r"alert: (\w+)", path.read_text()))]


def run(promtool: Tool, directory: Path, alerts: set[str], test: dict[str, Any]) -> None:
    content = {
        "rule_files": files_of(alerts),
        "evaluation_interval": f"{SECONDS}s",
        "tests": [test],
    }
    path = directory / "trial.yml"
    path.write_text(yaml.safe_dump(content, width=10_000))
    promtool("test", "rules", path)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_lost_scrape_neither_resolves_an_alert_nor_starts_its_wait_anew(
    promtool: Tool, tmp_path: Path, case: Case
) -> None:
    run(promtool, tmp_path, {case.alert}, trial(case))


def test_every_alert_is_tried_with_lost_scrapes() -> None:
    tried = {(case.alert, case.severity) for case in CASES}
    declared = {(rule["alert"], rule["labels"]["severity"]) for rule in rules() if "alert" in rule}
    assert {name for name, _ in declared - tried} == ABOUT_SCRAPES | OTHERS
    assert tried <= declared


WELL = {
    f"umbra_journal_oldest_entry_age_seconds{{{WORKER}}}": constant(0),
    **journal(0.1),
    **disk(constant(5000)),
    f"umbra_journal_refused_files{{{WORKER}}}": constant(0),
    STORE: constant(1),
    SCORED: constant(1),
    f"umbra_candidate_lag_seconds{{{CANDIDATE}}}": constant(0),
    f"umbra_candidate_lag_captures{{{CANDIDATE}}}": constant(0),
    f"umbra_candidate_breaker_open{{{CANDIDATE}}}": constant(0),
    f"umbra_ledger_missing_houses{{{CANDIDATE}}}": constant(0),
    f'umbra_drift_state{{field="lot_area",{WORKER}}}': constant(0),
    f"umbra_rollback_alarm{{{CANDIDATE}}}": constant(0),
}
ANSWERING = {
    f'umbra_live_model_info{{model="linear@1",{API}}}': constant(2),
    f"umbra_metrics_files_readable{{{API}}}": constant(1),
    f'umbra_requests_total{{status="200",{PREDICTIONS}}}': rising(10),
}


def test_lost_scrapes_raise_no_other_alarm_than_that_they_are_lost(promtool: Tool, tmp_path: Path) -> None:
    scrapes, gap = 160, set(range(80, 96))
    about = "|".join(sorted(ABOUT_SCRAPES))
    nothing = {"expr": f'ALERTS{{alertname!~"{about}|UmbraWatchdog",alertstate="firing"}}', "exp_samples": []}
    run(
        promtool,
        tmp_path,
        {case.alert for case in CASES} | ABOUT_SCRAPES,
        {
            "interval": f"{SECONDS}s",
            "input_series": [
                *input_of(WORKER, WELL, scrapes, gap),
                *input_of(API, ANSWERING, scrapes, gap),
            ],
            "promql_expr_test": [nothing | {"eval_time": f"{i * SECONDS}s"} for i in range(72, scrapes, 4)],
        },
    )


def test_what_is_gone_while_its_target_answers_is_gone_at_once(promtool: Tool, tmp_path: Path) -> None:
    """A candidate that was removed has no series any more: nothing about it fires on."""
    scrapes, removed = 60, 40
    gone = set(range(removed, scrapes))
    up = {"series": f"up{{{WORKER}}}", "values": f"1x{scrapes}"}
    values = written(constant(1), scrapes, gone)
    series = {"series": f"umbra_candidate_breaker_open{{{CANDIDATE}}}", "values": values}
    breaker = worker("UmbraCandidateBreakerOpen", "ticket", {})
    after = {"expr": 'ALERTS{alertname="UmbraCandidateBreakerOpen"}', "exp_samples": []}
    run(
        promtool,
        tmp_path,
        {breaker.alert},
        {
            "interval": f"{SECONDS}s",
            "input_series": [up, series],
            "promql_expr_test": [
                firing(breaker, (removed - 1) * SECONDS),
                after | {"eval_time": f"{(removed + 1) * SECONDS}s"},
            ],
        },
    )


def test_what_a_target_said_holds_no_longer_than_its_silence_is_alarmed_about(
    promtool: Tool, tmp_path: Path
) -> None:
    scrapes, last = 200, 80
    silence = set(range(last, scrapes))
    case = worker("UmbraStoreAway", "ticket", {STORE: constant(0)})
    down = Case("UmbraWorkerDown", "page", WORKER, {})
    minutes = last * SECONDS // 60
    over = {"expr": 'ALERTS{alertname="UmbraStoreAway"}', "exp_samples": []}
    run(
        promtool,
        tmp_path,
        {case.alert, down.alert},
        {
            "interval": f"{SECONDS}s",
            "input_series": input_of(WORKER, case.series, scrapes, silence),
            "promql_expr_test": [
                *(firing(case, (minutes + m) * 60) for m in range(14)),
                firing(down, (minutes + 11) * 60),
                over | {"eval_time": f"{minutes + 16}m"},
            ],
        },
    )
