"""Outcomes: POST /v1/outcomes takes what answered houses sold for, GET /v1/outcomes counts what is known."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus

import orjson
from flask import Response, request

from api import content, middleware
from api.capture_recorder import CaptureRecorder
from api.errors import OutcomesNotKept
from api.limits import RequestLimits
from api.store_reads import StoreReads
from monitoring.logs.fields import LISTED_MOST
from shadow import outcomes
from shadow.records import Outcome, OutcomeState


class Outcomes:
    """The two views, with what they need."""

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
        """Validate, and say that they are taken only once the journal has them."""
        environ = request.environ
        parse = outcomes.parse_json if content.of_body(environ) == content.JSON else outcomes.parse_csv
        body = content.read(environ, self._limits.body_bytes)
        taken = parse(body, self._limits.rows, self._clock())
        exchange = middleware.of(environ)
        exchange.rows, exchange.reported = len(taken), [str(one.capture_id) for one in taken[:LISTED_MOST]]
        request_id = exchange.request_id
        result = self._recorder.record_outcomes(request_id, taken)
        if not result.is_kept:
            raise OutcomesNotKept(
                f"the journal did not take them in time ({result}); send all of them again: what is kept "
                "already is not kept twice"
            )
        return _answer(HTTPStatus.ACCEPTED, {"request_id": request_id, **_counts(taken)})

    def show(self) -> Response:
        """What is known of all answered houses."""
        known, counted_at = self._store_reads.outcome_counts()
        return _answer(HTTPStatus.OK, {**known.by_name(), "counted_at": counted_at})


def _counts(taken: list[Outcome]) -> dict[str, int]:
    withdrawn = sum(one.state is OutcomeState.WITHDRAWN for one in taken)
    return {
        "accepted": len(taken),
        "sold": len(taken) - withdrawn,
        "withdrawn": withdrawn,
        "repeated": len(taken) - len({one.capture_id for one in taken}),
    }


def _answer(status: HTTPStatus, body: dict[str, object]) -> Response:
    return Response(orjson.dumps(body), status.value, content_type=content.JSON)
