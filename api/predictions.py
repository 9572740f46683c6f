"""Predictions: POST /v1/predictions answers rows with predictions of the live model and captures them."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

import orjson

from api import content, middleware, retries
from api.answers import HttpAnswer
from api.capture_recorder import CaptureRecorder
from api.identifiers import Identifiers
from api.limits import RequestLimits
from api.live import Live
from api.openapi.operation import REQUEST_ID, ResourceDescription, headers, problem_responses
from api.openapi.schema import Schema, name_of, object_of, one_or_more, ref
from api.openapi.shapes import EXAMPLE_ID, UUID_7
from api.retries import Claim, Key, Retries
from model_package import schema
from model_package.reference import ModelRef
from model_package.schema import BY_NAME, ENTITY, Houses, InvalidRows, parse_csv, parse_json
from monitoring.logs.fields import MAX_LISTED
from monitoring.metrics import ServingMetrics, observe_all
from shadow.journal.capture_result import KEPT, LATE

MODEL_HEADER = "X-Umbra-Model"
_WRITTEN = KEPT.value  # read once: the value of a member of an Enum is slow to look up


class PredictionResource:
    """Serves predictions of the live model."""

    def __init__(
        self,
        live: Live,
        recorder: CaptureRecorder,
        metrics: ServingMetrics,
        ids: Identifiers,
        limits: RequestLimits,
        requests: Retries,
        *,
        retry_by_request_id: bool = False,
    ) -> None:
        self._live = live
        self._recorder = recorder
        self._metrics = metrics
        self._ids = ids
        self._limits = limits
        self._retries = requests
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
        if result is KEPT:
            self._metrics.captures_written.inc(len(rows))
            return _WRITTEN
        if result is LATE:
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


def _refused_fields(invalid: InvalidRows) -> list[str]:
    """Name the invalid fields for the log: names of the schema only, never what a client made up."""
    names = dict.fromkeys(fault.field for fault in invalid.faults)
    return [name for name in names if name in BY_NAME or name == ENTITY][:MAX_LISTED]


def _json(exchange: middleware.Exchange, ids: list[UUID], dollars: list[float]) -> HttpAnswer:
    body = orjson.dumps(
        {
            "request_id": exchange.request_id,
            "model": exchange.model,
            "predictions": [
                {"id": identifier, "price_dollars": price}
                for identifier, price in zip(ids, dollars, strict=True)
            ],
        }
    )
    return HttpAnswer(body, content.JSON)


def _csv(model: str, ids: list[UUID], dollars: list[float]) -> HttpAnswer:
    lines = [f"{identifier},{price!r}\r\n" for identifier, price in zip(ids, dollars, strict=True)]
    body = "prediction_id,price_dollars\r\n" + "".join(lines)
    return HttpAnswer(body.encode(), "text/csv; charset=utf-8; header=present", headers={MODEL_HEADER: model})


def describe(limits: RequestLimits) -> ResourceDescription:
    """Describe the operation; the answer by hand, for the live path writes it from plain dictionaries."""
    price = object_of(id=UUID_7, price_dollars={"type": "number"})
    answer = object_of(
        request_id={"type": "string"},
        model=ref(name_of(ModelRef)),
        predictions={"type": "array", "maxItems": limits.rows, "items": price},
    )
    schemas = {"AskedHouse": schema.request_json_schema(), "Predictions": answer}
    return ResourceDescription({"/v1/predictions": {"post": _create(limits)}}, (ModelRef,), schemas)


def _create(limits: RequestLimits) -> Schema:
    body = {
        content.JSON: {"schema": one_or_more(ref("AskedHouse"), limits.rows), "example": schema.EXAMPLE},
        content.CSV: {"schema": {"type": "string"}, "example": _csv_table(schema.EXAMPLE)},
    }
    return {
        "operationId": "createPredictions",
        "tags": ["predictions"],
        "summary": "Predict the price of one house or of a list of houses.",
        "description": (
            f"At most {limits.rows} houses and {limits.body_bytes} bytes. Answer i is for house i. Nothing "
            "is coerced (a whole number is 3, not 3.0): one invalid house refuses the request, and the "
            "problem lists every fault. The answer has the media type of the body unless `Accept` asks for "
            "the other: JSON, or CSV with a header line of field names, in which an empty cell is null."
        ),
        "parameters": [REQUEST_ID, _idempotency_key()],
        "requestBody": {"required": True, "content": body},
        "responses": {"200": _created(), **problem_responses(400, 413, 415, 422, 500, 503)},
    }


def _created() -> Schema:
    model = {
        "description": "NAME@VERSION of the model that answered; with CSV answers only.",
        "schema": {"type": "string"},
    }
    csv = f"prediction_id,price_dollars\r\n{EXAMPLE_ID},181234.5\r\n"
    return {
        "description": "A price for every house, in the order of the request.",
        "headers": {**headers(), MODEL_HEADER: model},
        "links": _links(),
        "content": {
            content.JSON: {"schema": ref("Predictions")},
            content.CSV: {"schema": {"type": "string"}, "example": csv},
        },
    }


def _csv_table(row: schema.Row) -> str:
    return f"{','.join(row)}\r\n{','.join(map(str, row.values()))}\r\n"


def _links() -> Schema:
    """Name the operations that use the id of a prediction."""
    first = "$response.body#/predictions/0/id"
    sale = {"prediction_id": first, "price_dollars": 183_000, "sold_at": "2026-11-20"}
    return {
        "show": {"operationId": "showPrediction", "parameters": {"id": first}},
        "report": {"operationId": "createOutcomes", "requestBody": sale},
    }


def _idempotency_key() -> Schema:
    return {
        "name": retries.HEADER,
        "in": "header",
        "description": (
            "Names this request: the same request sent again gets the same ids, and its rows are captured "
            "once. 1 to 255 printable ASCII characters, such as a UUID. With another body it is refused. "
            f"Known for {retries.KEPT_SECONDS // 3600} hours at most, on the host that answered."
        ),
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!#-~]+$"},
    }
