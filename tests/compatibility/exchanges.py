"""Exchanges with the API: requests and answers as text, in which what differs from run to run is masked."""

from __future__ import annotations

import http.client
import json
import lzma
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from harness.waiting import wait_until
from patience import PATIENCE_SECONDS

_LEFT_OUT = ("Date", "Umbra-Instance")
_ID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_MASKED_ID = re.compile(r"<id (\d+)>")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d\.\d+(?:Z|\+00:00)| \d\d:\d\d:\d\d UTC)")
_STORE_AWAY = re.compile(r'\A503|"candidates_known":false|"candidates":null')
_POLICY = re.compile(r'(?<="policy_sha256":")[0-9a-f]{64}')
_METHODS = re.compile(r"(?<=Allow: )[A-Z]+(?:, [A-Z]+)*")


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer, both with masked ids; bytes are written as Latin-1 text.

    The request is repeated until its answer contains `until`, and while the store takes its time. The answer
    is the status, a line for each header, an empty line, and the body.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    until: str = ""
    answer: str = ""


class Session:
    """Exchanges with the API at a port of this machine, one after the other."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._ids: list[str] = []

    def send(self, exchange: Exchange) -> Exchange:
        """Send the request; returns the exchange with the answer of now."""
        received: list[str] = []

        def is_settled() -> bool:
            received.append(self._received(exchange))
            return exchange.until in received[-1] and not _STORE_AWAY.search(received[-1])

        wait_until(is_settled, PATIENCE_SECONDS, lambda: received[-1])
        return replace(exchange, answer=self.masked(received[-1]))

    def masked(self, answer: str) -> str:
        """Mask what differs between two runs of the same code, and nothing else.

        UUIDs are numbered in the order in which they first appear. Moments of the clock (with a fraction of a
        second, or written for people) and the hash of the shipped policy are left out. The methods after
        `Allow: ` are a set, and sorted.
        """
        answer = _ID.sub(lambda match: f"<id {self._number(match[0])}>", answer)
        answer = _POLICY.sub("<hash>", _MOMENT.sub("<moment>", answer))
        return _METHODS.sub(lambda match: ", ".join(sorted(match[0].split(", "))), answer)

    def _number(self, identifier: str) -> int:
        if identifier not in self._ids:
            self._ids.append(identifier)
        return 1 + self._ids.index(identifier)

    def _unmasked(self, text: str) -> str:
        return _MASKED_ID.sub(lambda match: self._ids[int(match[1]) - 1], text)

    def _received(self, exchange: Exchange) -> str:
        body = None if exchange.body is None else self._unmasked(exchange.body).encode("latin-1")
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_SECONDS)
        connection.request(exchange.method, self._unmasked(exchange.path), body, exchange.headers)
        answer = connection.getresponse()
        lines = sorted(f"{name}: {value}" for name, value in answer.getheaders() if name not in _LEFT_OUT)
        text = "\n".join([str(answer.status), *lines, "", answer.read().decode("latin-1")])
        connection.close()
        return text


def read(path: Path) -> Iterator[Exchange]:
    """Read the exchanges of a file, in their order."""
    with lzma.open(path, "rt") as file:
        yield from (Exchange(**json.loads(line)) for line in file)


def write(path: Path, exchanges: Iterable[Exchange]) -> None:
    """Write a JSON object per line, compressed."""
    lines = [json.dumps(asdict(exchange)) for exchange in exchanges]
    path.write_bytes(lzma.compress("\n".join(lines).encode(), preset=9))
