"""Types of fields that several records share, and the shape of a problem (RFC 9457)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, WithJsonSchema

from api import errors
from api.openapi.schema import Schema, count, object_of, ref
from model_package.reference import REFERENCE_PATTERN
from model_package.schema import MAX_FAULTS
from shadow.records import VerdictState
from shadow.rollout.decision import REASON_CHARACTERS

EXAMPLE_ID = "0198c0de-7a11-7000-8000-0123456789ab"
REFERENCE: Schema = {
    "type": "string",
    "description": "NAME@VERSION",
    "pattern": f"^{REFERENCE_PATTERN}$",
    "examples": ["gbm@1"],
}
UUID_7: Schema = {"type": "string", "format": "uuid", "description": "A UUIDv7: it carries the time."}
TIME: Schema = {"type": "string", "format": "date-time"}

# One line. Which other characters cannot be printed depends on the version of Unicode: no pattern says that.
LINE = r"^[^\x00-\x1f\x7f-\x9f]*$"
_NOT_BLANK = r"^ *[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
REASON: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": REASON_CHARACTERS,
    "pattern": _NOT_BLANK,
    "description": "One line of printable characters.",
}

CaptureId = Annotated[UUID, WithJsonSchema(UUID_7)]
Reference = Annotated[str, WithJsonSchema(REFERENCE)]
Inputs = Annotated[dict[str, Any], WithJsonSchema(ref("House"))]
Count = Annotated[int, Field(ge=0)]
Moment = datetime


def problem() -> Schema:
    """Describe a problem; the members below `errors` come with some kinds only."""
    kinds = {kind.type for kind in (*errors.BY_EXCEPTION.values(), *errors.BY_STATUS.values())}
    shape = object_of(
        type={"type": "string", "format": "uri", "examples": sorted(kinds)},
        title={"type": "string"},
        status={"type": "integer"},
        detail={"type": "string"},
        instance={"type": "string"},
        request_id={"type": "string"},
    )
    return {**shape, "properties": shape["properties"] | _extensions(), "description": "RFC 9457."}


def _extensions() -> dict[str, Schema]:
    fault = object_of(
        row={"type": ["integer", "null"], "description": "0-based; null: the whole body."},
        field={"type": ["string", "null"]},
        expected={"type": "string"},
        got={"type": "string"},
    )
    return {
        "errors": {"type": "array", "items": fault, "maxItems": MAX_FAULTS},
        "unchecked_rows": count("Rows that were not checked because the list of faults was full."),
        "decided_at": TIME
        | {"description": "The moment of an unconfirmed decision; GET /v1/deployments finds it by that."},
        "verdict": object_of(
            state={"enum": [state.value for state in VerdictState]},
            reasons={"type": "array", "items": {"type": "string"}},
        ),
    }
