"""A server that answers as the real product documents, and keeps what it was asked."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from smoke.site import HttpSite


@dataclass
class Product:
    """Answers by method and path, and keeps what it was asked: (method, path, headers, body)."""

    answers: dict[tuple[str, str], Any] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    url: str = ""

    def site(self, service: str, login: tuple[str, str] | None = None) -> HttpSite:
        return HttpSite(service, self.url, login)

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        read = json.loads(body) if body else None
        self.asked.append((method, path, headers, read))
        found = self.answers.get((method, path.partition("?")[0]), (404, {"message": "not found"}))
        status, told = found(read) if callable(found) else found
        return status, told if isinstance(told, bytes) else json.dumps(told).encode()
