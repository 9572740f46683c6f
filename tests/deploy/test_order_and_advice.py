"""The smoke command tells the cause, not a symptom, and what to do; against a stand-in for docker."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import make_env
import mounted
import pytest
import yaml
from check_stack import Examination
from smoke import umbra
from smoke.check import CheckReport, Wrong
from smoke.compose import ONE_SHOTS, Compose, in_order, state_of
from standin.product import Product

ROOT = Path(__file__).parents[2]
ENGINE = Path(__file__).parent / "standin" / "engine.py"
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
DECLARED = {name: one for name, one in SERVICES.items() if one.get("profiles", ["elk"]) == ["elk"]}
CORE = [name for name, one in DECLARED.items() if "profiles" not in one]
ANSWER = umbra.PredictionAnswer("01a1", UUID("01a1fcc7-f675-7d2a-82c4-639886a25ca3"), "hedonic@1", 170978.0)
Told = dict[str, tuple[int, str, str]]
Engine = Callable[[Told], None]
Check = Callable[..., list[str]]


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Puts a `docker` in front on the path."""
    answers, docker = tmp_path / "answers.json", tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ENGINE}" "{answers}" "$@"\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{docker.parent}{os.pathsep}{os.environ['PATH']}")
    return lambda told: [answers.write_text(json.dumps(told)), None][1]


def container(state: str, health: str = "", code: int = 0) -> dict[str, Any]:
    return {"State": state, "Health": health, "ExitCode": code}


def stack(**changed: dict[str, Any]) -> Told:
    """What docker compose says of a core that is well, but for what is `changed`."""
    well = {
        name: container("exited") if name in ONE_SHOTS else container("running", "healthy") for name in CORE
    }
    listed = [{"Service": name, **one} for name, one in (well | changed).items()]
    return {
        "--profile elk config": (0, json.dumps({"name": "umbra", "services": DECLARED}), ""),
        "config --services": (0, "\n".join(CORE), ""),
        "ps --all": (0, "\n".join(map(json.dumps, listed)), ""),
    }


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy with the scripts only, so that it does not matter who may read the folders of this one."""
    copy = tmp_path / "checkout"
    for path in (ROOT / "deploy").rglob("*.py"):
        target = copy / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    return copy


@pytest.fixture
def check(checkout: Path) -> Check:
    """Gives the lines of a check that must fail."""

    def run(*arguments: str) -> list[str]:
        command = [sys.executable, str(checkout / "deploy" / "check_stack.py"), "--wait", "0", *arguments]
        environment = {**os.environ, **dict.fromkeys(make_env.KEYS, "known")}
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=False, env=environment
        )
        assert (done.returncode, done.stderr) == (1, "")
        return [" ".join(line.split()) for line in done.stdout.splitlines()]

    return run


# -- the order


def test_what_others_need_is_looked_at_first_and_the_core_before_the_rest() -> None:
    assert in_order(DECLARED) == [
        "postgres",
        "migrate",
        "worker",
        "api",
        "prometheus",
        "grafana",
        "alertmanager",
        "elasticsearch",
        "elastic-setup",
        "kibana",
        "kibana-setup",
        "logstash",
    ]


def test_the_cause_is_told_and_not_what_waits_for_it(check: Check, engine: Engine) -> None:
    waiting = container("created")
    engine(stack(postgres=container("running", "unhealthy"), migrate=waiting, worker=waiting, api=waiting))
    assert check()[-2:] == ["FAIL postgres running unhealthy", "what to do docker compose logs postgres"]


# -- the advice


@pytest.mark.parametrize(
    ("service", "found", "advice"),
    [
        ("api", None, "docker compose up -d"),
        ("api", container("created"), "docker compose up -d"),
        ("api", container("exited", code=137), "docker compose up -d"),
        ("migrate", container("created"), "docker compose up -d"),
        ("api", container("paused"), "docker compose unpause api"),
        ("api", container("running", "unhealthy"), "docker compose logs api"),
        ("api", container("restarting", code=1), "docker compose logs api"),
        ("migrate", container("exited", code=1), "docker compose logs migrate"),
    ],
)
def test_the_advice_fits_the_state(service: str, found: dict[str, Any] | None, advice: str) -> None:
    with pytest.raises(Wrong) as caught:
        state_of(service, found)
    assert caught.value.advice == advice


def test_a_service_of_a_profile_is_started_with_it() -> None:
    with pytest.raises(Wrong) as caught:
        state_of("kibana", None, "elk")
    assert caught.value.advice == "docker compose --profile elk up -d"


def test_a_password_that_the_volume_does_not_know_is_told_as_that(check: Check, engine: Engine) -> None:
    said = 'FATAL:  password authentication failed for user "umbra"\n'
    failed = stack(migrate=container("exited", code=1), worker=container("created"))
    engine(failed | {"logs --no-log-prefix --tail 50 migrate": (0, said, "")})
    *_, seen, advice = check()
    assert seen.startswith("FAIL migrate exited with status 1: postgres refuses POSTGRES_PASSWORD")
    assert advice == "what to do " + " ".join(make_env.CHANGED.split())
    engine(failed | {"logs --no-log-prefix --tail 50 migrate": (0, "no space left on device", "")})
    assert check()[-1] == "what to do docker compose logs migrate"


def test_the_advice_is_for_the_stack_that_was_looked_at(check: Check, engine: Engine) -> None:
    engine(stack(postgres=container("paused")))
    assert check("-p", "mine")[-1] == "what to do docker compose --project-name mine unpause postgres"


def test_a_project_that_nobody_started_is_told_as_that(check: Check, engine: Engine) -> None:
    engine(stack() | {"ps --all": (0, "", "")})
    *_, seen, advice = check("-p", "other")
    assert seen == "FAIL docker compose no service of the project umbra was started"
    assert "docker compose ls" in advice.replace(" --project-name other", "")


@pytest.mark.parametrize("option", ["--file", "--env-file"])
def test_a_file_that_cannot_be_read_is_named_before_docker_is_asked(
    check: Check, engine: Engine, option: str, tmp_path: Path
) -> None:
    engine({})
    assert check(option, str(tmp_path / "none"))[0] == f"FAIL arguments {option} {tmp_path}/none is not there"
    assert check(option, str(tmp_path))[0] == f"FAIL arguments {option} {tmp_path} is a directory"


def test_an_env_file_that_is_no_text_is_named(check: Check, engine: Engine, tmp_path: Path) -> None:
    engine({})
    (tmp_path / "env").write_bytes(b"POSTGRES_PASSWORD=\xff\n")
    assert "is not UTF-8 text" in check("--env-file", str(tmp_path / "env"))[0]


@pytest.mark.parametrize(
    ("complaint", "advice"),
    [
        ('invalid project name "No pe": must consist only of lowercase ...', "correct what it names"),
        ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock.", "start Docker"),
        ("required variable ELASTIC_PASSWORD is missing a value: run ...", "python3 deploy/make_env.py"),
    ],
)
def test_what_docker_compose_refuses_is_final(engine: Engine, complaint: str, advice: str) -> None:
    engine({"config": (1, "", f"{complaint}\n")})
    with pytest.raises(Wrong) as caught:
        Compose(ROOT).declared("elk")
    assert str(caught.value) == f"docker compose config: {complaint}"
    assert caught.value.advice.startswith(advice)
    assert caught.value.final


# -- the row, and the reader


@pytest.mark.parametrize("text", ["170978", "170978.0"])
def test_a_row_of_whole_dollars_is_the_answer_of_whole_dollars(engine: Engine, text: str) -> None:
    engine({"exec -T postgres psql": (0, f"hedonic@1\t{text}\n", "")})
    assert umbra.live_row(Compose(ROOT), ANSWER) == "hedonic@1 $170,978"


@pytest.mark.parametrize("row", ["", "hedonic@1\t170978.01\n", "gbm@1\t170978\n"])
def test_another_row_or_none_is_wrong(engine: Engine, row: str) -> None:
    engine({"exec -T postgres psql": (0, row, "")})
    with pytest.raises(Wrong, match="170978"):
        umbra.live_row(Compose(ROOT), ANSWER)


def test_logs_and_dashboards_are_looked_at_as_the_reader_who_is_advertised(
    engine: Engine, make_product: Callable[[], Product]
) -> None:
    product = make_product()
    hit = {"_source": {"message": "request", "event": {"dataset": "umbra.api"}}}
    export = ("POST", "/api/saved_objects/_export")
    product.answers = {
        ("POST", "/logs-umbra.*-*/_search"): (200, {"hits": {"hits": [hit]}}),
        export: lambda body: (200, b"\n".join(json.dumps(one).encode() for one in body["objects"])),
    }
    engine({"port": (0, product.url.removeprefix("http://"), "")})
    secrets = dict.fromkeys(make_env.KEYS, "other") | {"KIBANA_READER_PASSWORD": "readers"}
    with Path(os.devnull).open("w", encoding="utf-8") as out:
        examination = Examination(CheckReport(out, 0), Compose(ROOT), secrets)
        examination.elastic(ANSWER)
        logins = [base64.b64decode(headers["authorization"].split()[1]) for _, _, headers, _ in product.asked]
        assert logins == [b"umbra_reader:readers"] * 2
        product.answers[export] = (403, {"message": "Unable to bulk_get dashboard"})
        with pytest.raises(Wrong, match="bulk_get") as caught:
            examination.elastic(ANSWER)
    assert "elastic-setup" in caught.value.advice


# -- what containers mount


def test_the_folders_looked_at_are_those_that_are_mounted() -> None:
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", [])]
    assert {mount.split("/")[1].partition(":")[0] for mount in mounts if mount[0] == "."} == {
        *mounted.FOLDERS
    }


@pytest.mark.parametrize("script", ["make_env.py", "check_stack.py"])
def test_configuration_that_only_its_owner_can_read_is_told_with_the_command(
    engine: Engine, script: str, checkout: Path
) -> None:
    """With modes as umask 077 makes them; a cache of Python is nobody's concern."""
    engine({})
    for folder in mounted.FOLDERS:
        (checkout / folder / "inner").mkdir(parents=True)
        (checkout / folder / "inner" / "file").touch()
    command = [sys.executable, str(checkout / "deploy" / script)]
    expected = "chmod -R go+rX prometheus alertmanager grafana logstash elasticsearch kibana"
    subprocess.run(expected.split(), cwd=checkout, check=True)
    for path, mode in ((checkout / "kibana", 0o700), (checkout / "grafana" / "inner" / "file", 0o600)):
        path.chmod(mode)
        said = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stdout
        assert f"cannot read {path.relative_to(checkout)}" in said
        assert expected in said
        subprocess.run(expected.split(), cwd=checkout, check=True)
        (checkout / "elasticsearch" / "__pycache__").mkdir(exist_ok=True)
        (checkout / "elasticsearch" / "__pycache__").chmod(0o700)
        said = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stdout
        assert "chmod" not in said
