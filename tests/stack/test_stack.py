"""`docker compose up` gives the platform: it works, it has no rights, and it survives what happens."""

from __future__ import annotations

import io
import json
import re

import pytest
from engine.grafana import Grafana
from engine.project import CORE, ROOT, Project, Traffic, run
from harness.waiting import wait_until
from smoke import grafana
from smoke.check import Report

RUNNING = tuple(service for service in CORE if service != "migrate")
PROCESS_STATUS = "/proc/1/status"


def test_the_smoke_command_is_satisfied(project: Project) -> None:
    printed = project.check()
    assert re.findall(r"^ok +(.+?) {2,}", printed, re.MULTILINE) == [
        "docker compose", "postgres", "migrate", "worker", "api", "prometheus", "alertmanager",
        "prediction", "live row", "candidate rows", "prediction by id", "ledger", "scraped targets", "rules",
        "alerts are sent",
    ]  # fmt: skip
    assert printed.endswith("15 checks, all ok\n")


def test_every_dashboard_has_data_soon_after_the_start(project: Project) -> None:
    prometheus = f"http://127.0.0.1:{project.environment['STACK_PROMETHEUS_PORT']}"
    stand_in = Grafana("grafana", prometheus, dashboards=ROOT / "grafana" / "dashboards")
    report = Report(io.StringIO(), seconds=100)
    for uid in grafana.expected(stand_in.dashboards):

        def look(uid: str = uid) -> str:
            assert project.predict() == 200
            return grafana.dashboard(stand_in, uid)

        report.check(uid, look)


@pytest.mark.parametrize("service", RUNNING)
def test_a_container_has_a_read_only_root_and_no_rights(project: Project, service: str) -> None:
    status = dict(
        re.findall(r"^(\w+):\s+(.*)$", project.execute(service, "cat", PROCESS_STATUS), re.MULTILINE)
    )
    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1"
    assert "0" not in status["Uid"].split(), "it runs as root"
    root = next(
        line
        for line in project.execute(service, "cat", "/proc/mounts").splitlines()
        if line.split()[1] == "/"
    )
    assert "ro" in root.split()[3].split(",")


def test_umbra_runs_as_the_numbered_user_and_owns_its_volumes(project: Project) -> None:
    for service in ("api", "worker"):
        assert (
            project.execute(service, "stat", "-c", "%u:%g", "/proc/1", "/data", "/logs").split()
            == ["10001:10001"] * 3
        )


def test_only_what_people_use_is_published_and_only_on_loopback(project: Project) -> None:
    bound = {service: project.inspect(service)["NetworkSettings"]["Ports"] for service in RUNNING}
    hosts = {
        service: {place["HostIp"] for places in ports.values() for place in places or []}
        for service, ports in bound.items()
    }
    assert {service: found for service, found in hosts.items() if found} == {
        service: {"127.0.0.1"} for service in ("api", "prometheus", "alertmanager")
    }
    (back,) = json.loads(run("docker", "network", "inspect", f"{project.name}_back"))
    assert back["Internal"] is True


def test_no_password_is_in_an_image_or_a_log(project: Project) -> None:
    secrets = re.findall(r"^\w+=(\w{32,})$", project.env_file.read_text(), re.MULTILINE)
    assert len(secrets) >= 7
    seen = project.compose("logs", "--no-color")
    for image in ("umbra", "umbra-load"):
        name = f"{image}:{project.name}"
        seen += run("docker", "image", "inspect", name) + run("docker", "history", "--no-trunc", name)
    assert [secret[:4] for secret in secrets if secret in seen] == []
    assert "PASSWORD" not in seen
    found = project.execute(
        "api", "python", "-c", "import pathlib; print(list(pathlib.Path('/').glob('**/.env')))"
    )
    assert found.strip() == "[]"


def test_the_load_test_gets_only_right_answers(project: Project) -> None:
    project.compose("--profile", "load", "run", "--rm", "--no-deps", "load")


def test_a_killed_worker_comes_back_and_loses_nothing(project: Project) -> None:
    before = project.wait_stored(project.status()["intake"]["numbered"])["intake"]["stored"]
    kill = (
        "import glob, json, os; os.kill(json.load(open(glob.glob('/data/run/worker-*.json')[0]))['pid'], 9)"
    )
    with Traffic(project) as traffic:
        traffic.more(20)
        project.compose("exec", "--detach", "worker", "python", "-c", kill)
        traffic.more(50)
        wait_until(lambda: project.inspect("worker")["RestartCount"] >= 1, 60)
        project.wait_healthy("worker")
        traffic.more(20)
    assert (set(traffic.statuses), traffic.faults) == ({200}, [])
    project.wait_stored(before + len(traffic.statuses))


def test_while_postgres_is_stopped_answers_keep_coming_and_are_stored_later(project: Project) -> None:
    before = project.status()["intake"]["stored"]
    with Traffic(project) as traffic:
        traffic.more(20)
        project.compose("stop", "postgres")
        try:
            traffic.more(150)
            assert project.inspect("api")["State"]["Health"]["Status"] == "healthy"
        finally:
            project.compose("start", "postgres")
        traffic.more(20)
    assert (set(traffic.statuses), traffic.faults) == ({200}, [])
    project.wait_stored(before + len(traffic.statuses))


def test_after_down_and_up_everything_is_still_there(project: Project) -> None:
    before = project.status()["intake"]["stored"]
    project.compose("down")
    project.compose("up", "--detach", *CORE)
    project.wait_healthy(*RUNNING)
    assert project.predict() == 200
    project.wait_stored(before + 1)
    for service in RUNNING:
        assert project.inspect(service)["RestartCount"] == 0
