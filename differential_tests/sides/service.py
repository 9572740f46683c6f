"""A service over HTTP: no retries, and a deadline for a whole request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpcore
import httpx

from differential_tests.questions import JSON, Question
from differential_tests.run_file import RunHeader, SideAnswer
from differential_tests.sides import bodies, mapping, replies
from differential_tests.sides.deadline import Deadlines
from differential_tests.sides.mapping import ServiceMapping
from differential_tests.sides.replies import Unanswered
from differential_tests.sides.source import UnknownSource, redacted

KEPT_ALIVE_SECONDS = 1.0  # less than any server waits: a connection it closes meanwhile would look broken
HIDDEN = b"***"
LEAST_SECRET = 4


@dataclass(frozen=True, slots=True)
class SendingLimits:
    """Limits of a request: seconds as a whole, bytes of the reply; `connections` at once."""

    seconds: float = 10.0
    most_bytes: int = 64 << 20
    connections: int = 64


class ServiceSide:
    """Any JSON prediction service."""

    def __init__(
        self, source: str, service: ServiceMapping, environment: Mapping[str, str], limits: SendingLimits
    ) -> None:
        headers = mapping.resolve("headers", service.headers, environment)
        query = mapping.resolve("query", service.query, environment)
        self._base, self._shown = _url(source), redacted(source)
        self._service, self._query, self._limits = service, query, limits
        secrets = [*mapping.secrets(service, environment), self._base.password]
        self._secrets = [secret.encode() for secret in secrets if len(secret) >= LEAST_SECRET]
        self._deadlines = Deadlines()
        self._client = _client(self._deadlines, headers, limits)
        self._models: dict[str, None] = {}

    def ask(self, questions: Sequence[Question]) -> list[SideAnswer]:
        """See Side."""
        return [
            answer
            for group in bodies.requests(questions, self._service.request)
            for answer in self._request(group)
        ]

    def header(self, questions_sha256: str, now: datetime) -> RunHeader:
        """See Side."""
        return RunHeader(
            source=self._shown,
            questions_sha256=questions_sha256,
            recorded_at=now.isoformat(),
            model=", ".join(self._models),
            artifact_sha256=self._artifact(),
            facts={"asked": f"{self._service.method} {self._service.path}"},
        )

    def close(self) -> None:
        """See Side."""
        self._deadlines.interrupt()
        self._client.close()

    def _request(self, questions: Sequence[Question]) -> list[SideAnswer]:
        """Send one request."""
        service = self._service
        body = bodies.body(questions, service.request)
        try:
            status, data = self._send(service.method, service.path, body.data, body.content_type)
            reply = replies.read(questions, body.rows, status, data, service.response)
        except Unanswered as fault:
            return [replies.failure(question, fault) for question in questions]
        if reply.model:
            self._models[reply.model] = None
        return reply.answers

    def _artifact(self) -> str:
        """Look up the hash of the artifact that answered; return "" for several or none."""
        about = self._service.about
        if not about.path or len(self._models) != 1:
            return ""
        try:
            status, data = self._send("GET", about.path)
            return mapping.hash_of(next(iter(self._models)), replies.document(data, status)[0], about)
        except Unanswered:
            return ""

    def _send(self, method: str, path: str, data: bytes = b"", content_type: str = "") -> tuple[int, bytes]:
        """Send a request and return status and body; raise Unanswered."""
        headers = {"content-type": content_type} if content_type else {}
        try:
            with self._deadlines.within(self._limits.seconds):
                return self._exchange(method, self._url(path), data, headers)
        except httpx.TimeoutException as fault:
            word = f"no whole reply within {self._limits.seconds:g} s ({type(fault).__name__})"
            raise Unanswered("timeout", word) from fault
        except httpx.ConnectError as fault:
            raise Unanswered("unreachable", self._redact(str(fault))) from fault
        except (httpx.HTTPError, httpx.StreamError) as fault:
            raise Unanswered("broken", self._redact(f"{type(fault).__name__}: {fault}")) from fault

    def _exchange(
        self, method: str, url: httpx.URL, data: bytes, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        most = self._limits.most_bytes
        received = bytearray()
        request = self._client.stream(method, url, params=self._query, content=data, headers=headers)
        with request as reply:
            for chunk in reply.iter_bytes():
                received += chunk
                if len(received) > most:
                    raise Unanswered("too-large", f"more than {most} bytes", reply.status_code)
        return reply.status_code, self._redact_bytes(bytes(received))

    def _url(self, path: str) -> httpx.URL:
        return self._base.copy_with(path=self._base.path.rstrip("/") + path)

    def _redact_bytes(self, data: bytes) -> bytes:
        """Replace every secret: a service may repeat a header."""
        for secret in self._secrets:
            data = data.replace(secret, HIDDEN)
        return data

    def _redact(self, text: str) -> str:
        return self._redact_bytes(text.encode("utf-8", "replace")).decode("utf-8", "replace")


def _url(source: str) -> httpx.URL:
    try:
        url = httpx.URL(source)
    except (httpx.InvalidURL, ValueError):
        raise UnknownSource(source) from None
    if not url.host:
        raise UnknownSource(source)
    return url


def _client(deadlines: Deadlines, headers: dict[str, str], limits: SendingLimits) -> httpx.Client:
    """Build a client without redirects, cookies and proxies of the environment."""
    transport = httpx.HTTPTransport(trust_env=False)
    # httpx has no place for it: a pool whose sockets know the deadline of the whole request.
    transport._pool = httpcore.ConnectionPool(
        ssl_context=httpx.create_ssl_context(),
        max_connections=limits.connections,
        max_keepalive_connections=limits.connections,
        keepalive_expiry=KEPT_ALIVE_SECONDS,
        network_backend=deadlines,
    )
    return httpx.Client(
        transport=transport,
        headers={"accept": JSON, "user-agent": "umbra-differential-tests", **headers},
        timeout=limits.seconds,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        trust_env=False,
    )
