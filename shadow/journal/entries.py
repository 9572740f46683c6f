"""Entries: what one line of the journal says, written by capture and read by ingest.

An entry holds the captures of one request, or the outcomes of one, and how many rows its journal file had
before it (`first`). Before format 4 that counted dropped rows, too, and `dropped` said how many these were.
Outcomes are no rows: they take no numbers.
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

_TEXT, _TEXT_OR_NULL, _WHOLE, _NUMBER = (str,), (str, NoneType), (int,), (int, float)
_LIST, _OBJECT = (list,), (dict,)


def encode(
    request_id: str,
    live: ModelRef,
    capture_ids: Sequence[UUID],
    rows: Sequence[Inputs],
    dollars: Sequence[float],
    entities: Sequence[str | None] = (),
) -> bytes:
    """Write the captures of one request, still without their number; `entities` only if any is given."""
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
    """Write the outcomes of one request, still without the segment's count."""
    return orjson.dumps({"request": request_id, "outcomes": [_reported(one) for one in outcomes]})


def _reported(one: Outcome) -> tuple[object, ...]:
    return one.capture_id, one.state, one.price_dollars, one.sold_at, one.reported_by, one.received_at


def numbered(entry: bytes, first: int, dropped: int | None = None) -> bytes:
    """Put the number of rows before it in front of an entry; `dropped` only as formats before 4 do."""
    old = b"" if dropped is None else b'"dropped":%d,' % dropped
    return b'{"first":%d,%s%s' % (first, old, entry[1:])


@dataclass(frozen=True, slots=True)
class Entry:
    """One readable journal entry: captures or outcomes of one request, and the segment's count before it."""

    first: int
    dropped: int
    captures: tuple[Capture, ...] = ()
    outcomes: tuple[Outcome, ...] = ()

    @property
    def since(self) -> datetime | None:
        """When what it holds was answered or reported; None when it holds nothing."""
        if self.captures:
            return self.captures[0].captured_at
        return self.outcomes[0].received_at if self.outcomes else None

    @classmethod
    def parse(cls, payload: bytes) -> Self | None:
        """Read a payload; None when it is not an entry this version knows. Nothing is coerced."""
        try:
            facts = _of(_OBJECT, orjson.loads(payload))
            count = _of(_WHOLE, facts["first"]), _of(_WHOLE, facts.get("dropped", 0))
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
    told = [_of(_LIST, facts[name]) for name in ("ids", "dollars", "rows")]
    entities = _of(_LIST, facts.get("entities") or [None] * len(told[0]))
    houses = zip(*told, entities, strict=True)
    for index, (text, dollars, inputs, entity_id) in enumerate(houses):
        name = UUID(_of(_TEXT, text))
        yield Capture(
            name,
            capture_time(name),
            request_id,
            index,
            live,
            float(_of(_NUMBER, dollars)),
            _of(_OBJECT, inputs),
            _of(_TEXT_OR_NULL, entity_id),
        )


def _outcomes(facts: Mapping[str, Any]) -> Iterator[Outcome]:
    request_id = _of(_TEXT, facts["request"])
    for told in _of(_LIST, facts["outcomes"]):
        yield replace(_outcome(*told), request_id=request_id)


def _outcome(
    name: str, state: str, price: float | None, sold_at: str | None, reported_by: str | None, received_at: str
) -> Outcome:
    return Outcome(
        UUID(_of(_TEXT, name)),
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
    """The value, if it is of one of those types exactly: true is no number. Raises TypeError."""
    if type(value) in kinds:
        return value
    raise TypeError(f"{value!r:.80} is none of {kinds}")
