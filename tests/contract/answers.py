"""What schemathesis has to know of the API beyond its document; loaded by its process, not by pytest."""

from __future__ import annotations

from typing import Any

import schemathesis
from schemathesis.core.failures import Failure
from schemathesis.openapi.checks import RejectedPositiveData


@schemathesis.hook
def filter_failure(
    context: schemathesis.HookContext,
    failure: Failure,
    case: schemathesis.Case,
    response: schemathesis.Response,
) -> bool:
    """No schema says what a CSV has to hold: any text fits it, and a documented refusal is no failure."""
    return not (isinstance(failure, RejectedPositiveData) and case.media_type == "text/csv")


@schemathesis.hook
def map_body(context: schemathesis.HookContext, body: Any) -> Any:
    """JSON Schema takes 3.0 for a whole number, the API takes 3 only: it is sent as 3."""
    if isinstance(body, dict):
        return {name: map_body(context, value) for name, value in body.items()}
    if isinstance(body, list):
        return [map_body(context, value) for value in body]
    return int(body) if isinstance(body, float) and body.is_integer() else body
