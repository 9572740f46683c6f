"""setup.sh, really run, against a server that writes down what it is asked."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from needed import program
from reading import index, objects
from reading.recorder import Recorder, recording

SCRIPT = index.FOLDER / "setup.sh"
PASSWORDS = {
    "ELASTIC_PASSWORD": "elastic-Secret.1",
    "KIBANA_SYSTEM_PASSWORD": "kibana_Secret~2",
    "LOGSTASH_WRITER_PASSWORD": "writerSecret3",
    "UMBRA_READER_PASSWORD": "readerSecret4",
}
STEPS = {
    "/_security/user/kibana_system/_password": "password of kibana_system",
    "/_security/role/umbra_writer": "role umbra_writer",
    "/_security/role/umbra_reader": "role umbra_reader",
    "/_security/user/umbra_writer": "user umbra_writer",
    "/_security/user/umbra_reader": "user umbra_reader",
    "/_ilm/policy/umbra-logs": "ILM policy umbra-logs",
    "/_component_template/umbra@custom": "component template umbra@custom",
    "/_index_template/umbra-logs": "index template umbra-logs",
}
FILES = {
    "/_security/role/umbra_writer": index.FOLDER / "roles" / "umbra_writer.json",
    "/_security/role/umbra_reader": index.FOLDER / "roles" / "umbra_reader.json",
    "/_ilm/policy/umbra-logs": index.FOLDER / "ilm" / "umbra-logs.json",
    "/_component_template/umbra@custom": index.COMPONENT,
    "/_index_template/umbra-logs": index.TEMPLATE,
}
IMPORT = "/api/saved_objects/_import"
IMPORTED = (200, '{"successCount":11,"success":true}')


@pytest.fixture
def server() -> Iterator[Recorder]:
    with recording() as recorder:
        recorder.answers[IMPORT] = [IMPORTED]
        yield recorder


def run(server: Recorder, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "ELASTICSEARCH_URL": server.url,
        "KIBANA_URL": server.url,
        "SETUP_WAIT_SECONDS": "20",
        **PASSWORDS,
        **changes,
    }
    return subprocess.run(
        ["sh", SCRIPT, *arguments],
        env=environment,
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_elasticsearch_is_given_everything_in_order_by_its_superuser(server: Recorder) -> None:
    result = run(server, "elasticsearch")
    assert result.returncode == 0, result.stderr
    assert [one.path for one in server.asked[1:]] == list(STEPS)
    assert server.asked[0].path.startswith("/_cluster/health?wait_for_status=yellow")
    assert {one.user for one in server.asked} == {f"elastic:{PASSWORDS['ELASTIC_PASSWORD']}"}
    said = [f"setup: {what}" for what in STEPS.values()]
    assert result.stdout.splitlines() == ["setup: Elasticsearch is ready", *said, "setup: done"]


def test_templates_roles_and_the_policy_arrive_as_committed(server: Recorder) -> None:
    run(server, "elasticsearch")
    bodies = {one.path: one for one in server.asked if one.path in FILES}
    assert {path: json.loads(one.body) for path, one in bodies.items()} == {
        path: index.document(file) for path, file in FILES.items()
    }
    assert {one.headers["Content-Type"] for one in bodies.values()} == {"application/json"}
    assert {one.method for one in bodies.values()} == {"PUT"}


def test_each_user_gets_its_own_password_and_role(server: Recorder) -> None:
    run(server, "elasticsearch")
    users = {one.path.split("/")[3]: json.loads(one.body) for one in server.asked if "/user/" in one.path}
    assert users["kibana_system"] == {"password": PASSWORDS["KIBANA_SYSTEM_PASSWORD"]}
    assert users["umbra_writer"]["password"] == PASSWORDS["LOGSTASH_WRITER_PASSWORD"]
    assert users["umbra_writer"]["roles"] == ["umbra_writer"]
    assert users["umbra_reader"]["password"] == PASSWORDS["UMBRA_READER_PASSWORD"]
    assert users["umbra_reader"]["roles"] == ["umbra_reader"]


@pytest.mark.parametrize("mode", ["elasticsearch", "kibana"])
def test_it_may_run_again(server: Recorder, mode: str) -> None:
    assert run(server, mode).returncode == 0
    first = server.paths()
    server.asked.clear()
    assert run(server, mode).returncode == 0
    assert server.paths() == first
    assert all(
        path.startswith(("GET ", "PUT ")) or "/_password" in path or "overwrite=true" in path
        for path in first
    )


def test_kibanas_objects_are_imported_whole(server: Recorder) -> None:
    result = run(server, "kibana")
    assert result.returncode == 0, result.stderr
    assert server.paths() == ["GET /api/status", f"POST {IMPORT}?overwrite=true"]
    sent = server.asked[1]
    assert sent.headers["Content-Type"].startswith("multipart/form-data")
    assert sent.headers["kbn-xsrf"]
    assert 'name="file"; filename="umbra.ndjson"' in sent.body
    assert objects.FILE.read_text(encoding="utf-8") in sent.body


def test_an_import_of_which_a_part_failed_is_a_failure_although_the_status_is_200(server: Recorder) -> None:
    server.answers[IMPORT] = [(200, '{"success":false,"errors":[{"id":"umbra-errors"}]}')]
    result = run(server, "kibana")
    assert result.returncode == 1
    assert "umbra-errors" in result.stderr


@pytest.mark.parametrize("path", STEPS)
def test_a_step_that_is_refused_is_named_with_the_answer_and_ends_it(server: Recorder, path: str) -> None:
    server.answers[path] = [(400, '{"error":"it will not do"}')]
    result = run(server, "elasticsearch")
    assert result.returncode == 1
    assert result.stderr.startswith(f"setup: FAILED: {STEPS[path]}: ")
    assert "answered 400" in result.stderr
    assert "it will not do" in result.stderr
    assert server.asked[-1].path == path


def test_a_server_that_only_begins_is_waited_for(server: Recorder) -> None:
    server.answers["/_cluster/health"] = [(503, "{}"), (408, "{}"), (200, "{}")]
    server.answers["/_security/role/umbra_writer"] = [(503, "{}"), (200, "{}")]
    result = run(server, "elasticsearch")
    assert result.returncode == 0, result.stderr
    assert server.paths().count("PUT /_security/role/umbra_writer") == 2


@pytest.mark.parametrize(("mode", "path"), [("elasticsearch", "/_cluster/health"), ("kibana", "/api/status")])
def test_a_password_that_is_refused_ends_it_long_before_the_wait_is_over(
    server: Recorder, mode: str, path: str
) -> None:
    server.answers[path] = [(503, "{}"), (401, "{}")]
    result = run(server, mode, SETUP_REFUSED_SECONDS="0")
    assert result.returncode == 1
    assert "refuses ELASTIC_PASSWORD" in result.stderr
    assert "put that one back into .env" in result.stderr
    assert len(server.asked) == 2


def test_a_refusal_while_the_index_of_the_users_is_opened_is_waited_out(server: Recorder) -> None:
    server.answers["/_cluster/health"] = [(401, "{}"), (200, "{}")]
    result = run(server, "elasticsearch")
    assert result.returncode == 0, result.stderr


def test_a_server_that_is_not_there_is_named(server: Recorder) -> None:
    result = run(server, "kibana", KIBANA_URL="http://127.0.0.1:9", SETUP_WAIT_SECONDS="0")
    assert result.returncode == 1
    assert "Kibana was not ready in 0 s; http://127.0.0.1:9/api/status answered 000" in result.stderr


@pytest.mark.parametrize("name", PASSWORDS)
@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ("", "is not set"),
        ("abc", "is shorter than 6"),
        ('a"bcdefg', "holds a character"),
        ("a\nbcdefg", "holds a"),
    ],
)
def test_a_password_that_cannot_be_right_is_named_before_anything_is_asked(
    server: Recorder, name: str, value: str, wrong: str
) -> None:
    result = run(server, "elasticsearch", **{name: value})
    assert result.returncode == 1
    assert f"{name} {wrong}" in result.stderr
    assert not value or value not in result.stderr + result.stdout
    assert server.asked == []


@pytest.mark.parametrize("mode", ["elasticsearch", "kibana"])
def test_no_password_stands_on_a_command_line_or_is_printed(
    server: Recorder, mode: str, tmp_path: Path
) -> None:
    """A curl in front of the real one writes down its arguments, as `ps` would show them."""
    curl = shutil.which("curl")
    seen = tmp_path / "arguments"
    (tmp_path / "curl").write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >>"{seen}"\nexec {curl} "$@"\n')
    (tmp_path / "curl").chmod(0o755)
    result = run(server, mode, PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert result.returncode == 0
    shown = seen.read_text() + result.stdout + result.stderr
    assert server.url in shown
    assert [name for name, value in PASSWORDS.items() if value in shown] == []


@pytest.mark.parametrize("arguments", [(), ("everything",)])
def test_called_wrongly_it_says_how(server: Recorder, arguments: tuple[str, ...]) -> None:
    result = run(server, *arguments)
    assert result.returncode == 2
    assert "elasticsearch|kibana" in result.stderr


def test_shellcheck_has_nothing_to_say() -> None:
    shellcheck = program("shellcheck")
    result = subprocess.run([shellcheck, SCRIPT], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
