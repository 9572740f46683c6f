"""docker-compose.yml keeps its promises: pinned, bounded, without rights, on loopback, without a secret."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import make_env
import pytest
import yaml
from smoke.compose import ONE_SHOTS

from shadow.settings import Settings

ROOT = Path(__file__).parents[2]

Service = dict[str, Any]
FILE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, Service] = FILE["services"]
CORE = {"postgres", "migrate", "api", "worker", "prometheus", "alertmanager", "grafana"}
ELK = {"elasticsearch", "elastic-setup", "logstash", "kibana", "kibana-setup"}
WRITES_ITS_OWN_CONFIGURATION = {"elasticsearch", "logstash", "kibana"}
DEMO = {"demo", "demo-prometheus"}
SEEN_FROM_THIS_MACHINE = {"api", "grafana", "elasticsearch", "kibana", "demo"}
ADMIN_TOKEN = "UMBRA_ADMIN_TOKEN"  # noqa: S105 (a name)
OF_THE_STACK = {
    "UMBRA_DATA_DIR": "the image says it: the volume's place",
    "UMBRA_MODELS_DIR": "the volume's place",
    "UMBRA_LOG_DIR": "the volume's place",
    "UMBRA_METRICS_DIR": "shared memory, of which there is enough",
    "UMBRA_STORE_URL": "the stack's own database",
    "UMBRA_STORE_DISK_DIR": "the volume's place, in the worker, which looks at it",
    "UMBRA_API_HOST": "the container's",
    "UMBRA_API_PORT": "the container's; STACK_API_PORT is the host's",
    "UMBRA_METRICS_HOST": "the container's",
    "UMBRA_API_METRICS_PORT": "prometheus.yml names it",
    "UMBRA_WORKER_METRICS_PORT": "prometheus.yml names it",
}
"""Settings that the stack decides, and why."""
ENDS_BY_ITSELF = ONE_SHOTS | {"load"}
EVERY = pytest.mark.parametrize("name", sorted(SERVICES))
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def default(text: object) -> str:
    """The text with every variable at its default, required ones as `required-and-random`."""
    return VARIABLE.sub(lambda found: found[3] if found[2] == "-" else "required-and-random", str(text))


def environment(name: str) -> dict[str, str]:
    return {key: default(value) for key, value in SERVICES[name].get("environment", {}).items()}


def compose(*arguments: str, env_file: Path | str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if key not in make_env.KEYS}
    command = ["docker", "compose", "--env-file", str(env_file), *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=kept, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def needs_compose() -> None:
    command = ["docker", "compose", "version"]
    if not shutil.which("docker") or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs Docker's Compose plugin")


@pytest.mark.usefixtures("needs_compose")
def test_compose_takes_the_file_with_all_profiles(tmp_path: Path) -> None:
    make_env.main(["--file", str(tmp_path / ".env")])
    profiles = ("--profile", "elk", "--profile", "load", "--profile", "demo")
    done = compose(*profiles, "config", "-q", env_file=tmp_path / ".env")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.usefixtures("needs_compose")
def test_without_passwords_compose_says_which_command_makes_them() -> None:
    done = compose("config", "-q", env_file="/dev/null")
    assert done.returncode != 0
    assert "python3 deploy/make_env.py" in done.stderr


def test_the_core_has_no_profile_and_the_rest_has_one() -> None:
    profiles = {name: service.get("profiles", []) for name, service in SERVICES.items()}
    assert {name for name in profiles if not profiles[name]} == CORE
    assert {name for name in profiles if profiles[name] == ["elk"]} == ELK
    assert {name for name in profiles if profiles[name] == ["load"]} == {"load"}
    assert {name for name in profiles if profiles[name] == ["demo"]} == DEMO


@EVERY
def test_a_service_is_looked_after_or_ends_by_itself(name: str) -> None:
    service = SERVICES[name]
    if name in ENDS_BY_ITSELF:
        assert service["restart"] == "no"
        assert "healthcheck" not in service
    else:
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"].keys() == {"test", "interval", "timeout", "retries", "start_period"}


@EVERY
def test_a_service_has_bounds(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert 0 < service["cpus"] <= 2
    assert 0 < service["pids_limit"] <= 2048
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}


@EVERY
def test_a_service_has_no_rights(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service.get("read_only", False) == (name not in WRITES_ITS_OWN_CONFIGURATION)
    assert service.keys().isdisjoint({"cap_add", "privileged", "network_mode", "pid", "ipc", "devices"})
    assert "docker.sock" not in str(service)


@EVERY
def test_a_port_is_published_on_loopback_only(name: str) -> None:
    ports = [default(port) for port in SERVICES[name].get("ports", [])]
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in ports)
    assert bool(ports) == (name in SEEN_FROM_THIS_MACHINE)


def test_what_stores_or_scores_has_no_way_out() -> None:
    assert FILE["networks"]["back"] == {"internal": True}
    assert {name for name in SERVICES if SERVICES[name]["networks"] == ["back"]} == {
        "postgres",
        "migrate",
        "worker",
        "logstash",
        "elastic-setup",
        "kibana-setup",
    }


@EVERY
def test_an_image_is_pinned_or_built_here(name: str) -> None:
    image = default(SERVICES[name]["image"])
    if "build" in SERVICES[name]:
        assert image.endswith(":local")
    else:
        assert re.fullmatch(r"[\w/-]+:v?\d+\.\d+(\.\d+)?(-\w+)?", image)


def test_the_base_image_is_the_dockerfiles() -> None:
    (base,) = re.findall(r"^ARG BASE_IMAGE=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    built = [service["build"] for service in SERVICES.values() if "build" in service]
    assert {default(build["args"]["BASE_IMAGE"]) for build in built} == {base}
    assert {build["target"] for build in built} == {"umbra", "load"}


@EVERY
def test_a_mounted_file_is_there_and_read_only_and_a_volume_is_declared(name: str) -> None:
    for mount in SERVICES[name].get("volumes", []):
        source, _, rest = mount.partition(":")
        if source.startswith("."):
            assert (ROOT / source).exists(), source
            assert rest.endswith(":ro")
        else:
            assert source in FILE["volumes"]


def test_every_volume_is_used() -> None:
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", [])]
    assert FILE["volumes"].keys() == {mount.partition(":")[0] for mount in mounts if mount[0] != "."}


def test_whoever_only_reads_a_volume_may_only_read_it() -> None:
    """Models are written by who trains them alone; of the database the worker sees how full its disk is."""
    writers: dict[str, set[str]] = {name: set() for name in FILE["volumes"]}
    for name, service in SERVICES.items():
        for mount in service.get("volumes", []):
            source, _, rest = mount.partition(":")
            if source in writers and not re.search(r":ro\b", rest):
                writers[source].add(name)
    assert writers == {
        "data": {"api", "worker", "migrate"},
        "models": {"migrate"},
        "logs": {"api", "worker", "migrate"},
        **{name: {name} for name in writers.keys() - {"data", "models", "logs"}},
    }


@pytest.mark.parametrize("name", ["migrate", "api", "worker"])
def test_every_setting_reaches_the_containers_or_is_the_stacks_own(name: str) -> None:
    """As .env or the shell say it: `UMBRA_X: ${UMBRA_X:-...}`; the admin token the API alone."""
    given = SERVICES[name]["environment"]
    settings = {f"UMBRA_{field.name.upper()}" for field in dataclasses.fields(Settings)}
    assert OF_THE_STACK.keys() <= settings
    for setting in settings - OF_THE_STACK.keys() - {ADMIN_TOKEN}:
        assert re.fullmatch(rf"\$\{{{setting}:-[^}}]*\}}", str(given.get(setting))), setting
    assert (ADMIN_TOKEN in given) == (name == "api")


@pytest.mark.usefixtures("needs_compose")
def test_a_setting_in_the_env_file_reaches_every_container(tmp_path: Path) -> None:
    make_env.main(["--file", str(tmp_path / ".env")])
    with (tmp_path / ".env").open("a", encoding="utf-8") as file:
        file.write("UMBRA_JOURNAL_MAX_BYTES=77777777\nUMBRA_API_MAX_ROWS=17\n")
    done = compose("config", "--format", "json", env_file=tmp_path / ".env")
    services = json.loads(done.stdout)["services"]
    for name in ("migrate", "api", "worker"):
        settings = Settings.from_environment(
            {key: value for key, value in services[name]["environment"].items() if value is not None}
        )
        assert (settings.journal_max_bytes, settings.api_max_rows) == (77777777, 17)


def test_the_admin_token_is_in_the_environment_of_the_api_alone() -> None:
    assert [name for name in SERVICES if ADMIN_TOKEN in SERVICES[name].get("environment", {})] == ["api"]


def test_live_answers_come_first_when_cpu_is_short() -> None:
    """Niceness does nothing between containers: shares do; 1,024 where nothing is said."""
    shares = {name: int(default(service.get("cpu_shares", 1024))) for name, service in SERVICES.items()}
    assert shares["worker"] * 4 <= shares["api"]
    assert shares["demo"] * 4 <= shares["api"]


def test_the_demo_shares_nothing_with_the_real_one() -> None:
    def volumes(name: str) -> set[str]:
        mounts = SERVICES[name].get("volumes", [])
        return {mount.partition(":")[0] for mount in mounts if not mount.startswith(".")}

    for name in DEMO:
        assert volumes(name).isdisjoint(set().union(*map(volumes, SERVICES.keys() - {name})))
    assert "UMBRA_STORE_URL" not in SERVICES["demo"]["environment"]
    assert SERVICES["demo"]["networks"] == ["front"], "the real database is on `back`"


@EVERY
def test_a_health_check_imports_nothing_from_the_working_directory(name: str) -> None:
    test = SERVICES[name].get("healthcheck", {}).get("test", [])
    assert "python" not in test or test[1:3] == ["python", "-P"]


def test_logstash_only_reads_the_logs_as_a_member_of_their_group() -> None:
    assert "logs:/logs:ro" in SERVICES["logstash"]["volumes"]
    assert SERVICES["logstash"]["group_add"] == ["10001"]


@EVERY
def test_what_looks_like_a_secret_comes_from_the_environment_or_not_at_all(name: str) -> None:
    for key, value in SERVICES[name].get("environment", {}).items():
        if re.search(r"PASSWORD|SECRET|TOKEN|KEY|STORE_URL", key):
            assert "required" in default(value), key


def test_every_secret_is_made_and_every_secret_made_is_used() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    required = {found[1] for found in VARIABLE.finditer(text) if found[2] == "?"}
    assert required == make_env.KEYS.keys()


@EVERY
def test_a_service_waits_for_conditions_that_can_come_true(name: str) -> None:
    own = set(SERVICES[name].get("profiles", []))
    for other, how in SERVICES[name].get("depends_on", {}).items():
        assert set(SERVICES[other].get("profiles", [])) <= own, "it would wait for a profile that is off"
        once = other in ENDS_BY_ITSELF
        assert (how["condition"] == "service_completed_successfully") == once


def test_the_api_stops_before_the_worker_and_the_worker_before_the_database() -> None:
    assert "worker" in SERVICES["api"]["depends_on"]
    assert "migrate" in SERVICES["worker"]["depends_on"]
    assert "postgres" in SERVICES["migrate"]["depends_on"]


def test_a_request_under_way_is_answered_before_the_container_is_killed() -> None:
    (seconds,) = re.findall(
        r"^graceful_timeout = (\d+)", (ROOT / "api/server/gunicorn.conf.py").read_text(), re.M
    )
    assert int(SERVICES["api"]["stop_grace_period"].rstrip("s")) > int(seconds)


@pytest.mark.parametrize("name", ["migrate", "api", "worker"])
def test_umbra_understands_its_settings(name: str) -> None:
    settings = Settings.from_environment({"UMBRA_DATA_DIR": "/data", **environment(name)})
    assert str(settings.models) == "/models"
    assert settings.store == "postgresql://umbra:required-and-random@postgres:5432/umbra"
    assert (settings.api_host, settings.metrics_host) == ("0.0.0.0", "0.0.0.0")  # noqa: S104 (inside only)
    assert str(settings.log_dir) == "/logs"
    assert settings.log_stdout
