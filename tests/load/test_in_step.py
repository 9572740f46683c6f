"""Locust and k6 send the same: all of the workload and nothing else, in its mix, within the same budgets."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from programs import K6, PROGRAMS, Program
from standin.service import Asked, Service, expected

from load_tests import workload

VISITS_PER_USER = 15
VISITS = {"visits_per_second": 0, "visits_per_user": VISITS_PER_USER}


def mix() -> Counter[Asked]:
    """Count the requests of `VISITS_PER_USER` visits by every user."""
    plan = workload.read()
    total = sum(kind.weight for kind in plan.kinds)
    found: Counter[Asked] = Counter()
    for kind in plan.kinds:
        visits = plan.users * kind.weight // total * VISITS_PER_USER
        assert visits >= len(kind.visits), f"not every visit of {kind.name} would be made"
        for number in range(visits):
            found.update(map(expected, kind.visits[number % len(kind.visits)]))
    return found


def sent_by(program: Program, service: Service) -> Counter[Asked]:
    status, printed = program.run(service.url, **VISITS, max_p99_milliseconds=60_000)
    assert status == 0, printed[-3000:]
    return Counter(service.asked)


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
def test_each_sends_the_whole_workload_to_the_byte_and_nothing_else(
    service: Service, program: Program
) -> None:
    sent, wanted = sent_by(program, service), mix()
    assert (sent - wanted, wanted - sent) == (Counter(), Counter())


@pytest.mark.parametrize(
    ("line", "planted"),
    [
        ("for (const step of visits[", "for (const step of visits[1 + "),
        ("headers: asked.headers", "headers: { ...asked.headers, Accept: 'application/json' }"),
    ],
    ids=["another mix", "another header"],
)
def test_a_k6_script_that_is_out_of_step_is_noticed(
    service: Service, tmp_path: Path, line: str, planted: str
) -> None:
    script = Path(shutil.copytree(K6.script.parent, tmp_path / "load_tests")) / K6.script.name
    assert line in script.read_text()
    script.write_text(script.read_text().replace(line, planted))
    K6.at(script).run(service.url, **VISITS)
    assert Counter(service.asked) != mix()


# -- what k6 would do, without a run


@pytest.fixture
def inspected() -> Callable[..., Mapping[str, Any]]:
    """Provide the options of the script from `k6 inspect`."""

    def inspect(**variables: object) -> Mapping[str, Any]:
        done = subprocess.run(
            K6.command("inspect", "--include-system-env-vars"),
            env=K6.environment(variables),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        options: Mapping[str, Any] = json.loads(done.stdout)
        return options

    return inspect


def test_the_thresholds_of_k6_are_the_budgets(inspected: Callable[..., Mapping[str, Any]]) -> None:
    budgets = workload.read().budgets
    usual = inspected()["thresholds"]
    assert usual["wrong_answers"] == [f"rate<={budgets.error_ratio:g}"]
    assert usual["latency"] == [f"p(99)<={budgets.p99_milliseconds:g}"]
    assert usual["http_reqs"] == ["count>0"]
    chosen = inspected(max_error_ratio=0.25, max_p99_milliseconds=120)["thresholds"]
    assert (chosen["wrong_answers"], chosen["latency"]) == (["rate<=0.25"], ["p(99)<=120"])


def test_k6_has_the_users_of_each_kind_for_the_time_of_the_workload(
    inspected: Callable[..., Mapping[str, Any]],
) -> None:
    plan = workload.read()
    for users in (plan.users, 5 * plan.users):
        scenarios = inspected(users=users)["scenarios"]
        assert {name: one["vus"] for name, one in scenarios.items()} == {
            kind.name: kind.weight * users // plan.users for kind in plan.kinds
        }
    assert {one["duration"] for one in scenarios.values()} == {f"{plan.seconds // 60}m0s"}
    assert {one["executor"] for one in scenarios.values()} == {"constant-vus"}
