"""The description: /openapi.json for machines, and the script that shows it to people at /docs."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import orjson
from flask import Response, request

from api.content import JSON

_PAGES = Path(__file__).parents[1] / "pages"


class Docs:
    """The views, over one OpenAPI document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = orjson.dumps(document)
        self._script = (_PAGES / "vendor" / "swagger-ui-bundle.js.gz").read_bytes()

    def openapi(self) -> Response:
        """The OpenAPI document."""
        return Response(self._document, content_type=JSON)

    def script(self) -> Response:
        """Swagger UI, kept compressed; unpacked for the client that cannot do it itself."""
        headers = {"Cache-Control": "max-age=86400", "Vary": "Accept-Encoding"}
        body = self._script
        if request.accept_encodings["gzip"] > 0:
            headers["Content-Encoding"] = "gzip"
        else:
            body = gzip.decompress(body)
        return Response(body, headers=headers, content_type="text/javascript; charset=utf-8")
