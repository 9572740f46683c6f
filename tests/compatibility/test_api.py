"""The house API and its OpenAPI document are what they were, byte for byte and schema for schema."""

from __future__ import annotations

import json

import exchanges
import interfaces
from archives import RECORDED
from exchanges import Session
from harness.stack import Stack


def test_the_openapi_document_promises_what_it_did(fresh: Stack) -> None:
    document = json.loads(fresh.ask("GET", "/openapi.json")[1])
    recorded = json.loads((RECORDED / "openapi.json").read_text(encoding="utf-8"))
    assert interfaces.promised(document) == interfaces.promised(recorded)


def test_the_api_answers_with_the_recorded_bytes(fresh: Stack) -> None:
    session = Session(fresh.settings.api_port)
    for exchange in exchanges.read(RECORDED / "answers.jsonl.xz"):
        answered = session.send(exchange)
        assert answered.answer == exchange.answer, f"{exchange.method} {exchange.path} {exchange.body}"[:500]
