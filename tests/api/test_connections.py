"""Connections of a real server: none holds a process once it is answered, and no answer is lost."""

from __future__ import annotations

import json
import socket
from contextlib import ExitStack

from model_package.schema import EXAMPLE

HOUSE = json.dumps(EXAMPLE).encode()
ASK = (
    b"POST /v1/predictions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(HOUSE), HOUSE)
)
BOTH_WORKERS = 12  # connections after which each of two workers has had some, however they are shared out


def _connect(server):
    return socket.create_connection(("127.0.0.1", server.settings.api_port), timeout=20)


def _answer(wire):
    """One answer with its whole body; the connection stays as it is."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += _some(wire)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += _some(wire)
    return head, body


def _some(wire):
    received = wire.recv(65536)
    assert received, "the connection was closed before the answer was whole"
    return received


def _is_reset(wire):
    """Whether the server has closed the connection for reading, too: what is sent then is refused."""
    try:
        wire.sendall(b"more")
        wire.recv(1)
        wire.sendall(b"more")
    except (BrokenPipeError, ConnectionResetError):
        return True
    return False


def test_clients_that_keep_an_answered_connection_open_hold_no_process(shared_server):
    with ExitStack() as connections:
        answered = []
        for _ in range(BOTH_WORKERS):
            answered.append(connections.enter_context(_connect(shared_server)))
            wire = answered[-1]
            # Each is answered although all before it are kept open: no process waits for them to be closed.
            wire.sendall(ASK)
            assert _answer(wire)[0].startswith(b"HTTP/1.1 200 ")
        # Did a process wait for its client, only the last two would be open still.
        assert not all(map(_is_reset, answered[:-2]))


def test_a_client_that_is_still_sending_reads_its_answer(shared_server):
    head = b"POST /v1/predictions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    too_much = b"Content-Length: 30000000\r\n\r\n"
    with _connect(shared_server) as wire:
        wire.sendall(head + too_much)
        for _ in range(300):
            wire.sendall(b" " * 100_000)  # raises once the connection is reset
        answered, body = _answer(wire)
    assert answered.startswith(b"HTTP/1.1 413 ")
    assert json.loads(body)["type"] == "urn:umbra:problem:body-too-large"


def test_a_client_that_sends_a_second_request_at_once_reads_the_first_answer(shared_server):
    with _connect(shared_server) as wire:
        wire.sendall(ASK * 50)
        head, body = _answer(wire)
        assert head.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close" in head.lower()
        assert len(json.loads(body)["predictions"]) == 1
        assert wire.recv(1) == b""


def test_more_answered_connections_than_may_linger_cost_no_answer(shared_server):
    with ExitStack() as connections:
        for _ in range(300):
            wire = connections.enter_context(_connect(shared_server))
            wire.sendall(ASK)
            assert _answer(wire)[0].startswith(b"HTTP/1.1 200 ")
