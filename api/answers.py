"""An HTTP answer as plain data, for WSGI and for Flask."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from flask import Response

_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """One HTTP answer with its whole body."""

    body: bytes
    content_type: str
    status: int = HTTPStatus.OK.value
    headers: Mapping[str, str] = field(default_factory=dict)

    def start(self, start_response: Any) -> Iterable[bytes]:
        """Send it as a WSGI application does."""
        head = [("Content-Type", self.content_type), ("Content-Length", str(len(self.body)))]
        start_response(_LINES[self.status], [*head, *self.headers.items()])
        return (self.body,)

    def as_response(self) -> Response:
        """Convert it for Flask."""
        return Response(self.body, self.status, dict(self.headers), content_type=self.content_type)
