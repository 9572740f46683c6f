"""Stored predictions: GET /v1/predictions/ID shows a capture, its observations and its outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

import orjson
from flask import Response
from pydantic import Field

from api.content import JSON
from api.errors import InvalidIdentifier, UnknownPrediction
from api.openapi.operation import REQUEST_ID, ResourceDescription, get, ok, problem_responses
from api.openapi.schema import Schema
from api.openapi.shapes import EXAMPLE_ID, CaptureId, Count, Inputs
from api.store_reads import StoreReads
from model_package import schema
from model_package.reference import ModelRef
from shadow.records import Observation, ObservationState, Outcome, OutcomeState, Prediction


@dataclass(frozen=True, slots=True)
class ObservationView:
    """One candidate's prediction for a capture, or its failure."""

    model: ModelRef
    state: ObservationState
    price_dollars: float | None
    reason: Annotated[str | None, Field(description="Why the candidate failed.")]
    latency_seconds: Annotated[
        float | None,
        Field(description="Time of a single-row prediction, measured on a small sample of the captures."),
    ]
    observed_at: datetime

    @classmethod
    def of(cls, observation: Observation) -> ObservationView:
        """Show an observation."""
        return cls(
            observation.candidate,
            observation.state,
            observation.prediction_dollars,
            observation.reason,
            observation.latency_seconds,
            observation.observed_at,
        )


@dataclass(frozen=True, slots=True)
class OutcomeView:
    """One reported outcome of a capture."""

    state: OutcomeState
    price_dollars: float | None
    sold_at: datetime | None
    source: str | None
    received_at: datetime
    recorded_at: datetime

    @classmethod
    def of(cls, outcome: Outcome) -> OutcomeView:
        """Show an outcome of the store."""
        return cls(
            outcome.state,
            outcome.price_dollars,
            outcome.sold_at,
            outcome.reported_by,
            outcome.received_at,
            outcome.recorded_at,  # type: ignore[arg-type] # None only before it is stored
        )


@dataclass(frozen=True, slots=True)
class PredictionView:
    """A capture with everything that is known about it."""

    id: CaptureId
    captured_at: datetime
    request_id: str
    row_index: Count
    model: ModelRef
    price_dollars: float
    entity_id: Annotated[str | None, Field(description="Which house it is, if the client said so.")]
    inputs: Inputs
    observations: Sequence[ObservationView]
    outcome: Annotated[OutcomeView | None, Field(description="The outcome in force.")]
    outcome_history: Annotated[
        Sequence[OutcomeView], Field(description="All reported outcomes, the one in force first.")
    ]

    @classmethod
    def of(cls, prediction: Prediction) -> PredictionView:
        """Show a prediction."""
        capture, outcomes = prediction.capture, list(map(OutcomeView.of, prediction.outcomes))
        return cls(
            capture.id,
            capture.captured_at,
            capture.request_id,
            capture.row_index,
            capture.live,
            capture.prediction_dollars,
            capture.entity_id,
            dict(capture.inputs),
            list(map(ObservationView.of, prediction.observations)),
            outcomes[0] if outcomes else None,
            outcomes,
        )


class StoredPredictionResource:
    """Serves predictions from the store."""

    def __init__(self, store_reads: StoreReads) -> None:
        self._store_reads = store_reads

    def show(self, identifier: str) -> Response:
        """Answer with one prediction; raises InvalidIdentifier or UnknownPrediction."""
        capture_id = _identifier(identifier)
        prediction = self._store_reads.prediction(capture_id)
        if prediction is None:
            raise UnknownPrediction(
                f"no prediction {capture_id} is in the store; a new one may still be on its way there"
            )
        return Response(orjson.dumps(PredictionView.of(prediction)), content_type=JSON)


def _identifier(text: str) -> UUID:
    """Read an id in its canonical form only, as the API writes it."""
    try:
        number = UUID(text)
    except ValueError:
        number = None
    if number is None or str(number) != text.lower():
        raise InvalidIdentifier(f"{text[:80]!r}: expected the id of a prediction, such as {EXAMPLE_ID}")
    return number


def describe() -> ResourceDescription:
    """Describe the operation."""
    paths = {"/v1/predictions/{id}": {"get": _show()}}
    return ResourceDescription(paths, (PredictionView,), {"House": schema.json_schema()})


def _show() -> Schema:
    identifier = {
        "name": "id",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "format": "uuid"},
        "example": EXAMPLE_ID,
    }
    summary = "A capture, every observation of it, and its outcomes."
    return {
        **get("showPrediction", summary, PredictionView, tag="predictions"),
        "description": "A prediction is found here once it has moved from the journal to the store.",
        "parameters": [identifier, REQUEST_ID],
        "responses": {**ok(PredictionView), **problem_responses(400, 404, 500, 503)},
    }
