"""The OpenAPI 3.1 document: paths here, shapes in api.openapi.shapes, problems from api.errors."""

from __future__ import annotations

from api import content, errors, middleware, retries
from api.deployments import ACTOR_HEADER, ACTOR_PATTERN
from api.openapi.shapes import Schema, ref, schemas
from api.predictions import MODEL_HEADER
from model_package import schema

_EXAMPLE_ID = "0198c0de-7a11-7000-8000-0123456789ab"
_REQUEST_ID = {"$ref": "#/components/parameters/RequestId"}


def document(
    version: str, max_rows: int, max_body_bytes: int, *, decisions: bool = True, path_prefix: str = ""
) -> Schema:
    """The whole document, for an API with these limits; `decisions`: somebody may promote over HTTP."""
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
        "servers": [{"url": path_prefix or "/"}],
        "tags": [
            {"name": "predictions", "description": "Prices, and what became of them."},
            {"name": "outcomes", "description": "What the houses really sold for."},
            {"name": "models", "description": "Who answers, and who is being scored."},
            {"name": "health", "description": "For whoever runs it."},
            {"name": "pages", "description": "For people."},
        ],
        "paths": _paths(max_rows, max_body_bytes) | (_decisions() if decisions else {}),
        "components": {
            "securitySchemes": {"AdminToken": {"type": "http", "scheme": "bearer"}},
            "parameters": {"RequestId": _request_id()},
            "headers": {"RequestId": _request_id_header()},
            "schemas": schemas(max_rows),
        },
    }


def _paths(max_rows: int, max_body_bytes: int) -> Schema:
    return {
        "/v1/predictions": {"post": _create(max_rows, max_body_bytes)},
        "/v1/predictions/{id}": {"get": _show()},
        "/v1/outcomes": {"post": _report(max_rows, max_body_bytes), "get": _count_outcomes()},
        "/v1/models": {
            "get": _get("models", "Every model artifact, with its card and its role.", "Models", tag="models")
        },
        "/v1/deployment": {
            "get": _get(
                "deployment", "Who is live, and who is scored in shadow.", "Deployment", 503, tag="models"
            )
        },
        "/v1/deployments": {"get": _deployments()},
        "/v1/verdicts": {
            "get": _get(
                "verdicts", "What the evidence says of every candidate.", "Verdicts", 503, tag="models"
            )
        },
        "/v1/verdicts/{id}": {"get": _verdict()},
        "/livez": {"get": _get("livez", "The process answers.", "Status", tag="health")},
        "/readyz": {
            "get": _get("readyz", "The process has a live model to answer with.", "Status", 503, tag="health")
        },
        "/openapi.json": {"get": _get("openapi", "This document.", "Anything", tag="pages")},
        "/docs": {"get": _page("docs", "This document as a page.")},
        "/": {"get": _page("overview", "Who is live, candidates, traffic, ledger, and what is wrong.")},
        "/candidates/{id}": {
            "get": _candidate("comparisonPage", "How far a candidate's answers are from the live ones.")
        },
        "/candidates/{id}/evidence": {
            "get": _candidate("evidencePage", "The verdict, its rules, and how the evidence came.")
        },
        "/candidates/{id}/drift": {
            "get": _candidate("driftPage", "Which fields moved away from what the models learned from.")
        },
        "/try": {"get": _page("tryPage", "A form to ask with, for one house or a file of them.")},
        "/deployments": {
            "get": _page("deploymentsPage", "Who was live, who decided it and why; decide anew.", 503)
        },
    }


def _deployments() -> Schema:
    decided_at = {
        "name": "decided_at",
        "in": "query",
        "description": "Only what was decided at this moment, as `decided_at` of a 504 says it.",
        "schema": {"type": "string", "format": "date-time"},
    }
    summary = "Who was live, since when, by whose decision: the newest 100."
    return {
        **_get("deployments", summary, "Deployments", 400, 503, tag="models"),
        "parameters": [decided_at, _REQUEST_ID],
    }


def _verdict() -> Schema:
    candidate = {
        "name": "id",
        "in": "path",
        "required": True,
        "description": "NAME@VERSION of the candidate.",
        "schema": {"type": "string"},
        "example": "gbm@1",
    }
    summary = "What the evidence says of a candidate, or said last of one that was, and how that came."
    return {
        **_get("showVerdict", summary, "VerdictHistory", 404, 503, tag="models"),
        "parameters": [candidate, _REQUEST_ID],
    }


def _decisions() -> Schema:
    return {
        "/v1/deployment/promote": {
            "post": _decision(
                "promote",
                "Make a candidate live.",
                "Promotion",
                "Refused unless the verdict is `promote` at this moment; `override` promotes in spite of it "
                "and is recorded as that. The model that was live becomes a candidate. Every API process "
                "answers with the new model within two seconds.",
            )
        },
        "/v1/deployment/rollback": {
            "post": _decision(
                "rollback",
                "Make live again what was live before.",
                "Rollback",
                "No verdict is asked. Again: further back, never forth. `to` names any model that was ever "
                "live, and makes it safe to ask twice.",
            )
        },
    }


def _decision(operation: str, summary: str, body: str, description: str) -> Schema:
    actor = {
        "name": ACTOR_HEADER,
        "in": "header",
        "description": "Who decides, for the records; without it: `admin token`.",
        "schema": {"type": "string", "pattern": f"^{ACTOR_PATTERN}$"},
    }
    return {
        "operationId": operation,
        "tags": ["models"],
        "summary": summary,
        "description": description,
        "security": [{"AdminToken": []}],
        "parameters": [_REQUEST_ID, actor],
        "requestBody": {"required": True, "content": {content.JSON: {"schema": ref(body)}}},
        "responses": {
            **_ok("DeploymentMade"),
            **_problems(400, 401, 403, 409, 413, 415, 422, 500, 503, 504),
        },
    }


def _create(max_rows: int, max_body_bytes: int) -> Schema:
    houses = _one_or_more(ref("AskedHouse"), max_rows)
    return {
        "operationId": "createPredictions",
        "tags": ["predictions"],
        "summary": "Price one house or a list of houses.",
        "description": (
            f"At most {max_rows} houses and {max_body_bytes} bytes. Answer i is for house i. Nothing is "
            "coerced (a whole number is 3, not 3.0): one bad house refuses the request with every fault "
            "listed. The answer has the kind of the body unless `Accept` prefers the other: JSON, or CSV "
            "with a header line of field names, in which an empty cell is null."
        ),
        "parameters": [_REQUEST_ID, _idempotency_key()],
        "requestBody": {
            "required": True,
            "content": {
                content.JSON: {"schema": houses, "example": schema.EXAMPLE},
                content.CSV: {"schema": {"type": "string"}, "example": _table(schema.EXAMPLE)},
            },
        },
        "responses": {
            "200": {
                "description": "A price for every house, in the order of the request.",
                "headers": {**_headers(), MODEL_HEADER: _model_header()},
                "links": _links(),
                "content": {
                    content.JSON: {"schema": ref("Predictions")},
                    content.CSV: {
                        "schema": {"type": "string"},
                        "example": f"prediction_id,price_dollars\r\n{_EXAMPLE_ID},181234.5\r\n",
                    },
                },
            },
            **_problems(400, 413, 415, 422, 500, 503),
        },
    }


def _table(row: schema.Row) -> str:
    return f"{','.join(row)}\r\n{','.join(map(str, row.values()))}\r\n"


def _links() -> Schema:
    """What can be done with an answer, besides reading it."""
    first = "$response.body#/predictions/0/id"
    sold = {"prediction_id": first, "price_dollars": 183_000, "sold_at": "2026-11-20"}
    return {
        "show": {"operationId": "showPrediction", "parameters": {"id": first}},
        "report": {"operationId": "createOutcomes", "requestBody": sold},
    }


def _one_or_more(one: Schema, most: int) -> Schema:
    return {"oneOf": [one, {"type": "array", "items": one, "minItems": 1, "maxItems": most}]}


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


def _report(max_rows: int, max_body_bytes: int) -> Schema:
    sold = {
        "prediction_id": _EXAMPLE_ID,
        "price_dollars": 183_000,
        "sold_at": "2026-11-20",
        "source": "registry",
    }
    return {
        "operationId": "createOutcomes",
        "tags": ["outcomes"],
        "summary": "Report what answered houses sold for, or that they were withdrawn.",
        "description": (
            f"At most {max_rows} outcomes and {max_body_bytes} bytes, as JSON or as CSV with a header line; "
            "all are taken or none. Reporting the same again changes nothing; something else about the same "
            "prediction corrects it. Outcomes of unknown predictions are kept until the prediction arrives."
        ),
        "parameters": [_REQUEST_ID],
        "requestBody": {
            "required": True,
            "content": {
                content.JSON: {
                    "schema": _one_or_more(ref("ReportedOutcome"), max_rows),
                    "example": [sold],
                },
                content.CSV: {
                    "schema": {"type": "string"},
                    "example": f"prediction_id,price_dollars,sold_at\r\n{_EXAMPLE_ID},183000,2026-11-20\r\n",
                },
            },
        },
        "responses": {
            "202": {
                "description": "They are in the journal: none of them will be lost.",
                "headers": _headers(),
                "content": {content.JSON: {"schema": ref("OutcomesTaken")}},
            },
            **_problems(400, 413, 415, 422, 500, 503),
        },
    }


def _count_outcomes() -> Schema:
    summary = "How many answered houses have an outcome."
    return _get("countOutcomes", summary, "OutcomeCounts", 503, tag="outcomes")


def _get(operation: str, summary: str, answer: str, *problems: int, tag: str) -> Schema:
    return {
        "operationId": operation,
        "tags": [tag],
        "summary": summary,
        "parameters": [_REQUEST_ID],
        "responses": {**_ok(answer), **_problems(*problems, 500)},
    }


def _page(operation: str, summary: str, *others: int) -> Schema:
    """A page; with another status a page or a problem, as the client prefers."""
    page = {"text/html": {"schema": {"type": "string"}}}
    problem = {errors.MEDIA_TYPE: {"schema": ref("Problem")}}
    shown = {"description": summary, "headers": _headers(), "content": page}
    refused = {"description": "What is wrong.", "headers": _headers(), "content": page | problem}
    responses = {"200": shown, **{str(status): refused for status in others}}
    return {"operationId": operation, "tags": ["pages"], "summary": summary, "responses": responses}


def _candidate(operation: str, summary: str) -> Schema:
    model = {
        "name": "id",
        "in": "path",
        "required": True,
        "description": "NAME@VERSION of a candidate.",
        "schema": {"type": "string"},
        "example": "gbm@1",
    }
    return {**_page(operation, summary, 404, 503), "parameters": [model]}


def _ok(answer: str) -> Schema:
    shown = {content.JSON: {"schema": ref(answer)}}
    return {"200": {"description": "As asked.", "headers": _headers(), "content": shown}}


def _problems(*statuses: int) -> Schema:
    titles: dict[int, list[str]] = {}
    for problem in (*errors.BY_EXCEPTION.values(), *errors.BY_STATUS.values()):
        titles.setdefault(problem.status.value, []).append(f"{problem.title} (`{problem.type}`).")
    return {
        str(status): {
            "description": " ".join(titles[status]),
            "headers": _headers(),
            "content": {errors.MEDIA_TYPE: {"schema": ref("Problem")}},
        }
        for status in statuses
    }


def _headers() -> Schema:
    return {middleware.HEADER: {"$ref": "#/components/headers/RequestId"}}


def _request_id() -> Schema:
    return {
        "name": middleware.HEADER,
        "in": "header",
        "description": (
            "Taken over when it is 1 to 128 of `A-Z a-z 0-9 . _ : -`; otherwise a new one is made. "
            "It is in every answer, log line and capture. While fields are kept out of logs, only a UUID or "
            "32 hex digits is taken over."
        ),
        "schema": {"type": "string"},
    }


def _idempotency_key() -> Schema:
    return {
        "name": retries.HEADER,
        "in": "header",
        "description": (
            "Names this request, so that the same request sent again gets the same ids and is captured once: "
            "1 to 255 printable ASCII characters, a UUID for instance. With another body it is refused. "
            f"Known for {retries.KEPT_SECONDS // 3600} hours at most, on the host that answered."
        ),
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!#-~]+$"},
    }


def _request_id_header() -> Schema:
    return {
        "description": "The id this request is known by.",
        "required": True,
        "schema": {"type": "string"},
    }


def _model_header() -> Schema:
    return {
        "description": "NAME@VERSION of the model that answered; with CSV answers only.",
        "schema": {"type": "string"},
    }
