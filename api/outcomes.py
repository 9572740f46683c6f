"""Outcomes: POST /v1/outcomes records what answered houses sold for, GET /v1/outcomes counts them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

import orjson
from flask import Response, request
from pydantic import Field

from api import content, middleware
from api.capture_recorder import CaptureRecorder
from api.errors import OutcomesNotKept
from api.limits import RequestLimits
from api.openapi.operation import REQUEST_ID, ResourceDescription, get, headers, problem_responses
from api.openapi.schema import Schema, closed_object, name_of, one_or_more, ref
from api.openapi.shapes import EXAMPLE_ID, LINE, Count
from api.store_reads import StoreReads
from model_package.schema.fields import MAX_DOLLARS, MIN_DOLLARS
from monitoring.logs.fields import MAX_LISTED
from shadow import outcomes
from shadow.records import Outcome, OutcomeState

_SALE = {"prediction_id": EXAMPLE_ID, "price_dollars": 183_000, "sold_at": "2026-11-20", "source": "registry"}


@dataclass(frozen=True, slots=True)
class OutcomesTakenView:
    """What a request reported."""

    request_id: str
    accepted: Annotated[Count, Field(description="Rows.")]
    sold: Annotated[Count, Field(description="Rows about a house that was sold.")]
    withdrawn: Annotated[Count, Field(description="Rows about a house that was withdrawn.")]
    repeated: Annotated[
        Count, Field(description="Rows about the prediction of an earlier row; the last row is in force.")
    ]

    @classmethod
    def of(cls, request_id: str, reported: Sequence[Outcome]) -> OutcomesTakenView:
        """Count the outcomes of a request."""
        rows = len(reported)
        withdrawn = sum(outcome.state is OutcomeState.WITHDRAWN for outcome in reported)
        repeated = rows - len({outcome.capture_id for outcome in reported})
        return cls(request_id, rows, rows - withdrawn, withdrawn, repeated)


@dataclass(frozen=True, slots=True)
class OutcomeCountsView:
    """What is known of all answered houses."""

    matched: Annotated[Count, Field(description="Answered houses with an outcome in force.")]
    sold: Annotated[Count, Field(description="Matched houses that were sold.")]
    withdrawn: Annotated[Count, Field(description="Matched houses that were withdrawn.")]
    unmatched: Annotated[Count, Field(description="Ids with an outcome, but no answered house in the store.")]
    corrections: Annotated[Count, Field(description="Reports after the first one about their house.")]
    counted_at: datetime


class OutcomeResource:
    """Serves outcomes."""

    def __init__(
        self,
        recorder: CaptureRecorder,
        store_reads: StoreReads,
        limits: RequestLimits,
        clock: Callable[[], datetime],
    ) -> None:
        self._recorder = recorder
        self._store_reads = store_reads
        self._limits = limits
        self._clock = clock

    def create(self) -> Response:
        """Validate outcomes and answer once the journal has them; raises OutcomesNotKept if it has not."""
        environ = request.environ
        parse = outcomes.parse_json if content.of_body(environ) == content.JSON else outcomes.parse_csv
        body = content.read(environ, self._limits.body_bytes)
        reported = parse(body, self._limits.rows, self._clock())
        exchange = middleware.of(environ)
        exchange.rows = len(reported)
        exchange.reported = [str(outcome.capture_id) for outcome in reported[:MAX_LISTED]]
        request_id = exchange.request_id
        result = self._recorder.record_outcomes(request_id, reported)
        if not result.is_kept:
            raise OutcomesNotKept(
                f"the journal did not take them in time ({result}); send all of them again: what is kept "
                "already is not kept twice"
            )
        return _answer(HTTPStatus.ACCEPTED, OutcomesTakenView.of(request_id, reported))

    def show(self) -> Response:
        """Answer with the counts of all answered houses."""
        counts, counted_at = self._store_reads.outcome_counts()
        return _answer(HTTPStatus.OK, OutcomeCountsView(**counts.by_name(), counted_at=counted_at))


def _answer(status: HTTPStatus, view: OutcomesTakenView | OutcomeCountsView) -> Response:
    return Response(orjson.dumps(view), status.value, content_type=content.JSON)


def describe(limits: RequestLimits) -> ResourceDescription:
    """Describe both operations."""
    summary = "How many answered houses have an outcome."
    counts = get("countOutcomes", summary, OutcomeCountsView, 503, tag="outcomes")
    paths = {"/v1/outcomes": {"post": _create(limits), "get": counts}}
    return ResourceDescription(
        paths, (OutcomesTakenView, OutcomeCountsView), {"ReportedOutcome": _reported_outcome()}
    )


def _create(limits: RequestLimits) -> Schema:
    csv = f"prediction_id,price_dollars,sold_at\r\n{EXAMPLE_ID},183000,2026-11-20\r\n"
    body = {
        content.JSON: {"schema": one_or_more(ref("ReportedOutcome"), limits.rows), "example": [_SALE]},
        content.CSV: {"schema": {"type": "string"}, "example": csv},
    }
    return {
        "operationId": "createOutcomes",
        "tags": ["outcomes"],
        "summary": "Report what answered houses sold for, or that they were withdrawn.",
        "description": (
            f"At most {limits.rows} outcomes and {limits.body_bytes} bytes, as JSON or as CSV with a header "
            "line; the API takes all of them or none. Repeating a report changes nothing; a different report "
            "about the same prediction corrects the earlier one. An outcome may arrive before its prediction "
            "does."
        ),
        "parameters": [REQUEST_ID],
        "requestBody": {"required": True, "content": body},
        "responses": {
            "202": {
                "description": "The journal has all of them: none will be lost.",
                "headers": headers(),
                "content": {content.JSON: {"schema": ref(name_of(OutcomesTakenView))}},
            },
            **problem_responses(400, 413, 415, 422, 500, 503),
        },
    }


def _reported_outcome() -> Schema:
    return {
        "description": "The outcome of an answered house: it was sold (the default), or withdrawn.",
        "oneOf": [
            closed_object(["prediction_id", "price_dollars", "sold_at"], **_fields(OutcomeState.SOLD)),
            closed_object(["prediction_id", "state"], **_fields(OutcomeState.WITHDRAWN)),
        ],
    }


def _fields(state: OutcomeState) -> dict[str, Schema]:
    is_sold = state is OutcomeState.SOLD
    price = {"type": "number", "minimum": MIN_DOLLARS, "maximum": MAX_DOLLARS}
    moments = [{"type": "string", "format": form} for form in ("date-time", "date")]
    kinds: dict[str, Schema] = {
        "prediction_id": {"type": "string", "pattern": outcomes.ID_PATTERN},
        "price_dollars": price if is_sold else {"type": "null"},
        "sold_at": {"anyOf": moments if is_sold else [*moments, {"type": "null"}]},
        "state": {"enum": [state, None] if is_sold else [state]},
        "source": {
            "type": ["string", "null"],
            "minLength": 1,
            "maxLength": outcomes.SOURCE_CHARACTERS,
            "pattern": LINE,
        },
    }
    return {name: kinds[name] | {"description": text} for name, text in outcomes.EXPECTED.items()}
