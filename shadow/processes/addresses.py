"""Addresses: hosts and ports as sockets and as URLs, of IPv4 and IPv6 alike."""

from __future__ import annotations

import socket

_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 (compared with, not listened on)


def authority(host: str, port: int) -> str:
    """HOST:PORT as URLs have it: an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def url(host: str, port: int) -> str:
    """Where a server that listens on `host` can be asked from this machine."""
    return f"http://{authority(reachable(host), port)}"


def reachable(host: str) -> str:
    """The address to connect to of a server that listens on `host`: "any address" is none to connect to."""
    return _ANY.get(host, host)


def family(host: str) -> socket.AddressFamily:
    """The family of sockets that listen on `host`; a name that has both is listened to as IPv4."""
    if ":" in host:
        return socket.AF_INET6
    try:
        found = {entry[0] for entry in socket.getaddrinfo(host or None, 0, type=socket.SOCK_STREAM)}
    except OSError:  # whoever binds it says what is wrong with it
        return socket.AF_INET
    return socket.AF_INET6 if found == {socket.AF_INET6} else socket.AF_INET


def numeric(host: str) -> str:
    """`host` as a number, if it is a name that has only an address of IPv6; else as it is."""
    if ":" in host or family(host) == socket.AF_INET:
        return host
    return str(socket.getaddrinfo(host, 0, socket.AF_INET6, socket.SOCK_STREAM)[0][4][0])
