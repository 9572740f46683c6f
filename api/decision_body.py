"""The body of a promotion or a rollback: its fields, read with every fault listed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson

from api.errors import InvalidDecision
from model_package.reference import InvalidReference, ModelRef
from model_package.schema import MAX_FAULTS, Fault, MalformedBody
from model_package.schema.faults import cut, json_excerpt
from shadow.rollout.decision import REASON_CHARACTERS


@dataclass(frozen=True, slots=True)
class _FieldReader:
    """How to read one field of a body; `read` raises ValueError."""

    read: Callable[[Any], Any]
    expected: str


def _reference(value: Any) -> ModelRef:
    if not isinstance(value, str):
        raise InvalidReference(f"{value!r:.80} is no text")
    return ModelRef.parse(value)


def _line(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError("no line of text")
    if len(value) > REASON_CHARACTERS:
        raise ValueError("too long")
    return value.strip()


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("neither true nor false")  # noqa: TRY004 (as the other readers)
    return value


_MODEL = _FieldReader(_reference, "NAME@VERSION, such as gbm@2")
_READERS = {
    "candidate": _MODEL,
    "to": _MODEL,
    "reason": _FieldReader(_line, f"one line of 1 to {REASON_CHARACTERS} characters"),
    "override": _FieldReader(_switch, "true or false"),
}


def read_body(body: bytes, required: Mapping[str, bool]) -> dict[str, Any]:
    """Read the fields of a body; raises MalformedBody, or InvalidDecision with every fault."""
    try:
        decision = orjson.loads(body)
    except orjson.JSONDecodeError as fault:
        raise MalformedBody(f"expected JSON: {fault}") from fault
    if not isinstance(decision, dict):
        raise InvalidDecision((Fault(None, None, "an object", json_excerpt(decision)),))
    known = f"one of {', '.join(required)}"
    unknown = islice((name for name in decision if name not in required), MAX_FAULTS)
    faults = [Fault(None, cut(name), known, json_excerpt(decision[name])) for name in unknown]
    fields: dict[str, Any] = {}
    for name, is_required in required.items():
        reader = _READERS[name]
        try:
            if name in decision:
                fields[name] = reader.read(decision[name])
            elif is_required:
                faults.append(Fault(None, name, reader.expected, "nothing"))
        except ValueError:
            faults.append(Fault(None, name, reader.expected, json_excerpt(decision[name])))
    if faults:
        raise InvalidDecision(faults)
    return fields
