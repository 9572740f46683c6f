"""Addresses: hosts and ports as sockets and as URLs, of IPv4 and IPv6 alike."""

from __future__ import annotations

import socket

_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 (compared with, not listened on)


def authority(host: str, port: int) -> str:
    """Write HOST:PORT as URLs do: an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def url(host: str, port: int) -> str:
    """Give the URL at which this machine reaches a server that listens on `host`."""
    return f"http://{authority(reachable(host), port)}"


def reachable(host: str) -> str:
    """Give the address to connect to: a server on "any address" is reached over loopback."""
    return _ANY.get(host, host)


def family(host: str) -> socket.AddressFamily:
    """Choose the family of sockets that listen on `host`; IPv4 for a name that has both."""
    if ":" in host:
        return socket.AF_INET6
    try:
        families = {entry[0] for entry in socket.getaddrinfo(host or None, 0, type=socket.SOCK_STREAM)}
    except OSError:  # `bind` says what is wrong with it
        return socket.AF_INET
    return socket.AF_INET6 if families == {socket.AF_INET6} else socket.AF_INET


def numeric(host: str) -> str:
    """Resolve `host` if it is a name that has only an IPv6 address; else return it unchanged."""
    if ":" in host or family(host) == socket.AF_INET:
        return host
    return str(socket.getaddrinfo(host, 0, socket.AF_INET6, socket.SOCK_STREAM)[0][4][0])
