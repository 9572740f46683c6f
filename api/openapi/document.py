"""The OpenAPI 3.1 document, assembled from what each resource says of itself."""

from __future__ import annotations

from collections.abc import Iterable

from api import middleware
from api.openapi.operation import ResourceDescription
from api.openapi.schema import Schema, of_records
from api.openapi.shapes import problem


def document(version: str, resources: Iterable[ResourceDescription], path_prefix: str = "") -> Schema:
    """Assemble the whole document; `path_prefix` is the path below which a proxy publishes the API."""
    described = list(resources)
    schemas = of_records(record for resource in described for record in resource.records)
    for resource in described:
        schemas |= resource.schemas
    return {
        "openapi": "3.1.0",
        "info": _info(version),
        "servers": [{"url": path_prefix or "/"}],
        "tags": _TAGS,
        "paths": {path: methods for resource in described for path, methods in resource.paths.items()},
        "components": {
            "securitySchemes": {"AdminToken": {"type": "http", "scheme": "bearer"}},
            "parameters": {"RequestId": _request_id()},
            "headers": {"RequestId": _request_id_header()},
            "schemas": schemas | {"Problem": problem()},
        },
    }


_TAGS = [
    {"name": "predictions", "description": "Predictions of the live model, and what became of them."},
    {"name": "outcomes", "description": "Sale prices and withdrawals, as they become known."},
    {"name": "models", "description": "The live model, the candidates, and their verdicts."},
    {"name": "health", "description": "Health endpoints."},
    {"name": "pages", "description": "Web pages and documentation."},
]


def _info(version: str) -> Schema:
    return {
        "title": "Umbra",
        "version": version,
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        "description": (
            "House prices from the live model. Umbra captures every answered house and lets the candidates "
            "predict it in the shadow; no answer ever waits for them."
        ),
    }


def _request_id() -> Schema:
    return {
        "name": middleware.HEADER,
        "in": "header",
        "description": (
            "The id of this request, if it is 1 to 128 of `A-Z a-z 0-9 . _ : -`; otherwise the API makes a "
            "new one. It is in the answer, the log line and the captures. While the API keeps fields out of "
            "its logs, it accepts only a UUID or 32 hex digits."
        ),
        "schema": {"type": "string"},
    }


def _request_id_header() -> Schema:
    return {"description": "The id of this request.", "required": True, "schema": {"type": "string"}}
