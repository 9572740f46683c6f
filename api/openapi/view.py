"""The OpenAPI document at /openapi.json, and the script that shows it at /docs."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import orjson
from flask import Response, request

from api.content import JSON
from api.openapi.operation import ResourceDescription, get

_PAGES = Path(__file__).parents[1] / "pages"


class OpenApiResource:
    """Serves one OpenAPI document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = orjson.dumps(document)
        self._script = (_PAGES / "vendor" / "swagger-ui-bundle.js.gz").read_bytes()

    def document(self) -> Response:
        """Answer with the document."""
        return Response(self._document, content_type=JSON)

    def script(self) -> Response:
        """Answer with Swagger UI: compressed as it is stored, unpacked for a client that cannot do it."""
        headers = {"Cache-Control": "max-age=86400", "Vary": "Accept-Encoding"}
        body = self._script
        if request.accept_encodings["gzip"] > 0:
            headers["Content-Encoding"] = "gzip"
        else:
            body = gzip.decompress(body)
        return Response(body, headers=headers, content_type="text/javascript; charset=utf-8")


def describe() -> ResourceDescription:
    """Describe GET /openapi.json."""
    operation = get("openapi", "This document.", "OpenApiDocument", tag="pages")
    return ResourceDescription(
        {"/openapi.json": {"get": operation}}, schemas={"OpenApiDocument": {"type": "object"}}
    )
