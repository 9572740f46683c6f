"""Whatever a service of the stack answers, a check passes or says one line: never a trace, never for ever."""

from __future__ import annotations

import copy
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import make_env
import pytest
import yaml
from smoke import elastic, grafana, prometheus, umbra
from smoke.check import Wrong
from smoke.compose import ONE_SHOTS, Compose
from smoke.site import HttpSite
from standin.product import Product

ROOT = Path(__file__).parents[2]
ENGINE = Path(__file__).parent / "standin" / "engine.py"
ID = "01a1fcc7-f675-7d2a-82c4-639886a25ca3"
ANSWER = umbra.PredictionAnswer("01a1", UUID(ID), "linear@1", 170978.0)
MODEL = {"name": "linear", "version": "1"}

Route = tuple[str, str]
Look = Callable[[HttpSite], object]

PREDICTION = {"request_id": "01a1", "model": MODEL, "predictions": [{"id": ID, "price_dollars": 170978.0}]}
EXAMPLE = {"requestBody": {"content": {"application/json": {"example": {"lot_area": 1}}}}}
CANDIDATE = {"model": {"name": "gbm", "version": "1"}, "state": "active", "sample": 1}
FRAME = {"data": {"values": [[1], [1.5]]}}
TARGET = {"refId": "A", "expr": "up", "instant": True, "format": "table"}
PANEL = {"title": "Up", "targets": [TARGET], "fieldConfig": {"defaults": {"noValue": "no data"}}}
VARIABLE = {"name": "job", "includeAll": False, "current": {"value": ["x"]}}
BOARD = {"uid": "u", "panels": [PANEL, {"panels": [PANEL]}], "templating": {"list": [VARIABLE]}}
RULE = {"name": "UmbraDrift", "type": "alerting", "health": "ok", "state": "firing", "lastError": ""}
RULES = {"data": {"groups": [{"rules": [RULE | {"labels": {"severity": "ticket"}}]}]}}
ACTIVE = [{"labels": {"job": job}, "health": "up", "lastError": ""} for job in prometheus.JOBS]
HIT = {"_source": {"message": "request", "event": {"dataset": "umbra.api"}}}
OBJECT = {"type": "search", "id": "umbra-errors"}

ANSWERS: dict[Route, Any] = {
    ("GET", "/openapi.json"): {"paths": {"/v1/predictions": {"post": EXAMPLE}}},
    ("POST", "/v1/predictions"): PREDICTION,
    ("GET", "/v1/deployment"): {"candidates": [CANDIDATE]},
    ("GET", f"/v1/predictions/{ID}"): {"price_dollars": 170978.0, "observations": [{"state": "scored"}]},
    ("GET", "/api/datasources/uid/prometheus/health"): {"status": "OK", "message": "it works"},
    ("GET", "/api/dashboards/uid/u"): {"dashboard": BOARD},
    ("POST", "/api/ds/query"): {"results": {"A": {"frames": [FRAME]}}},
    ("GET", "/api/v1/targets"): {"data": {"activeTargets": ACTIVE}},
    ("GET", "/api/v1/rules"): RULES,
    ("GET", "/api/v1/alertmanagers"): {"data": {"activeAlertmanagers": [{"url": "http://alertmanager"}]}},
    ("GET", "/api/v2/status"): {"versionInfo": {"version": "0.34.0"}},
    ("POST", f"/{elastic.PATTERN}/_search"): {"hits": {"hits": [HIT]}},
    ("POST", "/api/saved_objects/_export"): OBJECT,
}
LOOKS: dict[str, tuple[Look, list[Route]]] = {
    "prediction": (umbra.predict, [("GET", "/openapi.json"), ("POST", "/v1/predictions")]),
    "candidate rows": (
        lambda site: umbra.candidate_rows(Compose(ROOT), site, ANSWER),
        [("GET", "/v1/deployment")],
    ),
    "prediction by id": (lambda site: umbra.shown(site, ANSWER), [("GET", f"/v1/predictions/{ID}")]),
    "datasource": (grafana.datasource, [("GET", "/api/datasources/uid/prometheus/health")]),
    "dashboard": (
        lambda site: grafana.dashboard(site, "u"),
        [("GET", "/api/dashboards/uid/u"), ("POST", "/api/ds/query")],
    ),
    "targets": (prometheus.targets, [("GET", "/api/v1/targets")]),
    "rules": (prometheus.rules, [("GET", "/api/v1/rules")]),
    "pages": (prometheus.pages, [("GET", "/api/v1/rules")]),
    "alertmanagers": (
        lambda site: prometheus.alertmanagers(site, site),
        [("GET", "/api/v1/alertmanagers"), ("GET", "/api/v2/status")],
    ),
    "request in logs": (
        lambda site: elastic.request_found(site, ID),
        [("POST", f"/{elastic.PATTERN}/_search")],
    ),
    "kibana objects": (
        lambda site: elastic.objects_there(site, [("search", "umbra-errors")]),
        [("POST", "/api/saved_objects/_export")],
    ),
}
each_look = pytest.mark.parametrize("name", LOOKS)
OTHER_VALUES = (None, "", "x", 0, -1, True, [], {}, [None], {"a": None}, 1e300, "\x1b[2J\x00", [[[]]])
OTHER_BODIES = (
    b"",
    b"null",
    b"[]",
    b"{}",
    b'"x"',
    b"7",
    b"NaN",
    b"{",
    b'{"data": ',
    b"\xff\xfe\x00",
    b"<!doctype html><title>502 Bad Gateway</title>",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"price_dollars": 1' + b"0" * 400 + b"}",
)


def parts(content: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every part of a JSON value, to the whole first."""
    yield at
    pairs: Any = (
        content.items()
        if isinstance(content, dict)
        else enumerate(content)
        if isinstance(content, list)
        else ()
    )
    for key, value in pairs:
        yield from parts(value, (*at, key))


def replaced(content: Any, at: tuple[Any, ...], value: Any) -> Any:
    if not at:
        return value
    changed = copy.deepcopy(content)
    holder = changed
    for key in at[:-1]:
        holder = holder[key]
    holder[at[-1]] = value
    return changed


def without(content: Any, at: tuple[Any, ...]) -> Any:
    changed = copy.deepcopy(content)
    holder = changed
    for key in at[:-1]:
        holder = holder[key]
    del holder[at[-1]]
    return changed


def variants(content: Any) -> Iterator[Any]:
    """The answer with each of its parts replaced by something else, or taken out."""
    for at in parts(content):
        yield from (replaced(content, at, value) for value in OTHER_VALUES)
        if at:
            yield without(content, at)


def outcome(look: Look, site: HttpSite) -> Wrong | None:
    """What is wrong, or None; any other error than Wrong is the test's failure."""
    try:
        look(site)
    except Wrong as fault:
        assert str(fault)
        assert fault.advice
        return fault
    return None


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any]], None]:
    """Put a `docker` in front on the path that answers as told."""
    answers, program = tmp_path / "answers.json", tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{ENGINE}" "{answers}" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")

    def told(said: dict[str, Any]) -> None:
        answers.write_text(json.dumps(said))

    told({"exec -T postgres psql": (0, "gbm@1\tscored\t174167.0\n", "")})
    return told


@pytest.fixture
def product(make_product: Callable[[], Product]) -> Product:
    product = make_product()
    product.answers = {route: (200, answer) for route, answer in ANSWERS.items()}
    return product


@each_look
@pytest.mark.usefixtures("docker")
def test_the_answers_as_they_are_documented_pass(product: Product, name: str) -> None:
    look, _ = LOOKS[name]
    assert outcome(look, product.site("api")) is None


@each_look
@pytest.mark.usefixtures("docker")
def test_a_check_takes_no_part_of_an_answer_on_trust(product: Product, name: str) -> None:
    look, routes = LOOKS[name]
    site = product.site("api")
    for route in routes:
        for variant in variants(ANSWERS[route]):
            product.answers[route] = (200, variant)
            outcome(look, site)
        product.answers[route] = (200, ANSWERS[route])


@each_look
@pytest.mark.usefixtures("docker")
def test_a_body_that_is_no_such_document_is_wrong(product: Product, name: str) -> None:
    look, routes = LOOKS[name]
    site = product.site("api")
    for route in routes:
        for body in OTHER_BODIES:
            product.answers[route] = (200, body)
            assert outcome(look, site) is not None, body[:40]
        for status in (204, 301, 400, 401, 404, 429, 500, 502, 503):
            product.answers[route] = (status, ANSWERS[route])
            assert outcome(look, site) is not None, status
        product.answers[route] = (200, ANSWERS[route])


# -- the wire


@pytest.fixture
def serve() -> Iterator[Callable[[bytes, bytes], str]]:
    """Give the address of a server that sends each client these bytes, then `trickle` for ever."""
    listeners = []

    def started(sent: bytes, trickle: bytes) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        threading.Thread(target=_answer_all, args=(listener, sent, trickle), daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield started
    for listener in listeners:
        listener.close()


def _answer_all(listener: socket.socket, sent: bytes, trickle: bytes) -> None:
    ended = threading.Event()
    while True:
        try:
            client, _ = listener.accept()
            with closing(client):
                client.recv(65536)
                client.sendall(sent)
                while trickle and not ended.wait(0.05):
                    client.sendall(trickle)
        except OSError:
            if listener.fileno() < 0:
                return


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\x00\x01\x02\n\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
        b"HTTP/1.1 999999 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n{}",
    ],
)
def test_what_is_no_whole_answer_is_wrong(serve: Callable[[bytes, bytes], str], sent: bytes) -> None:
    fault = outcome(umbra.predict, HttpSite("api", serve(sent, b""), timeout_seconds=5))
    assert fault is not None
    assert fault.advice == "docker compose logs api"


@pytest.mark.parametrize(
    "sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: "]
)
def test_an_answer_that_never_ends_is_given_up(serve: Callable[[bytes, bytes], str], sent: bytes) -> None:
    site = HttpSite("api", serve(sent, b"x"), timeout_seconds=0.3)
    assert outcome(umbra.predict, site) is not None


@pytest.mark.parametrize(
    "url", ["http://", "http://127.0.0.1:1", "http://[::1", "http://127.0.0.1:99999", "http://:0"]
)
def test_an_address_that_nobody_answers_at_is_wrong(url: str) -> None:
    assert outcome(umbra.predict, HttpSite("api", url, timeout_seconds=5)) is not None


# -- what docker compose prints


SQL = "exec -T postgres psql"


@pytest.mark.parametrize(
    "printed", ["", "\n", "x", "a\tb\tc\td\n", "gbm@1\tscored\tmany\n", "gbm@1\tscored\t\n"]
)
def test_a_table_of_another_form_is_wrong(
    docker: Callable[[dict[str, Any]], None], product: Product, printed: str
) -> None:
    docker({SQL: (0, printed, "")})
    assert outcome(LOOKS["candidate rows"][0], product.site("api")) is not None
    assert outcome(lambda _: umbra.live_row(Compose(ROOT), ANSWER), product.site("api")) is not None


@pytest.mark.parametrize("printed", ["", "\n\n", "\x1b[2J", "The ledger does NOT balance."])
def test_a_status_that_does_not_say_that_the_ledger_balances_is_wrong(
    docker: Callable[[dict[str, Any]], None], product: Product, printed: str
) -> None:
    docker({"exec -T worker umbra status": (0, printed, "")})
    assert outcome(lambda _: umbra.ledger(Compose(ROOT)), product.site("api")) is not None


@pytest.mark.parametrize("printed", ["", ":0", "0.0.0.0:0", "no port", "invalid IP:0"])
def test_a_port_that_is_not_published_is_wrong(
    docker: Callable[[dict[str, Any]], None], product: Product, printed: str
) -> None:
    docker({"port": (0, printed, "")})
    fault = outcome(lambda _: Compose(ROOT).url("api", 8000), product.site("api"))
    assert fault is not None
    assert "port 8000 of api is not published" in str(fault)


# -- the whole command

SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
DECLARED = {name: one for name, one in SERVICES.items() if one.get("profiles", ["elk"]) == ["elk"]}
CORE = [name for name, service in DECLARED.items() if "profiles" not in service]
LEDGER = "The ledger balances."


def stack(product: Product, **wget: Any) -> dict[str, Any]:
    """What docker says of a core that is well; `wget` changes what servers inside answer, by resource."""
    listed = [
        {"Service": name, "State": "exited" if name in ONE_SHOTS else "running", "Health": "healthy"}
        for name in CORE
    ]
    inside = {
        "targets": ANSWERS["GET", "/api/v1/targets"],
        "rules": RULES,
        "alertmanagers": ANSWERS["GET", "/api/v1/alertmanagers"],
        "status": ANSWERS["GET", "/api/v2/status"],
    } | wget
    return {
        "--profile elk config": (0, json.dumps({"name": "umbra", "services": DECLARED}), ""),
        "config --services": (0, "\n".join(CORE), ""),
        "ps --all": (0, "\n".join(map(json.dumps, listed)), ""),
        "port": (0, product.url.removeprefix("http://"), ""),
        "SELECT live_name": (0, "linear@1\t170978.0\n", ""),
        "SELECT c.name": (0, "gbm@1\tscored\t174167.0\n", ""),
        "worker umbra status": (0, f"Process  pid\n{LEDGER}\n", ""),
        **{f"/{name}": (0, as_text(answer), "") for name, answer in inside.items()},
    }


def as_text(answer: Any) -> str:
    return answer if isinstance(answer, str) else json.dumps(answer)


def checked(*options: str) -> tuple[int, list[str]]:
    command = [sys.executable, str(ROOT / "deploy" / "check_stack.py"), "--without", "grafana", *options]
    environment = {**os.environ, **dict.fromkeys(make_env.KEYS, "known")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert done.stderr == ""
    return done.returncode, [" ".join(line.split()) for line in done.stdout.splitlines()]


def test_a_stack_that_is_well_passes_every_check(
    docker: Callable[[dict[str, Any]], None], product: Product
) -> None:
    docker(stack(product))
    status, printed = checked("--wait", "0")
    assert (status, printed[-1]) == (0, "16 checks, all ok"), printed
    assert "ok pages no alert pages; 1 tickets (UmbraDrift)" in printed


def test_a_stack_in_which_an_alert_pages_is_not_all_ok(
    docker: Callable[[dict[str, Any]], None], product: Product
) -> None:
    rule = RULE | {"name": "UmbraJournalSize", "labels": {"severity": "page"}}
    docker(stack(product, rules={"data": {"groups": [{"rules": [rule]}]}}))
    status, printed = checked("--wait", "30")
    assert status == 1
    assert printed[-2:] == [
        "FAIL pages an alert pages: UmbraJournalSize",
        "what to do its runbook: docs/monitoring.md#umbrajournalsize",
    ]


@pytest.mark.parametrize("answer", [{"candidates": None}, {"candidates": []}, {}, [], "<html>", None])
def test_candidates_that_stay_unknown_fail_with_a_line(
    docker: Callable[[dict[str, Any]], None], product: Product, answer: Any
) -> None:
    product.answers["GET", "/v1/deployment"] = (200, answer)
    docker(stack(product))
    status, printed = checked("--wait", "0")
    assert status == 1
    assert printed[-2].startswith("FAIL candidate rows ")
    assert printed[-1].startswith("what to do docker compose ")


def test_candidates_that_are_unknown_for_a_moment_are_waited_for(
    docker: Callable[[dict[str, Any]], None], product: Product
) -> None:
    asked = []

    def slowly(_: Any) -> tuple[int, Any]:
        asked.append(1)
        return 200, {"candidates": [CANDIDATE] if len(asked) > 1 else None}

    product.answers["GET", "/v1/deployment"] = slowly
    docker(stack(product))
    status, printed = checked("--wait", "30")
    assert (status, len(asked)) == (0, 2), printed


@pytest.mark.parametrize("resource", ["targets", "rules", "alertmanagers", "status"])
@pytest.mark.parametrize("answer", ["", "null", '{"data": {}}'])
def test_a_server_inside_that_answers_otherwise_fails_with_a_line(
    docker: Callable[[dict[str, Any]], None], product: Product, resource: str, answer: str
) -> None:
    docker(stack(product, **{resource: answer}))
    status, printed = checked("--wait", "0")
    assert status == 1
    assert printed[-2].startswith("FAIL ")
    assert printed[-1].startswith("what to do docker compose logs ")
