"""Clients: the address a request came from, through trusted proxies only."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any

_MAPPED = "::ffff:"
_HOPS_MOST = 16


class Clients:
    """Finds the address of a request's client. X-Forwarded-For counts as far as trusted proxies wrote it."""

    def __init__(self, proxies: Sequence[IPv4Network | IPv6Network] = ()) -> None:
        self._proxies = proxies
        self._is_proxy = lru_cache(maxsize=256)(self._look_up_proxy)

    def address(self, environ: dict[str, Any]) -> str | None:
        """Find the address, IPv4 if possible; None: there is none (a socket of this machine)."""
        peer = _plain(environ.get("REMOTE_ADDR", ""))
        if peer is None or not self._proxies:
            return peer
        # The last entry was written by the proxy that asks us, the one before it by the proxy before it.
        for entry in reversed(environ.get("HTTP_X_FORWARDED_FOR", "").split(",")[-_HOPS_MOST:]):
            if not self._is_proxy(peer):
                break
            before = _plain(_without_port(entry.strip()))
            if before is None:
                break
            peer = before
        return peer

    def _look_up_proxy(self, address: str) -> bool:
        return any(ip_address(address) in network for network in self._proxies)


@lru_cache(maxsize=1024)
def _plain(text: str) -> str | None:
    """Normalize an address; None: it is no address."""
    if text.startswith(_MAPPED) and "." in text:
        text = text[len(_MAPPED) :]
    try:
        return str(ip_address(text.partition("%")[0]))
    except ValueError:
        return None


def _without_port(entry: str) -> str:
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry
