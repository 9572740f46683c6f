"""Budgets: what a run came to is held against them, said with the figure, and decides the exit status."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from ports import free_port
from programs import K6, LOCUST, PROGRAMS, ROOT, Program
from standin.service import Answer, Service

from load_tests.budgets import RunTotals, crossed
from load_tests.workload import Budgets, WorkloadRequest

BUDGETS = Budgets(error_ratio=0.01, p99_milliseconds=200.0)
ONE_VISIT = {"visits_per_second": 0, "visits_per_user": 1}
EVERY = pytest.mark.parametrize("program", PROGRAMS, ids=str)


def one_price_less(request: WorkloadRequest, answer: Answer) -> Answer:
    """Remove the first house of every list."""
    status, kind, body = answer
    if request.checked != "prices" or request.houses == 1:
        return answer
    document = json.loads(body)
    return status, kind, json.dumps(document | {"predictions": document["predictions"][1:]}).encode()


# -- the rule


@pytest.mark.parametrize("result", [RunTotals(100, 1, 200.0), RunTotals(1, 0, 0.0)])
def test_what_is_exactly_at_its_budget_is_within(result: RunTotals) -> None:
    assert list(crossed(result, BUDGETS)) == []


def test_what_is_beyond_is_said_with_figure_and_budget() -> None:
    assert list(crossed(RunTotals(1000, 11, 210.0), BUDGETS)) == [
        "wrong or no answers: 11 of 1000 requests (1.1000%), budget 1.0000%",
        "p99: 210 ms, budget 200 ms",
    ]


def test_nothing_measured_is_never_within() -> None:
    assert "nothing was measured" in next(crossed(RunTotals(0, 0, 0.0), Budgets(1.0, 1e9)))


# -- the programs


@EVERY
def test_wrong_answers_and_slow_ones_end_a_run_with_a_status_and_both_figures(
    service: Service, program: Program
) -> None:
    service.err = one_price_less
    status, printed = program.run(service.url, max_p99_milliseconds=0.001, **ONE_VISIT)
    assert status == program.crossed
    assert re.search(r"list: expected prices \d+, got \d+", printed)
    if program is LOCUST:
        assert re.search(r"crossed: wrong or no answers: 2 of 2\d requests \(\d+.\d+%\), budget 0", printed)
        assert re.search(r"crossed: p99: \d+ ms, budget 0.001 ms", printed)
    else:
        assert re.search(r"✗ 'rate<=0' rate=\d+\.\d+%", printed)
        assert re.search(r"✗ 'p\(99\)<=0.001' p\(99\)=\d+", printed)


@EVERY
def test_a_run_within_wider_budgets_ends_well(service: Service, program: Program) -> None:
    service.err = one_price_less
    status, printed = program.run(service.url, max_error_ratio=0.5, max_p99_milliseconds=60_000, **ONE_VISIT)
    assert status == 0, printed[-3000:]


@EVERY
def test_no_service_at_all_is_no_success(program: Program) -> None:
    status, _ = program.run("http://127.0.0.1:9", **ONE_VISIT)
    assert status == program.crossed


@pytest.mark.parametrize(
    ("program", "name", "value"),
    [(LOCUST, "max_error_ratio", 2), (K6, "max_error_ratio", 2), (K6, "max_p99_milliseconds", "fast")],
)
def test_a_budget_that_cannot_be_one_stops_the_start(program: Program, name: str, value: object) -> None:
    status, printed = program.run("http://127.0.0.1:9", **{name: value})
    assert status not in (0, program.crossed)
    assert name in printed.lower().replace("-", "_")
    assert str(value) in printed


# -- Locust as people start it


def test_locust_ends_by_itself_with_a_summary_and_reports_where_told(
    service: Service, tmp_path: Path
) -> None:
    options = {
        "run-time": 1,
        "users": 20,
        "max-p99-milliseconds": 60_000,
        "html": tmp_path / "load.html",
        "csv": tmp_path / "load",
    }
    status, printed = LOCUST.run(service.url, *(f"--{name}={value}" for name, value in options.items()))
    assert status == 0, printed[-3000:]
    assert "Response time percentiles" in printed
    assert "<html" in (tmp_path / "load.html").read_text()
    assert "99.99%" in (tmp_path / "load_stats.csv").read_text().splitlines()[0]


def test_locust_shows_its_page_only_when_asked_and_only_to_this_machine() -> None:
    port = str(free_port())
    process = subprocess.Popen(
        LOCUST.command("--headful", "--web-port", port),
        cwd=ROOT,
        env=LOCUST.environment({}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        announcement = next(line for line in process.stdout if "web interface" in line)
    finally:
        process.kill()
        process.communicate()
    assert f"http://127.0.0.1:{port}" in announcement
