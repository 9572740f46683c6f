"""Lingering: answered connections are closed when their clients close them, or when they are overdue."""

from __future__ import annotations

import select
import socket

import pytest

from api.server.lingering import CONNECTIONS_MOST, LINGER_SECONDS, Lingering


class Clock:
    """A clock that a test sets."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def lingering(clock):
    return Lingering(clock)


def _pair(lingering):
    """The client's end of a connection whose other end lingers."""
    ours, client_end = socket.socketpair()
    ours.shutdown(socket.SHUT_WR)
    lingering.add(ours)
    return client_end


def test_a_connection_that_its_client_closes_is_closed_at_once(lingering):
    client = _pair(lingering)
    lingering.close_finished()
    assert len(lingering) == 1
    lingering.watch()
    assert lingering.seconds_to_check() == LINGER_SECONDS
    client.close()
    assert select.select([lingering], [], [], 0)[0]
    lingering.close_finished()
    assert len(lingering) == 0
    assert lingering.seconds_to_check() is None


def test_a_connection_that_is_closed_by_the_next_request_is_never_watched(lingering):
    for _ in range(3):
        client = _pair(lingering)
        lingering.close_finished()
        client.close()
    assert len(lingering) == 1
    assert not select.select([lingering], [], [], 0)[0]
    lingering.close_finished()
    assert len(lingering) == 0


def test_what_a_client_still_sends_is_read_and_thrown_away(lingering):
    with _pair(lingering) as client:
        for _ in range(100):
            client.sendall(b" " * 50_000)  # more than the two buffers hold: it would block for ever
            lingering.close_finished()
        assert len(lingering) == 1


def test_an_overdue_connection_is_closed_whatever_its_client_does(lingering, clock):
    with _pair(lingering) as client:
        clock.now = LINGER_SECONDS / 2
        with _pair(lingering):
            lingering.watch()
            assert lingering.seconds_to_check() == LINGER_SECONDS / 2
            clock.now = LINGER_SECONDS
            client.sendall(b"still sending")
            lingering.close_finished()
            assert len(lingering) == 1
            with pytest.raises((BrokenPipeError, ConnectionResetError)):
                client.sendall(b"more")


def test_only_so_many_linger_the_oldest_goes_first(lingering):
    clients = [_pair(lingering) for _ in range(CONNECTIONS_MOST + 3)]
    assert len(lingering) == CONNECTIONS_MOST
    for client in clients[:3]:
        with pytest.raises(BrokenPipeError):
            client.sendall(b"x")
    for client in clients[3:]:
        client.sendall(b"x")
        client.close()


def test_a_client_that_resets_its_connection_is_forgotten(lingering):
    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listener.getsockname())
    ours, _ = listener.accept()
    ours.shutdown(socket.SHUT_WR)
    lingering.add(ours)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    client.close()
    lingering.watch()
    select.select([lingering], [], [], 10)
    lingering.close_finished()
    assert len(lingering) == 0
    listener.close()


def test_the_end_waits_for_those_who_are_still_sending_and_for_nobody_else():
    lingering = Lingering()
    clients = [_pair(lingering) for _ in range(3)]
    for client in clients:
        client.sendall(b"the rest")
        client.close()
    lingering.finish()
    assert len(lingering) == 0
