"""Predictions: POST /v1/predictions answers houses with prices, GET /v1/predictions/ID shows one again."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

import orjson
from flask import Response

from api import content, middleware, retries
from api.answers import HttpAnswer
from api.capture_recorder import CaptureRecorder
from api.errors import InvalidIdentifier, UnknownPrediction
from api.identifiers import Identifiers
from api.limits import RequestLimits
from api.live import Live
from api.retries import Claim, Key, Retries
from api.store_reads import StoreReads
from model_package.reference import ModelRef
from model_package.schema import BY_NAME, ENTITY, Houses, InvalidRows, parse_csv, parse_json
from monitoring.logs.fields import LISTED_MOST
from monitoring.metrics import ServingMetrics, observe_all
from shadow.journal.capture_result import LATE
from shadow.records import Observation, Outcome, Prediction

MODEL_HEADER = "X-Umbra-Model"


class Predictions:
    """The two views, with what they need."""

    def __init__(
        self,
        live: Live,
        recorder: CaptureRecorder,
        store_reads: StoreReads,
        metrics: ServingMetrics,
        ids: Identifiers,
        limits: RequestLimits,
        known: Retries,
        *,
        retry_by_request_id: bool = False,
    ) -> None:
        self._live = live
        self._recorder = recorder
        self._store_reads = store_reads
        self._metrics = metrics
        self._ids = ids
        self._limits = limits
        self._retries = known
        self._retry_by_request_id = retry_by_request_id

    def create(self, environ: dict[str, Any]) -> HttpAnswer:
        """Validate, price, capture, answer: answer i is input i."""
        body_kind = content.of_body(environ)
        answer_kind = content.of_answer(environ, body_kind)
        parse = parse_json if body_kind == content.JSON else parse_csv
        exchange = middleware.of(environ)
        key = retries.key_of(environ, retry_by_request_id=self._retry_by_request_id)
        body = content.read(environ, self._limits.body_bytes)
        try:
            houses = parse(body, self._limits.rows)
        except InvalidRows as fault:
            exchange.refused_fields = _refused_fields(fault)
            raise
        return self._answer(houses, answer_kind, exchange, key, body)

    def _answer(
        self, houses: Houses, kind: str, exchange: middleware.Exchange, key: Key | None, body: bytes
    ) -> HttpAnswer:
        serving = self._live.serving()
        begun = time.perf_counter()
        dollars = serving.price(houses.rows)
        seconds = time.perf_counter() - begun
        ids = self._ids.captures(len(dollars))
        claim = None if key is None else self._retries.claim(key, body, serving.label, ids)
        ids = ids if claim is None else claim.ids
        exchange.capture = self._capture(exchange.request_id, serving.ref, ids, houses, dollars, claim)
        exchange.rows = len(dollars)
        exchange.model = {"name": serving.ref.name, "version": serving.ref.version}
        self._count(serving.label, dollars, seconds)
        if kind == content.CSV:
            return _csv(serving.label, ids, dollars)
        return _json(exchange, ids, dollars)

    def _capture(
        self,
        request_id: str,
        live: ModelRef,
        ids: list[UUID],
        houses: Houses,
        dollars: list[float],
        claim: Claim | None,
    ) -> str:
        rows = houses.rows
        if claim is not None and claim.settled:
            self._metrics.captures_repeated.inc(len(rows))
            return "repeated"
        result = self._recorder.record(
            request_id=request_id,
            live=live,
            capture_ids=ids,
            rows=rows,
            dollars=dollars,
            entities=houses.entities,
        )
        if claim is not None:
            self._retries.settle(claim)
        if result.is_kept:
            self._metrics.captures_written.inc(len(rows))
        elif result is LATE:
            self._metrics.captures_late.inc(len(rows))
        else:
            self._metrics.captures_dropped[(result.value,)].inc(len(rows))
        return result.value

    def _count(self, model: str, dollars: list[float], seconds: float) -> None:
        metrics = self._metrics
        metrics.request_rows.observe(len(dollars))
        metrics.predictions["live", model].inc(len(dollars))
        metrics.prediction_seconds[("live",)].observe(seconds)
        observe_all(metrics.price_dollars[("live",)], dollars)

    def show(self, identifier: str) -> Response:
        """A capture, every observation of it, and its outcomes once there are some."""
        capture_id = _identifier(identifier)
        found = self._store_reads.prediction(capture_id)
        if found is None:
            raise UnknownPrediction(
                f"no prediction {capture_id} is in the store; a new one may still be on its way there"
            )
        return Response(orjson.dumps(_shown(found)), content_type=content.JSON)


def _refused_fields(fault: InvalidRows) -> list[str]:
    """The fields that were wrong, for the log: names of the schema only, never what a client made up."""
    named = dict.fromkeys(one.field for one in fault.faults if one.field in BY_NAME or one.field == ENTITY)
    return [name for name in named if name is not None][:LISTED_MOST]


def _json(exchange: middleware.Exchange, ids: list[UUID], dollars: list[float]) -> HttpAnswer:
    body = orjson.dumps(
        {
            "request_id": exchange.request_id,
            "model": exchange.model,
            "predictions": [
                {"id": number, "price_dollars": price} for number, price in zip(ids, dollars, strict=True)
            ],
        }
    )
    return HttpAnswer(body, content.JSON)


def _csv(model: str, ids: list[UUID], dollars: list[float]) -> HttpAnswer:
    lines = [f"{number},{price!r}\r\n" for number, price in zip(ids, dollars, strict=True)]
    body = "prediction_id,price_dollars\r\n" + "".join(lines)
    return HttpAnswer(body.encode(), "text/csv; charset=utf-8; header=present", headers={MODEL_HEADER: model})


def _identifier(text: str) -> UUID:
    """Only the canonical form: what the API writes is what it reads."""
    try:
        number = UUID(text)
    except ValueError:
        number = None
    if number is None or str(number) != text.lower():
        raise InvalidIdentifier(f"{text[:80]!r}: expected the id of a prediction, such as {_EXAMPLE_ID}")
    return number


_EXAMPLE_ID = "0198c0de-7a11-7000-8000-0123456789ab"


def _shown(found: Prediction) -> dict[str, Any]:
    taken = found.capture
    return {
        "id": taken.id,
        "captured_at": taken.captured_at,
        "request_id": taken.request_id,
        "row_index": taken.row_index,
        "model": {"name": taken.live.name, "version": taken.live.version},
        "price_dollars": taken.prediction_dollars,
        "entity_id": taken.entity_id,
        "inputs": dict(taken.inputs),
        "observations": [_observation(one) for one in found.observations],
        "outcome": _outcome(found.outcomes[0]) if found.outcomes else None,
        "outcome_history": [_outcome(one) for one in found.outcomes],
    }


def _observation(one: Observation) -> dict[str, Any]:
    return {
        "model": {"name": one.candidate.name, "version": one.candidate.version},
        "state": one.state,
        "price_dollars": one.prediction_dollars,
        "reason": one.reason,
        "latency_seconds": one.latency_seconds,
        "observed_at": one.observed_at,
    }


def _outcome(one: Outcome) -> dict[str, Any]:
    return {
        "state": one.state,
        "price_dollars": one.price_dollars,
        "sold_at": one.sold_at,
        "source": one.reported_by,
        "received_at": one.received_at,
        "recorded_at": one.recorded_at,
    }
