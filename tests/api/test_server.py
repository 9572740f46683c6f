"""A real server, real sockets, real signals: `python -m api.server` with its workers."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
from patience import PATIENCE_SECONDS
from ports import free_port, free_ports
from prometheus_client.parser import text_string_to_metric_families

from model_package.schema import EXAMPLE
from shadow.processes.heartbeat import live_processes

HOUSE = json.dumps(EXAMPLE).encode()
POST = b"POST /v1/predictions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
NASTY = {
    "no request line": (b"\x00\x01garbage\r\n\r\n", 400),
    "a request line of one word": (b"FOO\r\n\r\n", 400),
    "HTTP 9.9": (b"GET / HTTP/9.9\r\n\r\n", 400),
    "HTTP 0.9": (b"GET /livez\r\n\r\n", 400),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "a proxy line": (b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\nGET / HTTP/1.1\r\n\r\n", 400),
    "a very long address": (b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\n\r\n", 414),
    "a huge header": (b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", 431),
    "many headers": (b"GET / HTTP/1.1\r\n" + b"".join(b"X%d: 1\r\n" % n for n in range(500)) + b"\r\n", 431),
    "a folded header": (b"GET / HTTP/1.1\r\nX: 1\r\n folded\r\n\r\n", 400),
    "a zero byte in a header": (b"GET / HTTP/1.1\r\nX: a\x00b\r\n\r\n", 400),
    "a header without a name": (b"GET / HTTP/1.1\r\n: 1\r\n\r\n", 400),
    "a script name": (b"GET /livez HTTP/1.1\r\nSCRIPT_NAME: /x\r\nHost: localhost\r\n\r\n", 400),
    "a script name that is there": (
        b"GET /v1/x/v1/deployment HTTP/1.1\r\nHost: localhost\r\nSCRIPT_NAME: /v1/x\r\n\r\n",
        400,
    ),
    "a path of its own": (b"GET /nope HTTP/1.1\r\nHost: localhost\r\nPATH_INFO: /v1/deployment\r\n\r\n", 400),
    "no host": (b"GET / HTTP/1.1\r\nX-Forwarded-Host: localhost\r\n\r\n", 400),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
    "another host": (b"GET / HTTP/1.1\r\nHost: evil.example:8000\r\n\r\n", 421),
    "another host in the target": (b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 421),
    "a host that a proxy would forward": (
        b"GET / HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: localhost\r\n\r\n",
        421,
    ),
    "a stacked transfer coding": (CHUNKED[:-4] + b"\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400),
    "identity before chunks": (
        POST + b"Transfer-Encoding: identity, chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(HOUSE), HOUSE),
        400,
    ),
    "an upgrade": (b"GET /livez HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", 400),
    "an expectation": (POST + b"Expect: nonsense\r\nContent-Length: 1\r\n\r\n{", 417),
    "a length that is no number": (POST + b"Content-Length: abc\r\n\r\n" + HOUSE, 400),
    "a negative length": (POST + b"Content-Length: -5\r\n\r\n" + HOUSE, 400),
    "two lengths": (POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + HOUSE, 400),
    "a length and chunks": (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "an unknown transfer coding": (POST + b"Transfer-Encoding: zstd\r\n\r\n", 400),
    "a body shorter than its length": (POST + b"Content-Length: 9999\r\n\r\n" + HOUSE, 400),
    "no body": (POST + b"\r\n", 400),
    "a chunk cut short": (CHUNKED + b"fff\r\n{", 400),
    "a chunk of no size": (CHUNKED + b"zz\r\n{", 400),
    "a chunk with a wrong end": (CHUNKED + b"2\r\n{}XX0\r\n\r\n", 400),
    "chunks without an end": (CHUNKED + b"%x\r\n%s\r\n" % (len(HOUSE), HOUSE), 400),
    "bad trailers": (CHUNKED + b"2\r\n{}\r\n0\r\nX: \xff\x00\r\n\r\n", 400),
    "more bytes than allowed": (POST + b"Content-Length: 100001\r\n\r\n" + b" " * 100_001, 413),
    "more chunks than allowed": (CHUNKED + (b"4000\r\n" + b" " * 0x4000 + b"\r\n") * 10 + b"0\r\n\r\n", 413),
}


def _metrics(server):
    url = f"http://127.0.0.1:{server.settings.api_metrics_port}/metrics"
    with urllib.request.urlopen(url, timeout=10) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    return {(s.name, *sorted(s.labels.values())): s.value for family in families for s in family.samples}


def _workers(server):
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text()
    return [int(pid) for pid in children.split()]


def test_nasty_bytes_on_the_wire_are_refused_as_problems_and_never_as_a_5xx(serving):
    server = serving()
    for what, (sent, status) in NASTY.items():
        head, _, body = server.raw(sent).partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        assert lines[0].startswith(f"HTTP/1.1 {status} "), (what, head, body)
        assert "Content-Type: application/problem+json" in lines, (what, head)
        problem = json.loads(body)
        assert problem["status"] == status, what
        assert f"X-Request-ID: {problem['request_id']}" in lines, what
    assert server.price()[0] == 200
    refused = [line for line in server.lines() if line["message"] == "request_failed"]
    assert refused == []


def test_a_chunked_body_is_read_whole(serving):
    server = serving()
    pieces = b"".join(
        b"%x\r\n%s\r\n" % (len(HOUSE[at : at + 100]), HOUSE[at : at + 100])
        for at in range(0, len(HOUSE), 100)
    )
    head, _, body = server.raw(CHUNKED + pieces + b"0\r\n\r\n").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert json.loads(body)["predictions"][0]["price_dollars"] == 135_000.0


def test_connections_that_say_nothing_hold_nobody_up(serving):
    server = serving(UMBRA_API_WORKERS="1")
    silent = [socket.create_connection(("127.0.0.1", server.settings.api_port)) for _ in range(10)]
    begun = time.monotonic()
    assert server.price()[0] == 200
    assert time.monotonic() - begun < 4  # one silent connection alone would hold the worker for 5 seconds
    for wire in silent:
        wire.close()


def test_metrics_add_up_over_the_workers_and_survive_one(serving):
    server = serving()
    for _ in range(40):
        assert server.price()[0] == 200
    posts = ("umbra_requests_total", "/v1/predictions", "200", "POST")
    assert _metrics(server)[posts] == 40
    assert _metrics(server)["umbra_live_model_info", "plain@1"] == 2
    before = _workers(server)
    os.kill(before[0], signal.SIGKILL)
    server.wait_until(lambda: len(_workers(server)) == 2 and before[0] not in _workers(server))
    server.wait_until(lambda: _metrics(server)["umbra_live_model_info", "plain@1"] == 2)
    for _ in range(10):
        assert server.price()[0] == 200
    assert _metrics(server)[posts] == 50
    assert _metrics(server)["umbra_captures_written_total",] == 50
    assert server.ask("GET", "/metrics")[0] == 404


def test_every_line_is_json_with_one_line_per_request_and_no_inputs(serving):
    server = serving()
    ids = [f"line-{number}" for number in range(20)]
    for request_id in ids:
        server.price(X_Request_ID=request_id, Authorization="Bearer sesame-open", Cookie="c=sesame-open")
    server.ask("GET", "/nowhere?password=sesame-open", X_Request_ID="line-lost")
    assert server.stop() == 0
    lines = [line for line in server.lines() if line["message"] == "request"]
    by_id = {line["trace"]["id"]: line for line in lines if line["trace"]["id"].startswith("line-")}
    assert sorted(by_id) == sorted([*ids, "line-lost"])
    line = by_id["line-0"]
    assert line["http"]["response"]["status_code"] == 200
    assert line["http"]["request"] == {"method": "POST", "id": "line-0"}
    assert line["event"]["duration"] > 0
    assert line["client"] == {"ip": "127.0.0.1"}
    assert line["umbra"] == {"rows": 1, "model": {"name": "plain", "version": "1"}, "capture": "written"}
    assert by_id["line-lost"]["umbra"] == {"problem": "not-found"}
    assert all(line["service"]["name"] == "umbra.api" for line in server.lines())
    text = server.output.read_text()
    assert "sesame" not in text
    assert "NAmes" not in text


def test_killing_the_arbiter_leaves_no_worker_behind_and_the_port_free(serving, launch):
    server = serving()
    workers = _workers(server)
    server.process.kill()
    server.process.wait(PATIENCE_SECONDS)
    server.wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
    second = launch(server.settings)
    second.wait_until(second.ready)
    assert second.price()[0] == 200


def test_a_worker_that_hangs_when_the_arbiter_is_killed_keeps_no_port(serving, launch):
    server = serving(UMBRA_API_WORKERS="1")
    (worker,) = _workers(server)
    ports = _listening(worker)
    assert server.settings.api_port in ports
    assert server.settings.api_metrics_port not in ports, "that is the arbiter's alone"
    server.process.kill()
    server.process.wait(10)
    server.wait_until(lambda: not Path(f"/proc/{worker}").exists())


def _listening(pid):
    """The TCP ports that a process of Umbra listens on; which files it has open, only root can tell."""
    if os.getuid() != 0:
        pytest.skip("needs to look into a process that lets only root do so")
    own = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    return {
        int(row[1].partition(":")[2], 16) for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in own
    }


def test_ipv6_addresses_are_listened_on_and_told_of(serving):
    server = serving(UMBRA_API_HOST="::", UMBRA_METRICS_HOST="::1")
    for host in ("::1", "127.0.0.1"):
        assert _get(host, server.settings.api_port, "/readyz") == 200
        assert _get(host, server.settings.api_port, "/v1/models") == 200
    assert _get("::1", server.settings.api_metrics_port, "/metrics") == 200
    (announced,) = live_processes(server.settings.run_dir)
    assert announced.facts["address"] == f"http://[::1]:{server.settings.api_port}"


def _get(host, port, path):
    connection = http.client.HTTPConnection(host, port, timeout=10)
    connection.request("GET", path)
    status = connection.getresponse().status
    connection.close()
    return status


def test_a_second_api_on_the_same_port_says_so_in_one_line(serving, launch):
    server = serving()
    for name, port in (("API", server.settings.api_port), ("METRICS", server.settings.api_metrics_port)):
        other = {"API": "UMBRA_API_METRICS_PORT", "METRICS": "UMBRA_API_PORT"}[name]
        second = launch(server.settings, **{other: str(free_port())})
        assert second.process.wait(PATIENCE_SECONDS) == 1
        assert second.output.read_text().splitlines() == [
            f"umbra: 127.0.0.1:{port}: Address already in use; stop what listens there, or set another port"
        ]
    assert server.price()[0] == 200


def test_a_second_api_on_the_same_data_directory_is_refused_and_the_first_keeps_its_metrics(serving, launch):
    server = serving()
    assert server.price()[0] == 200
    counted = _predictions(server)
    ports = {"UMBRA_API_PORT": str(free_port()), "UMBRA_API_METRICS_PORT": str(free_port())}
    second = launch(server.settings, **ports)
    assert second.process.wait(20) == 1
    (line,) = second.output.read_text().splitlines()
    assert line.startswith(f"umbra: another api already serves {server.settings.data_dir}; stop it")
    assert (counted, _predictions(server)) == (1.0, 1.0)
    assert server.price()[0] == 200


def _predictions(server):
    url = f"http://127.0.0.1:{server.settings.api_metrics_port}/metrics"
    with urllib.request.urlopen(url, timeout=10) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    return sum(s.value for f in families for s in f.samples if s.name == "umbra_predictions_total")


def _last_line(server):
    lines = server.output.read_text().splitlines()
    assert not any(line.startswith("Traceback") for line in lines), lines
    return lines[-1]


def test_without_a_deployment_the_start_ends_with_a_clear_line(settings, launch):
    port, metrics_port = free_ports(2)
    server = launch(settings(api_port=port, api_metrics_port=metrics_port))
    assert server.process.wait(PATIENCE_SECONDS) == 1
    assert _last_line(server).startswith("umbra: ")
    assert "umbra prepare" in _last_line(server)


def test_an_altered_artifact_ends_the_start_with_a_clear_line(deployed, launch):
    card = deployed.models / "plain" / "1" / "card.json"
    card.chmod(0o644)
    card.write_bytes(card.read_bytes().replace(b"0.13", b"0.01"))
    server = launch(deployed, UMBRA_API_PORT=str(free_port()), UMBRA_API_METRICS_PORT=str(free_port()))
    assert server.process.wait(PATIENCE_SECONDS) == 1
    assert "altered" in _last_line(server)
    assert "card.json" in _last_line(server)


def test_a_wrong_setting_ends_the_start_with_status_2(deployed, launch):
    server = launch(deployed, UMBRA_API_WORKERS="many")
    assert server.process.wait(PATIENCE_SECONDS) == 2
    assert server.output.read_text() == (
        "umbra: UMBRA_API_WORKERS='many': expected a whole number from 1 to 256\n"
    )


def test_a_data_directory_that_cannot_be_used_ends_the_start_with_a_clear_line(deployed, launch, tmp_path):
    blocker = tmp_path / "blocker"
    blocker.write_text("a file")
    server = launch(deployed, UMBRA_DATA_DIR=str(blocker / "data"))
    assert server.process.wait(PATIENCE_SECONDS) == 1
    assert _last_line(server).startswith("umbra: ")


def test_an_artifact_altered_under_a_running_api_costs_no_answer(serving):
    server = serving()
    (server.settings.models / "plain" / "1" / "profile.json").unlink()
    os.kill(_workers(server)[0], signal.SIGKILL)
    server.wait_until(lambda: any(line["message"] == "cannot_start" for line in server.lines()))
    for _ in range(20):
        assert server.price()[0] == 200
    assert server.process.poll() is None


def test_a_store_that_answers_with_errors_ends_no_api_whose_model_is_remembered(serving, launch):
    server = serving(UMBRA_API_WORKERS="1")
    database = server.settings.data_dir / "umbra.db"
    database.with_name("umbra.db-wal").unlink(missing_ok=True)
    database.write_bytes(b"this is no database, and never was one" * 1000)
    (worker,) = _workers(server)
    os.kill(worker, signal.SIGKILL)
    server.wait_until(lambda: server.workers_ready() == 2)
    assert server.price()[0] == 200
    assert server.stop() == 0
    second = launch(server.settings)
    second.wait_until(second.ready)
    assert second.price()[0] == 200
    assert any(line["message"] == "deployment_from_memory" for line in second.lines())


def test_whatever_one_worker_raises_once_another_was_ready_the_others_answer_on(serving, tmp_path):
    broken = tmp_path / "broken"
    server = serving(PLAIN_BREAKS=str(broken))
    broken.write_text("RuntimeError")
    os.kill(_workers(server)[0], signal.SIGKILL)
    for tries, fault in enumerate(("KeyError", "SystemExit", "RuntimeError"), start=1):
        server.wait_until(lambda tries=tries: _failed_starts(server) >= 2 * tries)
        assert server.price()[0] == 200
        broken.write_text(fault)
    broken.unlink()
    server.wait_until(lambda: server.workers_ready() == 3)


def _failed_starts(server):
    return sum(line["message"] == "cannot_start" for line in server.lines())


def test_of_the_first_workers_one_that_answers_is_enough(serving, tmp_path):
    server = serving(UMBRA_API_WORKERS="2", PLAIN_ONE_PROCESS=str(tmp_path), workers_ready=1)
    server.wait_until(lambda: sum(line["message"] == "cannot_start" for line in server.lines()) == 2)
    for _ in range(20):
        assert server.price()[0] == 200
    assert server.process.poll() is None


@pytest.mark.parametrize("kind", ["a file in its place", "a disk far too small"])
def test_without_a_place_for_metrics_answers_go_on(serving, tmp_path, request, kind):
    directory = tmp_path / "metrics"
    if kind == "a file in its place":
        directory.write_text("in the way")
    else:
        directory.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(directory)]
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            pytest.skip("needs the right to mount")
        request.addfinalizer(lambda: subprocess.run(["umount", "--lazy", str(directory)], check=True))
    server = serving(UMBRA_METRICS_DIR=str(directory))
    for _ in range(20):
        assert server.price()[0] == 200
    server.wait_until(lambda: any(line["message"] == "metrics_off" for line in server.lines()))
    assert ("umbra_captures_written_total",) not in _metrics(server)


READ_ONLY = 'mount -t tmpfs -o ro none "$1" && shift && exec "$@"'


def test_where_shared_memory_cannot_be_written_answers_go_on(deployed, launch):
    port, metrics_port = free_ports(2)
    read_only = ["unshare", "--mount", "sh", "-c", READ_ONLY, "sh", "/dev/shm"]  # noqa: S108
    if subprocess.run([*read_only, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount")
    ports = {"UMBRA_API_PORT": str(port), "UMBRA_API_METRICS_PORT": str(metrics_port)}
    server = launch(replace(deployed, api_port=port), within=read_only, **ports)
    server.wait_until(server.ready)
    assert server.price()[0] == 200
    assert server.stop() == 0


def test_a_stop_loses_no_capture_and_no_answer(serving, ingested):
    server = serving()
    ids = [json.loads(server.price()[2])["predictions"][0]["id"] for _ in range(30)]
    assert any((server.settings.data_dir / "metrics").glob("api/*.db"))
    assert server.stop() == 0
    assert not (server.settings.data_dir / "metrics" / "api").exists()
    assert set(ids) == ingested(server.settings)
