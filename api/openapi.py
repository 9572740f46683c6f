"""The OpenAPI 3.1 document: the house from model_package.schema, the problems from api.errors."""

from __future__ import annotations

from typing import Any

from api import access, content, errors
from api.predictions import MODEL_HEADER
from model_package import schema

Schema = dict[str, Any]

_EXAMPLE_ID = "0198c0de-7a11-7000-8000-0123456789ab"
_REQUEST_ID = {"$ref": "#/components/parameters/RequestId"}


def document(version: str, max_rows: int, max_body_bytes: int) -> Schema:
    """The whole document, for an API with these limits."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Umbra",
            "version": version,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": (
                "House prices from the live model. Every answered house is captured and scored by the "
                "candidates in shadow; no answer ever waits for them."
            ),
        },
        "tags": [
            {"name": "predictions", "description": "Prices, and what became of them."},
            {"name": "models", "description": "Who answers, and who is being scored."},
            {"name": "health", "description": "For whoever runs it."},
            {"name": "pages", "description": "For people."},
        ],
        "paths": _paths(max_rows, max_body_bytes),
        "components": {
            "parameters": {"RequestId": _request_id()},
            "headers": {"RequestId": _request_id_header()},
            "schemas": _schemas(max_rows),
        },
    }


def _paths(max_rows: int, max_body_bytes: int) -> Schema:
    return {
        "/v1/predictions": {"post": _create(max_rows, max_body_bytes)},
        "/v1/predictions/{id}": {"get": _show()},
        "/v1/models": {
            "get": _get("models", "Every model artifact, with its card and its role.", "Models", tag="models")
        },
        "/v1/deployment": {
            "get": _get(
                "deployment", "Who is live, and who is scored in shadow.", "Deployment", 503, tag="models"
            )
        },
        "/livez": {"get": _get("livez", "The process answers.", "Status", tag="health")},
        "/readyz": {
            "get": _get("readyz", "The process has a live model to answer with.", "Status", 503, tag="health")
        },
        "/openapi.json": {"get": _get("openapi", "This document.", "Anything", tag="pages")},
        "/docs": {"get": _page("docs", "This document as a page.")},
        "/": {"get": _redirect("home", "Leads to /docs.")},
    }


def _create(max_rows: int, max_body_bytes: int) -> Schema:
    houses = {"oneOf": [_ref("House"), {"type": "array", "items": _ref("House"), "maxItems": max_rows}]}
    return {
        "operationId": "createPredictions",
        "tags": ["predictions"],
        "summary": "Price one house or a list of houses.",
        "description": (
            f"At most {max_rows} houses and {max_body_bytes} bytes. Answer i is for house i. Nothing is "
            "coerced: one bad house refuses the request with every fault listed. The answer has the kind of "
            "the body unless `Accept` prefers the other: JSON, or CSV with a header line of field names, in "
            "which an empty cell is null."
        ),
        "parameters": [_REQUEST_ID],
        "requestBody": {
            "required": True,
            "content": {
                content.JSON: {"schema": houses, "example": schema.EXAMPLE},
                content.CSV: {"schema": {"type": "string"}},
            },
        },
        "responses": {
            "200": {
                "description": "A price for every house, in the order of the request.",
                "headers": {**_headers(), MODEL_HEADER: _model_header()},
                "content": {
                    content.JSON: {"schema": _ref("Predictions")},
                    content.CSV: {
                        "schema": {"type": "string"},
                        "example": f"prediction_id,price_dollars\r\n{_EXAMPLE_ID},181234.5\r\n",
                    },
                },
            },
            **_problems(400, 406, 413, 415, 422, 500, 503),
        },
    }


def _show() -> Schema:
    identifier = {
        "name": "id",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "format": "uuid"},
        "example": _EXAMPLE_ID,
    }
    return {
        **_get(
            "showPrediction",
            "A capture, every observation of it, and its outcome.",
            "Prediction",
            tag="predictions",
        ),
        "description": "A prediction can be looked up once it has moved from the journal to the store.",
        "parameters": [identifier, _REQUEST_ID],
        "responses": {**_ok("Prediction"), **_problems(400, 404, 500, 503)},
    }


def _get(operation: str, summary: str, answer: str, *problems: int, tag: str) -> Schema:
    return {
        "operationId": operation,
        "tags": [tag],
        "summary": summary,
        "parameters": [_REQUEST_ID],
        "responses": {**_ok(answer), **_problems(*problems, 500)},
    }


def _page(operation: str, summary: str) -> Schema:
    answer = {
        "description": summary,
        "headers": _headers(),
        "content": {"text/html": {"schema": {"type": "string"}}},
    }
    return {"operationId": operation, "tags": ["pages"], "summary": summary, "responses": {"200": answer}}


def _redirect(operation: str, summary: str) -> Schema:
    return {
        "operationId": operation,
        "tags": ["pages"],
        "summary": summary,
        "responses": {"302": {"description": summary, "headers": _headers()}},
    }


def _ok(answer: str) -> Schema:
    shown = {content.JSON: {"schema": _ref(answer)}}
    return {"200": {"description": "As asked.", "headers": _headers(), "content": shown}}


def _problems(*statuses: int) -> Schema:
    titles: dict[int, list[str]] = {}
    for problem in (*errors.BY_EXCEPTION.values(), *errors.BY_STATUS.values()):
        titles.setdefault(problem.status.value, []).append(f"{problem.title} (`{problem.type}`).")
    return {
        str(status): {
            "description": " ".join(titles[status]),
            "headers": _headers(),
            "content": {errors.MEDIA_TYPE: {"schema": _ref("Problem")}},
        }
        for status in statuses
    }


def _headers() -> Schema:
    return {access.HEADER: {"$ref": "#/components/headers/RequestId"}}


def _request_id() -> Schema:
    return {
        "name": access.HEADER,
        "in": "header",
        "description": (
            "Taken over when it is 1 to 128 of `A-Z a-z 0-9 . _ : -`; otherwise a new one is made. "
            "It is in every answer, log line and capture."
        ),
        "schema": {"type": "string", "maxLength": 128, "pattern": "^[A-Za-z0-9._:-]+$"},
    }


def _request_id_header() -> Schema:
    return {"description": "The id this request is known by.", "schema": {"type": "string"}}


def _model_header() -> Schema:
    return {
        "description": "NAME@VERSION of the model that answered; with CSV answers only.",
        "schema": {"type": "string"},
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _schemas(max_rows: int) -> Schema:
    return {
        "House": schema.json_schema(),
        "Model": _object(name={"type": "string"}, version={"type": "string"}),
        "Predictions": _object(
            request_id={"type": "string"},
            model=_ref("Model"),
            predictions={
                "type": "array",
                "maxItems": max_rows,
                "items": _object(id=_uuid(), price_dollars={"type": "number"}),
            },
        ),
        "Prediction": _prediction(),
        "Observation": _observation(),
        "Models": _object(
            models={"type": "array", "items": _artifact()}, candidates_known={"type": "boolean"}
        ),
        "Deployment": _deployment(),
        "Status": {
            "type": "object",
            "properties": {"status": {"type": "string"}, "model": {"type": "string"}},
        },
        "Problem": _problem(),
        "Anything": {"type": "object"},
    }


def _prediction() -> Schema:
    return _object(
        id=_uuid(),
        captured_at=_time(),
        request_id={"type": "string"},
        row_index={"type": "integer", "minimum": 0},
        model=_ref("Model"),
        price_dollars={"type": "number"},
        inputs=_ref("House"),
        observations={"type": "array", "items": _ref("Observation")},
        outcome={"type": "null", "description": "The price the house really sold for, once it is known."},
    )


def _observation() -> Schema:
    return _object(
        model=_ref("Model"),
        state={"enum": ["scored", "failed"]},
        price_dollars={"type": ["number", "null"]},
        reason={"type": ["string", "null"], "description": "Why it failed."},
        latency_seconds={
            "type": ["number", "null"],
            "description": "Time of a single-row prediction, measured on a small sample.",
        },
        observed_at=_time(),
    )


def _artifact() -> Schema:
    return _object(
        name={"type": "string"},
        version={"type": "string"},
        role={"enum": ["live", "candidate", "idle"]},
        recipe={"type": ["string", "null"]},
        digest={"type": ["string", "null"], "description": "SHA-256 of the manifest."},
        card={"type": ["object", "null"], "description": "The model card; null when it cannot be read."},
    )


def _deployment() -> Schema:
    candidate = _object(
        model=_ref("Model"),
        state={"enum": ["active", "paused", "removed"]},
        sample={"type": "number"},
        replay_from={"type": ["string", "null"], "format": "date-time"},
        added_at=_time(),
    )
    return _object(
        live=_ref("Model"),
        since=_time(),
        by={"type": "string"},
        reason={"type": "string"},
        candidates={"type": ["array", "null"], "items": candidate, "description": "null: the store is away"},
    )


def _problem() -> Schema:
    kinds = {problem.type for problem in (*errors.BY_EXCEPTION.values(), *errors.BY_STATUS.values())}
    fault = _object(
        row={"type": ["integer", "null"], "description": "0-based; null: the whole body."},
        field={"type": ["string", "null"]},
        expected={"type": "string"},
        got={"type": "string"},
    )
    shape = _object(
        type={"type": "string", "format": "uri", "examples": sorted(kinds)},
        title={"type": "string"},
        status={"type": "integer"},
        detail={"type": "string"},
        instance={"type": "string"},
        request_id={"type": "string"},
    )
    shape["properties"]["errors"] = {"type": "array", "items": fault}
    return {**shape, "description": "RFC 9457."}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "required": list(properties), "properties": properties}


def _uuid() -> Schema:
    return {"type": "string", "format": "uuid", "description": "A UUIDv7: it carries the time."}


def _time() -> Schema:
    return {"type": "string", "format": "date-time"}
