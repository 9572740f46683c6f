"""Operations: the building blocks with which each resource describes what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from api import content, errors, middleware
from api.openapi.schema import Schema, name_of, ref

REQUEST_ID: Schema = {"$ref": "#/components/parameters/RequestId"}


@dataclass(frozen=True, slots=True)
class ResourceDescription:
    """What the document says of one resource.

    `paths` are its operations by path and method, `records` the view records it answers with, and `schemas`
    what no record declares, by name.
    """

    paths: Schema
    records: Sequence[type] = ()
    schemas: Schema = field(default_factory=dict)


def get(operation: str, summary: str, schema: str | type, *problems: int, tag: str) -> Schema:
    """Describe a GET that answers with JSON; any may also answer with a 500."""
    return {
        "operationId": operation,
        "tags": [tag],
        "summary": summary,
        "parameters": [REQUEST_ID],
        "responses": {**ok(schema), **problem_responses(*problems, 500)},
    }


def page(operation: str, summary: str, *others: int) -> Schema:
    """Describe a page; with another status it is a page or a problem, as the client prefers."""
    html: Schema = {content.HTML: {"schema": {"type": "string"}}}
    problem: Schema = {errors.MEDIA_TYPE: {"schema": ref("Problem")}}
    answer = {"description": summary, "headers": headers(), "content": html}
    refused = {"description": "What is wrong.", "headers": headers(), "content": html | problem}
    responses = {"200": answer, **{str(status): refused for status in others}}
    return {"operationId": operation, "tags": ["pages"], "summary": summary, "responses": responses}


def candidate_parameter(description: str) -> Schema:
    """Describe the parameter of a path that names a candidate."""
    return {
        "name": "id",
        "in": "path",
        "required": True,
        "description": description,
        "schema": {"type": "string"},
        "example": "gbm@1",
    }


def ok(schema: str | type) -> Schema:
    """Describe the answer 200: JSON of a view record, or of the schema with this name."""
    name = schema if isinstance(schema, str) else name_of(schema)
    body = {content.JSON: {"schema": ref(name)}}
    return {"200": {"description": "OK", "headers": headers(), "content": body}}


def problem_responses(*statuses: int) -> Schema:
    """Describe the problems that come with these statuses."""
    titles: dict[int, list[str]] = {}
    for problem in (*errors.BY_EXCEPTION.values(), *errors.BY_STATUS.values()):
        titles.setdefault(problem.status.value, []).append(f"{problem.title} (`{problem.type}`).")
    return {
        str(status): {
            "description": " ".join(titles[status]),
            "headers": headers(),
            "content": {errors.MEDIA_TYPE: {"schema": ref("Problem")}},
        }
        for status in statuses
    }


def headers() -> Schema:
    """Describe the headers of every answer."""
    return {middleware.HEADER: {"$ref": "#/components/headers/RequestId"}}
