"""The shapes of what the API takes and gives, as JSON Schema; the house comes from model_package.schema."""

from __future__ import annotations

from typing import Any

from api import errors
from model_package import schema
from model_package.reference import REFERENCE_PATTERN
from model_package.schema import FAULTS_MOST
from model_package.schema.fields import LEAST_DOLLARS, MOST_DOLLARS
from shadow import outcomes
from shadow.records import DeploymentKind, OutcomeState, VerdictState
from shadow.rollout.decision import REASON_CHARACTERS

Schema = dict[str, Any]

# One line. Which other characters cannot be printed depends on the version of Unicode: no pattern says that.
_LINE = r"^[^\x00-\x1f\x7f-\x9f]*$"
_NOT_BLANK = r"^ *[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"


def ref(name: str) -> Schema:
    """A reference to one of them."""
    return {"$ref": f"#/components/schemas/{name}"}


def schemas(max_rows: int) -> Schema:
    """All of them, by name."""
    return {
        "House": schema.json_schema(),
        "AskedHouse": schema.asked_json_schema(),
        "Model": _object(name={"type": "string"}, version={"type": "string"}),
        "Predictions": _object(
            request_id={"type": "string"},
            model=ref("Model"),
            predictions={
                "type": "array",
                "maxItems": max_rows,
                "items": _object(id=_uuid(), price_dollars={"type": "number"}),
            },
        ),
        "Prediction": _prediction(),
        "Observation": _observation(),
        "ReportedOutcome": _reported_outcome(),
        "OutcomesTaken": _object(
            request_id={"type": "string"},
            accepted=_count("rows"),
            sold=_count("of them houses that were sold"),
            withdrawn=_count("of them houses that were withdrawn"),
            repeated=_count("rows about a prediction of an earlier row; the last one is in force"),
        ),
        "Outcome": _outcome(),
        "OutcomeCounts": _object(
            matched=_count("answered houses with an outcome in force"),
            sold=_count("of them sold"),
            withdrawn=_count("of them withdrawn"),
            unmatched=_count("ids with an outcome and no answered house in the store"),
            corrections=_count("reports beyond the first of their house"),
            counted_at=_time(),
        ),
        "Models": _object(
            models={"type": "array", "items": _artifact()}, candidates_known={"type": "boolean"}
        ),
        "Deployment": _deployment(),
        "DeploymentMade": _object(**_deployment_made()),
        "Deployments": _object(
            deployments={"type": "array", "items": _object(**_deployment_made())},
        ),
        "Verdicts": _object(verdicts={"type": "array", "items": _object(**_verdict())}),
        "VerdictHistory": _object(
            **_verdict(),
            over={
                "type": "boolean",
                "description": "Nothing more is added: it was removed, or another model is live.",
            },
            ended_at={
                "type": ["string", "null"],
                "format": "date-time",
                "description": "When another model went live; null: none has.",
            },
            history={"type": "array", "items": _verdict_change()},
        ),
        "Promotion": _body(
            ["candidate", "reason"], candidate=_reference(), reason=_line(), override={"type": "boolean"}
        ),
        "Rollback": _body(["reason"], reason=_line(), to=_reference()),
        "Status": {
            "type": "object",
            "properties": {
                "status": {"type": "string"},
                "model": {"type": "string", "description": "NAME@VERSION that answers."},
                "wanted": {"type": "string", "description": "NAME@VERSION that was deployed last."},
            },
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
        model=ref("Model"),
        price_dollars={"type": "number"},
        entity_id={"type": ["string", "null"], "description": "Which house it is, if the asker said so."},
        inputs=ref("House"),
        observations={"type": "array", "items": ref("Observation")},
        outcome={"oneOf": [ref("Outcome"), {"type": "null"}], "description": "The outcome in force."},
        outcome_history={
            "type": "array",
            "items": ref("Outcome"),
            "description": "All outcomes that were reported, the one in force first.",
        },
    )


def _reported_outcome() -> Schema:
    return {
        "description": "What became of an answered house: it was sold (that is the default), or withdrawn.",
        "oneOf": [
            _body(["prediction_id", "price_dollars", "sold_at"], **_reported(OutcomeState.SOLD)),
            _body(["prediction_id", "state"], **_reported(OutcomeState.WITHDRAWN)),
        ],
    }


def _reported(state: OutcomeState) -> dict[str, Schema]:
    sold = state is OutcomeState.SOLD
    price = {"type": "number", "minimum": LEAST_DOLLARS, "maximum": MOST_DOLLARS}
    moments = [{"type": "string", "format": form} for form in ("date-time", "date")]
    kinds: dict[str, Schema] = {
        "prediction_id": {"type": "string", "pattern": outcomes.ID_PATTERN},
        "price_dollars": price if sold else {"type": "null"},
        "sold_at": {"anyOf": moments if sold else [*moments, {"type": "null"}]},
        "state": {"enum": [state, None] if sold else [state]},
        "source": {
            "type": ["string", "null"],
            "minLength": 1,
            "maxLength": outcomes.SOURCE_CHARACTERS,
            "pattern": _LINE,
        },
    }
    return {name: kinds[name] | {"description": text} for name, text in outcomes.EXPECTED.items()}


def _outcome() -> Schema:
    return _object(
        state={"enum": list(OutcomeState)},
        price_dollars={"type": ["number", "null"]},
        sold_at={"type": ["string", "null"], "format": "date-time"},
        source={"type": ["string", "null"]},
        received_at=_time(),
        recorded_at=_time(),
    )


def _count(text: str) -> Schema:
    return {"type": "integer", "minimum": 0, "description": text}


def _observation() -> Schema:
    return _object(
        model=ref("Model"),
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
        model=ref("Model"),
        state={"enum": ["active", "paused", "removed"]},
        sample={"type": "number"},
        replay_from={"type": ["string", "null"], "format": "date-time"},
        added_at=_time(),
    )
    return _object(
        **_deployment_made(),
        candidates={"type": ["array", "null"], "items": candidate, "description": "null: the store is away"},
    )


def _deployment_made() -> dict[str, Schema]:
    text, nullable = {"type": "string"}, {"type": ["string", "null"]}
    return {
        "id": {"type": "integer"},
        "kind": {"enum": [kind.value for kind in DeploymentKind]},
        "live": ref("Model"),
        "since": _time(),
        "by": text,
        "reason": text,
        "verdict": {**nullable, "description": "What the evidence said when it was promoted."},
        "overridden": {"type": "boolean", "description": "Promoted in spite of the verdict."},
        "artifact_digest": {**nullable, "description": "SHA-256 of the manifest of what was deployed."},
        "policy_sha256": {**nullable, "description": "The policy it was judged by."},
    }


def _verdict() -> dict[str, Schema]:
    return {
        "candidate": _reference(),
        "live": _reference(),
        "stream": {"type": "integer", "description": "Number of what is judged: both models, one policy."},
        "computed_at": {"type": ["string", "null"], "format": "date-time"},
        "verdict": {
            "type": ["object", "null"],
            "description": "State, every rule with value and threshold, reasons; null: not judged yet.",
        },
    }


def _verdict_change() -> Schema:
    return _object(
        id={"type": "integer"},
        state={"enum": [state.value for state in VerdictState]},
        decided_at=_time(),
        watermark_day={"type": ["integer", "null"], "description": "The last day that counted."},
        sold={"type": "integer", "description": "Houses with a sale price that counted."},
        policy_sha256={"type": "string"},
        reasons={"type": "array", "items": {"type": "string"}},
    )


def _body(required: list[str], **properties: Schema) -> Schema:
    return {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }


def _reference() -> Schema:
    return {
        "type": "string",
        "description": "NAME@VERSION",
        "pattern": f"^{REFERENCE_PATTERN}$",
        "examples": ["gbm@1"],
    }


def _line() -> Schema:
    return {
        "type": "string",
        "minLength": 1,
        "maxLength": REASON_CHARACTERS,
        "pattern": _NOT_BLANK,
        "description": "One line of printable characters.",
    }


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
    shape["properties"]["errors"] = {"type": "array", "items": fault, "maxItems": FAULTS_MOST}
    shape["properties"]["unchecked_rows"] = _count("rows that nobody looked at: the list of faults is full")
    shape["properties"]["decided_at"] = _time() | {
        "description": "The moment of an unconfirmed decision: GET /v1/deployments finds it by that."
    }
    shape["properties"]["verdict"] = _object(
        state={"enum": [state.value for state in VerdictState]},
        reasons={"type": "array", "items": {"type": "string"}},
    )
    return {**shape, "description": "RFC 9457."}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "required": list(properties), "properties": properties}


def _uuid() -> Schema:
    return {"type": "string", "format": "uuid", "description": "A UUIDv7: it carries the time."}


def _time() -> Schema:
    return {"type": "string", "format": "date-time"}
