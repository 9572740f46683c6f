"""What schemathesis has to know of the API beyond its document; loaded by its process, not by pytest."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import schemathesis
from schemathesis.core.failures import Failure
from schemathesis.openapi.checks import RejectedPositiveData

_KEY = re.compile(r"[!#-~]{1,255}")


@schemathesis.hook
def filter_failure(
    context: schemathesis.HookContext,
    failure: Failure,
    case: schemathesis.Case,
    response: schemathesis.Response,
) -> bool:
    """Drop two failures that are none.

    No schema says what a CSV has to hold: any text fits it, and a documented refusal is right. And a busy
    machine may take longer to decide than a client waits, which has an answer of its own.
    """
    is_refused_csv = isinstance(failure, RejectedPositiveData) and case.media_type == "text/csv"
    return not (is_refused_csv or _is_unconfirmed(response))


def _is_unconfirmed(response: schemathesis.Response) -> bool:
    return response.status_code == HTTPStatus.GATEWAY_TIMEOUT and b":decision-unconfirmed" in response.content


@schemathesis.hook
def map_body(context: schemathesis.HookContext, body: Any) -> Any:
    """JSON Schema takes 3.0 for a whole number, the API takes 3 only: it is sent as 3."""
    if isinstance(body, dict):
        return {name: map_body(context, value) for name, value in body.items()}
    if isinstance(body, list):
        return [map_body(context, value) for value in body]
    return int(body) if isinstance(body, float) and body.is_integer() else body


@schemathesis.hook
def before_call(_context: schemathesis.HookContext, case: schemathesis.Case, _options: Any) -> None:
    """A key names one request: the same one with another body is refused, which no schema can say."""
    headers = case.headers or {}
    if _KEY.fullmatch(str(headers.get("Idempotency-Key", ""))):
        case.headers["Idempotency-Key"] = str(uuid4())
