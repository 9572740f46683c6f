"""Hosts: the names under which this API answers.

A page of somebody else in a browser here can have a name of its own lead to this machine (DNS rebinding), and
then reads answers as if they came from its own server. The Host header gives it away: it names that server.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from ipaddress import ip_address

_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(:[0-9]{0,5})?\Z")
_LOOPBACK = "localhost"
_ANY = "*"
_REMEMBERED_MOST = 64


class Hosts:
    """The accepted names: of loopback, of the address listened on, and those in `named`.

    If the API listens on every address, it also accepts the machine's own name, addresses, and names without
    a dot (`api` in a compose network): no name server of the internet can point those here.
    """

    def __init__(self, bound: str, named: Iterable[str] = ()) -> None:
        self._names = {_plain(name) for name in (*named, bound, _LOOPBACK)}
        self._all_addresses = bound in ("", "0.0.0.0", "::")  # noqa: S104 (compared with, not listened on)
        if self._all_addresses:
            self._names.add(_plain(socket.gethostname()))
        self.accepted: set[str] = set()
        """Hosts that were accepted before, as clients wrote them: most requests cost one look into a set."""

    def accepts(self, authority: str) -> bool:
        """Whether HOST or HOST:PORT is one of them; raises ValueError if it is neither."""
        if authority in self.accepted:
            return True
        match = _AUTHORITY.match(authority)
        if match is None:
            raise ValueError(f"{authority[:80]!r}: expected HOST or HOST:PORT")
        if not self._knows(_plain(match["host"])):
            return False
        if len(self.accepted) < _REMEMBERED_MOST:
            self.accepted.add(authority)
        return True

    def _knows(self, name: str) -> bool:
        if name in self._names or _ANY in self._names:
            return True
        try:
            address = ip_address(name)
        except ValueError:
            return name.endswith(f".{_LOOPBACK}") or (self._all_addresses and "." not in name)
        return address.is_loopback or self._all_addresses


def _plain(name: str) -> str:
    """Normalize a name: lower case, no brackets of an IPv6 address, no dot at the end."""
    return name.strip("[]").rstrip(".").lower()
