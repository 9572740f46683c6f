"""Admission: refuse what no resource should ever see, before any of them runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from api.answers import HttpAnswer
from api.errors import CrossSiteRequest, MisdirectedRequest, UnreadableRequest
from api.fast_path import Wsgi
from api.hosts import Hosts

_PROBES = frozenset({"/livez", "/readyz"})
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class Admission:
    """A WSGI application in front of another, below `prefix` as well as without it.

    A proxy may take the prefix off or leave it; links have it either way.
    """

    def __init__(
        self,
        inner: Wsgi,
        hosts: Hosts,
        refuse: Callable[[Exception, dict[str, Any]], HttpAnswer],
        prefix: str = "",
    ) -> None:
        self._inner = inner
        self._hosts = hosts
        self._refuse = refuse
        self._prefix = prefix

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        if self._prefix:
            self._take_off_prefix(environ)
        if not self._is_ordinary(environ):
            try:
                self._check(environ)
            except Exception as fault:  # noqa: BLE001 - whatever it is, the one table of problems answers it
                return self._refuse(fault, environ).start(start_response)
        return self._inner(environ, start_response)

    def _is_ordinary(self, environ: dict[str, Any]) -> bool:
        """Whether there is nothing to check: nearly always, decided within a microsecond."""
        return (
            environ.get("HTTP_HOST") in self._hosts.accepted
            and "HTTP_TRANSFER_ENCODING" not in environ
            and "HTTP_SEC_FETCH_SITE" not in environ
            and environ.get("RAW_URI", "/")[:1] == "/"
        )

    def _take_off_prefix(self, environ: dict[str, Any]) -> None:
        environ["SCRIPT_NAME"] = self._prefix
        path = environ["PATH_INFO"]
        if path.startswith(f"{self._prefix}/") or path == self._prefix:
            environ["PATH_INFO"] = path[len(self._prefix) :] or "/"

    def _check(self, environ: dict[str, Any]) -> None:
        """Check the request; raises MisdirectedRequest, CrossSiteRequest or UnreadableRequest."""
        if environ["PATH_INFO"] not in _PROBES:
            self._check_host(environ)
        if environ.get("HTTP_TRANSFER_ENCODING", "chunked").strip().lower() != "chunked":
            coding = environ["HTTP_TRANSFER_ENCODING"][:80]
            raise UnreadableRequest(f"Transfer-Encoding {coding!r}: expected chunked alone")
        site = environ.get("HTTP_SEC_FETCH_SITE", "").strip().lower()
        if site == "cross-site" and environ["REQUEST_METHOD"] not in _READING:
            raise CrossSiteRequest("Sec-Fetch-Site: cross-site: a page of another site may not ask for this")

    def _check_host(self, environ: dict[str, Any]) -> None:
        host = environ.get("HTTP_HOST")
        if not host:
            if environ.get("SERVER_PROTOCOL") != "HTTP/1.0":
                raise UnreadableRequest("no Host header: expected one (RFC 9112, 3.2)")
            return
        target = environ.get("RAW_URI", "/")
        if not target.startswith(("/", "*")):  # an absolute target goes before the header (RFC 9112, 3.2.2)
            host = target.partition("://")[2].partition("/")[0].partition("?")[0] or host
        try:
            is_accepted = self._hosts.accepts(host)
        except ValueError as fault:
            raise UnreadableRequest(f"Host {fault}") from None
        if not is_accepted:
            raise MisdirectedRequest(
                f"this API is not {host[:80]!r}; if it is meant to be, UMBRA_API_HOSTS has to name that host"
            )
