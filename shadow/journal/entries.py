"""Entries: the content of one line of the journal, written by the recorder and read by ingest.

An entry holds the captures or the outcomes of one request, and how many rows its journal file had before it
(`first`). Before format 4 that number included dropped rows, and `dropped` counted these. Outcomes are no
rows: they have no numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import NoneType
from typing import Any, Self
from uuid import UUID

import orjson

from model_package.reference import ModelRef
from shadow.records import Capture, Inputs, Outcome, OutcomeState, capture_time

_TEXT, _TEXT_OR_NULL, _INTEGER, _NUMBER = (str,), (str, NoneType), (int,), (int, float)
_LIST, _OBJECT = (list,), (dict,)


def encode(
    request_id: str,
    live: ModelRef,
    capture_ids: Sequence[UUID],
    rows: Sequence[Inputs],
    dollars: Sequence[float],
    entities: Sequence[str | None] = (),
) -> bytes:
    """Encode the captures of one request, still without a number; `entities` only when there are some."""
    facts = {
        "request": request_id,
        "name": live.name,
        "version": live.version,
        "ids": capture_ids,
        "dollars": dollars,
        "rows": rows,
    }
    if entities:
        facts["entities"] = entities
    return orjson.dumps(facts, option=orjson.OPT_SERIALIZE_NUMPY)


def encode_outcomes(request_id: str, outcomes: Sequence[Outcome]) -> bytes:
    """Encode the outcomes of one request, still without a number."""
    return orjson.dumps({"request": request_id, "outcomes": [_fields_of(outcome) for outcome in outcomes]})


def _fields_of(outcome: Outcome) -> tuple[object, ...]:
    return (
        outcome.capture_id,
        outcome.state,
        outcome.price_dollars,
        outcome.sold_at,
        outcome.reported_by,
        outcome.received_at,
    )


def numbered(entry: bytes, first: int, dropped: int | None = None) -> bytes:
    """Put the number of earlier rows in front of an entry; `dropped` only as in formats before 4."""
    old = b"" if dropped is None else b'"dropped":%d,' % dropped
    return b'{"first":%d,%s%s' % (first, old, entry[1:])


@dataclass(frozen=True, slots=True)
class Entry:
    """One readable journal entry: captures or outcomes of one request, and the rows before it in the file."""

    first: int
    dropped: int
    captures: tuple[Capture, ...] = ()
    outcomes: tuple[Outcome, ...] = ()

    @property
    def since(self) -> datetime | None:
        """When its rows were answered or its outcomes reported; None when it is empty."""
        if self.captures:
            return self.captures[0].captured_at
        return self.outcomes[0].received_at if self.outcomes else None

    @classmethod
    def parse(cls, payload: bytes) -> Self | None:
        """Parse a payload without coercing anything; None when it is no entry that this version knows."""
        try:
            facts = _of(_OBJECT, orjson.loads(payload))
            count = _of(_INTEGER, facts["first"]), _of(_INTEGER, facts.get("dropped", 0))
            if "outcomes" in facts:
                return cls(*count, outcomes=tuple(_outcomes(facts)))
            return cls(*count, captures=tuple(_captures(facts)))
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            return None


def _captures(facts: Mapping[str, Any]) -> Iterator[Capture]:
    live, request_id = (
        ModelRef(_of(_TEXT, facts["name"]), _of(_TEXT, facts["version"])),
        _of(_TEXT, facts["request"]),
    )
    columns = [_of(_LIST, facts[name]) for name in ("ids", "dollars", "rows")]
    entities = _of(_LIST, facts.get("entities") or [None] * len(columns[0]))
    rows = zip(*columns, entities, strict=True)
    for index, (text, dollars, inputs, entity_id) in enumerate(rows):
        capture_id = UUID(_of(_TEXT, text))
        yield Capture(
            capture_id,
            capture_time(capture_id),
            request_id,
            index,
            live,
            float(_of(_NUMBER, dollars)),
            _of(_OBJECT, inputs),
            _of(_TEXT_OR_NULL, entity_id),
        )


def _outcomes(facts: Mapping[str, Any]) -> Iterator[Outcome]:
    request_id = _of(_TEXT, facts["request"])
    for fields in _of(_LIST, facts["outcomes"]):
        yield replace(_outcome(*fields), request_id=request_id)


def _outcome(
    capture_id: str,
    state: str,
    price: float | None,
    sold_at: str | None,
    reported_by: str | None,
    received_at: str,
) -> Outcome:
    return Outcome(
        UUID(_of(_TEXT, capture_id)),
        OutcomeState(state),
        None if price is None else float(_of(_NUMBER, price)),
        None if sold_at is None else _moment(sold_at),
        _of(_TEXT_OR_NULL, reported_by),
        _moment(received_at),
    )


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no zone")
    return moment


def _of(kinds: tuple[type, ...], value: Any) -> Any:
    """Return the value if it has one of those types exactly: true is no number. Raises TypeError."""
    if type(value) in kinds:
        return value
    raise TypeError(f"{value!r:.80} is none of {kinds}")
