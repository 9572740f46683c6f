"""A service over HTTP: whatever it does, each question has an answer, in time, and nothing raises."""

from __future__ import annotations

import gzip
import itertools
import socket
import ssl
import subprocess
import threading
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from needed import program
from ports import free_port

from differential_tests import sides
from differential_tests.questions import Question
from differential_tests.run_file import SideAnswer
from differential_tests.settings.tolerances import InvalidTolerances
from differential_tests.sides import SendingLimits

NOW = datetime(2026, 11, 20, tzinfo=UTC)
ROW = Question("r1", "ordinary", "north", row={"area": 70.0})
ROWS = [Question(f"r{number}", "ordinary", row={"area": float(number)}) for number in range(3)]
SHORT = SendingLimits(seconds=0.3, most_bytes=10_000)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
# Nobody waits longer for what should take 0.3 s, and a machine this slow is broken.
NO_HANG_SECONDS = 5.0


def ask(
    url: str, questions: list[Question], limits: SendingLimits = SHORT, **service: Any
) -> list[SideAnswer]:
    side = sides.open_side(url, service, limits=limits)
    try:
        return side.ask(questions)
    finally:
        side.close()


def one(url: str, limits: SendingLimits = SHORT, **service: Any) -> SideAnswer:
    (answer,) = ask(url, [ROW], limits, **service)
    assert (answer.id, answer.kind, answer.segment) == ("r1", "ordinary", "north")
    return answer


def prices(*dollars: float) -> dict[str, Any]:
    return {"predictions": [{"id": "0198", "price_dollars": one} for one in dollars]}


def test_a_row_is_sent_as_it_is_and_its_answer_kept_without_the_id_of_the_prediction(serve, said):
    asked = []
    url = serve(lambda request: (asked.append(request), said(prices(7.5)))[1])
    assert one(url) == SideAnswer("r1", "ordinary", "north", 200, value={"price_dollars": 7.5})
    assert (asked[0].method, asked[0].path, asked[0].json) == ("POST", "/v1/predictions", {"area": 70.0})
    assert asked[0].headers["content-type"] == "application/json"


def test_several_rows_share_a_request_and_a_body_has_its_own(serve, said):
    asked = []

    def answer(request):
        asked.append(request.body)
        return said(prices(*range(len(request.json) if isinstance(request.json, list) else 1)))

    torn = Question("torn", "malformed", body=" [7]", content_type="text/csv")
    found = ask(serve(answer), [*ROWS[:2], torn, ROWS[2]])
    assert [each.id for each in found] == ["r0", "r1", "torn", "r2"]
    assert asked == [b'[{"area": 0.0}, {"area": 1.0}]', b" [7]", b'{"area": 2.0}']
    assert [each.value for each in found] == [
        {"price_dollars": 0},
        {"price_dollars": 1},
        [{"price_dollars": 0}],
        {"price_dollars": 0},
    ]


def test_a_refusal_has_its_status_its_code_and_its_faults_and_nothing_that_changes(serve, said):
    fault = {"row": 0, "field": "area", "expected": "a number", "got": '"x"'}
    problem = {
        "type": "urn:umbra:problem:invalid-rows",
        "detail": "...",
        "request_id": "7",
        "errors": [fault],
    }
    url = serve(lambda _: said(problem, 422))
    assert one(url) == SideAnswer("r1", "ordinary", "north", 422, "invalid-rows", {"errors": [fault]})


def test_nan_and_infinity_are_read(serve, said):
    url = serve(lambda _: said(b'{"predictions": [{"price_dollars": NaN}, {"price_dollars": -Infinity}]}'))
    nan, infinite = ask(url, ROWS[:2])
    assert str(nan.value["price_dollars"]) == "nan"
    assert infinite.value == {"price_dollars": float("-inf")}


@pytest.mark.parametrize(
    ("status", "body", "word"),
    [
        (200, b"<html>no</html>", "not-json"),
        (502, b"<html>Bad Gateway</html>", "not-json"),
        (200, b"", "not-json"),
        (200, b'{"predictions": [', "not-json"),
        (200, b"\xff\xfe\xfd", "not-json"),
        (200, b"[" * 9_000, "not-json"),
        (200, b"9" * 9_000, "not-json"),
        (200, b'{"result": []}', "no-answer"),
        (200, b"[]", "no-answer"),
        (200, b'{"predictions": []}', "row-count"),
        (200, b'{"predictions": [1, 2]}', "row-count"),
        (200, b"[" + b" " * 20_000 + b"]", "too-large"),
        (302, b"", "redirect"),
    ],
)
def test_what_is_no_answer_is_a_failure_with_its_word(serve, said, status, body, word):
    found = one(serve(lambda _: said(body, status, {"Location": "http://127.0.0.1:9/"})))
    assert (found.failure, found.status, found.value) == (word, status, None)
    assert found.detail


def test_a_reply_that_unpacks_to_too_much_is_too_large(serve, said):
    packed = gzip.compress(b"[" + b" " * 50_000 + b"]")
    assert len(packed) < SHORT.most_bytes
    assert one(serve(lambda _: said(packed, headers={"Content-Encoding": "gzip"}))).failure == "too-large"


def test_what_says_it_is_packed_and_is_not_is_broken(serve, said):
    assert one(serve(lambda _: said(b"plain", headers={"Content-Encoding": "gzip"}))).failure == "broken"


def silence(connection: socket.socket, over: threading.Event) -> None:
    over.wait()


def dribbled_head(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    dribble(connection, over, itertools.cycle([b"X: y\r\n"]))


def dribbled_body(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(HEAD + b"Content-Length: 9000\r\n\r\n")
    dribble(connection, over, itertools.cycle([b" "]))


def endless_chunks(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    dribble(connection, over, itertools.cycle([b"1\r\n \r\n"]))


def dribble(connection: socket.socket, over: threading.Event, parts) -> None:
    """Something in each tenth of the timeout: no single read is ever late."""
    while not over.wait(SHORT.seconds / 10):
        connection.sendall(next(parts))


@pytest.mark.parametrize("speak", [silence, dribbled_head, dribbled_body, endless_chunks])
def test_however_slowly_it_talks_a_request_ends_in_time(talk, over, speak):
    url = talk(lambda connection: speak(connection, over))
    begun = time.monotonic()
    assert one(url).failure == "timeout"
    assert time.monotonic() - begun < NO_HANG_SECONDS


def closed(connection: socket.socket) -> None:
    """Nothing is said."""


def torn_body(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"Content-Length: 90\r\n\r\n{")


def torn_chunk(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\n{")


def no_http(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")


def huge_head(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"X: " + b"y" * 200_000 + b"\r\n\r\n")


@pytest.mark.parametrize("speak", [closed, torn_body, torn_chunk, no_http, huge_head])
def test_a_connection_that_breaks_is_a_failure(talk, speak):
    found = one(talk(speak), SendingLimits(5))
    assert found.failure == "broken"
    assert found.detail


def test_a_side_that_is_not_there_is_unreachable():
    assert one(f"http://127.0.0.1:{free_port()}").failure == "unreachable"


def test_nothing_is_asked_twice(talk):
    asked = []
    found = one(talk(asked.append), SendingLimits(5))
    assert (found.failure, len(asked)) == ("broken", 1)


def test_closing_a_side_ends_what_is_still_being_asked(talk, over):
    arrived = threading.Event()

    def speak(_connection: socket.socket) -> None:
        arrived.set()
        over.wait()

    side = sides.open_side(talk(speak), limits=SendingLimits(60))
    found: list[SideAnswer] = []
    thread = threading.Thread(target=lambda: found.extend(side.ask([ROW])))
    thread.start()
    assert arrived.wait(NO_HANG_SECONDS)
    side.close()
    thread.join(NO_HANG_SECONDS)
    assert [each.failure for each in found] == ["broken"]


def test_the_header_says_who_answered_and_from_which_artifact(serve, said):
    def answer(request):
        if request.method == "GET":
            listed = [
                {"name": "gbm", "version": "1", "digest": "no"},
                {"name": "gbm", "version": "2", "digest": "ab"},
            ]
            return said({"models": listed})
        return said(prices(1.0) | {"model": {"name": "gbm", "version": "2"}})

    url = serve(answer)
    side = sides.open_side(f"{url}/?api_key=secret")
    side.ask([ROW])
    header = side.header("q", NOW)
    side.close()
    assert (header.source, header.model, header.artifact_sha256) == (f"{url}/", "gbm@2", "ab")
    assert (header.questions_sha256, header.recorded_at) == ("q", "2026-11-20T00:00:00+00:00")


def test_a_model_that_changes_while_it_is_asked_is_told(serve, said):
    versions = iter("12")
    url = serve(lambda _: said(prices(1.0) | {"model": {"name": "gbm", "version": next(versions)}}))
    side = sides.open_side(url)
    side.ask([ROW])
    side.ask([ROW])
    assert side.header("q", NOW).model == "gbm@1, gbm@2"
    side.close()


def test_secrets_come_from_the_environment_and_are_in_no_answer(serve, said):
    asked = []

    def answer(request):
        asked.append(request)
        repeated = request.headers["authorization"].removeprefix("Bearer ")
        return said({"type": repeated, "errors": [repeated, request.path]}, 401)

    section = {"headers": {"Authorization": "Bearer $TOKEN", "X-Price": "$$5"}, "query": {"key": "$KEY"}}
    environment = {"TOKEN": "very-secret-7", "KEY": "key-of-keys"}
    side = sides.open_side(serve(answer), section, environment=environment)
    (found,) = side.ask([ROW])
    header = side.header("q", NOW)
    side.close()
    assert asked[0].headers["authorization"] == "Bearer very-secret-7"
    assert asked[0].headers["x-price"] == "$5"
    assert asked[0].path == "/v1/predictions?key=key-of-keys"
    assert not any(secret in f"{found}{header}{side!r}" for secret in environment.values())
    assert found.code == "***"


@pytest.mark.parametrize("environment", [{}, {"TOKEN": "two\r\nlines"}])
def test_a_secret_that_is_not_there_or_cannot_be_sent_is_said_without_its_value(environment):
    with pytest.raises(InvalidTolerances, match=r"service\.headers\.Authorization") as told:
        sides.open_side(
            "http://127.0.0.1:1", {"headers": {"Authorization": "$TOKEN"}}, environment=environment
        )
    assert "lines" not in str(told.value)


def test_cookies_are_not_kept_and_proxies_of_the_environment_not_used(serve, said, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    asked = []

    def answer(request):
        asked.append(request)
        return said(prices(1.0), headers={"Set-Cookie": "session=7; Path=/"})

    side = sides.open_side(serve(answer))
    answers = [*side.ask([ROW]), *side.ask([ROW])]
    side.close()
    assert [each.failure for each in answers] == ["", ""]
    assert all("cookie" not in request.headers for request in asked)


@pytest.fixture
def certificate(tmp_path):
    """Provide a self-signed certificate for 127.0.0.1 with its key."""
    path = tmp_path / "certificate.pem"
    subprocess.run(
        [
            program("openssl"),
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            path,
            "-out",
            tmp_path / "signed.pem",
            "-subj",
            "/CN=test",
            "-days",
            "2",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        ],
        check=True,
        capture_output=True,
    )
    path.write_bytes(path.read_bytes() + (tmp_path / "signed.pem").read_bytes())
    return path


def encrypted(certificate, speak):
    """Speaks over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def converse(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            received = secure.recv(1 << 16)
            while received and not received.endswith(b"}"):  # the rest unread, the reply would be lost, too
                received = secure.recv(1 << 16)
            speak(secure)

    return converse


def test_over_https_a_certificate_has_to_be_right(talk, certificate, monkeypatch):
    body = b'{"predictions": [7]}'
    speak = encrypted(certificate, lambda to: to.sendall(HEAD + b"Content-Length: 20\r\n\r\n" + body))
    url = talk(speak, reads=False).replace("http:", "https:")
    refused = one(url, SendingLimits(5))
    assert (refused.failure, "certificate" in refused.detail) == ("unreachable", True)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert one(url, SendingLimits(5)).value == 7


def test_over_https_a_request_ends_in_time_too(talk, over, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    url = talk(encrypted(certificate, lambda to: endless_chunks(to, over)), reads=False)
    assert one(url.replace("http:", "https:"), SendingLimits(1)).failure == "timeout"


def test_a_large_body_to_a_service_that_does_not_read_ends_in_time(over):
    with socket.create_server(("127.0.0.1", free_port()), backlog=1) as listening:
        row = Question("r1", "ordinary", "north", row={"text": "x" * 20_000_000})
        begun = time.monotonic()
        (found,) = ask(f"http://127.0.0.1:{listening.getsockname()[1]}", [row])
        assert found.failure == "timeout"
        assert time.monotonic() - begun < NO_HANG_SECONDS
