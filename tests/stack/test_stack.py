"""`docker compose up` gives the platform: it works, it has no rights, and it survives what happens."""

from __future__ import annotations

import errno
import io
import json
import re

import pytest
from engine.grafana import Grafana
from engine.project import CORE, ROOT, Project, Traffic, run
from harness.waiting import wait_until
from smoke import grafana
from smoke.check import CheckReport
from smoke.compose import Compose
from smoke.site import Inside

RUNNING = tuple(service for service in CORE if service != "migrate")
PROCESS_STATUS = "/proc/1/status"


def test_the_smoke_command_is_satisfied(project: Project) -> None:
    printed = project.check()
    assert re.findall(r"^ok +(.+?) {2,}", printed, re.MULTILINE) == [
        "docker compose",
        "postgres",
        "migrate",
        "worker",
        "api",
        "prometheus",
        "alertmanager",
        "prediction",
        "live row",
        "candidate rows",
        "prediction by id",
        "ledger",
        "scraped targets",
        "rules",
        "alerts are sent",
        "pages",
    ]
    assert printed.endswith("16 checks, all ok\n")


def test_every_dashboard_has_data_soon_after_the_start(project: Project) -> None:
    compose = Compose(ROOT, project.arguments)
    stand_in = Grafana(
        "prometheus", "http://127.0.0.1:9090", compose=compose, dashboards=ROOT / "grafana" / "dashboards"
    )
    report = CheckReport(io.StringIO(), seconds=100)
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
            project.execute(service, "stat", "-c", "%u:%g", "/proc/1", "/data", "/models", "/logs").split()
            == ["10001:10001"] * 4
        )


def test_models_can_be_read_and_not_written_and_the_disk_of_the_database_only_be_measured(
    project: Project,
) -> None:
    attempts = {
        "api": "open('/models/x', 'w')",
        "worker": "open('/models/x', 'w')",
        "worker ": "__import__('os').listdir('/store-disk')",
        "api ": "open('/x', 'w')",
    }
    for service, attempt in attempts.items():
        script = f"try:\n {attempt}\nexcept OSError as fault:\n print(fault.errno)"
        refused = project.execute(service.strip(), "python", "-P", "-c", script)
        assert int(refused) in (errno.EROFS, errno.EACCES), attempt
    metrics = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8002/metrics').read().decode())"
    told = project.execute("worker", "python", "-P", "-c", metrics)
    assert re.search(r"^umbra_store_disk_free_bytes [1-9]", told, re.MULTILINE)


def test_a_file_in_the_volume_that_two_containers_share_is_imported_by_neither(project: Project) -> None:
    """What one container plants in /data, another must not run: its health check imports `http.client`."""
    project.execute("worker", "python", "-P", "-c", "open('/data/http.py', 'w').write('raise SystemExit(9)')")
    try:
        check = ("python", "-c", "import http.client; print(http.__file__)")
        assert "/data" not in project.execute("api", *check)
        assert project.execute("api", "pwd").strip() == "/"
    finally:
        project.execute("worker", "rm", "/data/http.py")


def test_the_demo_answers_beside_the_real_one_and_shares_nothing(project: Project) -> None:
    before = project.status()["intake"]["stored"]
    project.compose("--profile", "demo", "up", "--detach", "--no-deps", "demo", "demo-prometheus")
    project.wait_healthy("demo", "demo-prometheus")
    inside = Inside("demo-prometheus", "http://127.0.0.1:9090", compose=Compose(ROOT, project.arguments))

    def judged() -> bool:
        answer = inside.json("GET", "/api/v1/query?query=umbra_outcomes_matched%3E0")
        return bool(answer["data"]["result"].items())

    wait_until(judged, 120, lambda: project.compose("logs", "demo", "--tail", "20"))
    project.compose("--profile", "demo", "rm", "--stop", "--force", "demo", "demo-prometheus")
    assert project.status()["intake"]["stored"] == before


def test_only_what_people_use_is_published_and_only_on_loopback(project: Project) -> None:
    bound = {service: project.inspect(service)["NetworkSettings"]["Ports"] for service in RUNNING}
    hosts = {
        service: {place["HostIp"] for places in ports.values() for place in places or []}
        for service, ports in bound.items()
    }
    assert {service: found for service, found in hosts.items() if found} == {"api": {"127.0.0.1"}}
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
