"""Hosts: the names under which this API may be asked.

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
    """Which names are welcome: of loopback, of the address listened on, and those that were named.

    Where every address is listened on, the machine's own name is welcome, and whatever no name server of the
    internet can give away: addresses, and names without a dot (`api` in a compose network).
    """

    def __init__(self, bound: str, named: Iterable[str] = ()) -> None:
        self._names = {_plain(name) for name in (*named, bound, _LOOPBACK)}
        self._all_addresses = bound in ("", "0.0.0.0", "::")  # noqa: S104 (compared with, not listened on)
        if self._all_addresses:
            self._names.add(_plain(socket.gethostname()))
        self.welcomed: set[str] = set()
        """Hosts that were welcome before, as they were written: most requests cost one look into a set."""

    def welcome(self, authority: str) -> bool:
        """Whether HOST or HOST:PORT is one of them; raises ValueError if it is neither."""
        if authority in self.welcomed:
            return True
        match = _AUTHORITY.match(authority)
        if match is None:
            raise ValueError(f"{authority[:80]!r}: expected HOST or HOST:PORT")
        if not self._knows(_plain(match["host"])):
            return False
        if len(self.welcomed) < _REMEMBERED_MOST:
            self.welcomed.add(authority)
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
    """A name without what does not count: case, the brackets of an IPv6 address, the dot at its end."""
    return name.strip("[]").rstrip(".").lower()
