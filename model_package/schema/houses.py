"""Strict validation of houses, by pydantic: coerces nothing, ignores nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

import pydantic
from pydantic_core import ErrorDetails, SchemaValidator, ValidationError

from model_package.schema.faults import Fault, cut, json_excerpt
from model_package.schema.fields import (
    ENTITY,
    ENTITY_EXPECTED,
    ENTITY_PATTERN,
    FIELDS,
    NAMES,
    Field,
    Row,
    spelling,
)

_SPELLED = {spelling(text): field.name for field in FIELDS for text in (field.source, field.name)}
# What has more keys is no house with a few faults; naming each of a million would only cost time.
MAX_KEYS = 4 * len(NAMES)
_POSITION = {name: index for index, name in enumerate(NAMES)}
_EXPECTED = {field.name: field.expected for field in FIELDS} | {ENTITY: ENTITY_EXPECTED}


@dataclass(frozen=True, slots=True)
class Houses:
    """The houses of one request, in its order. `single`: it was one house, not a list of them.

    `entities[i]` is the entity id of `rows[i]`, None where the client stated none; empty if it never did.
    """

    rows: list[Row]
    single: bool
    entities: Sequence[str | None] = ()

    @classmethod
    def of(cls, validated: list[Row], *, single: bool) -> Self:
        """Separate the entity ids, which are no input of a model."""
        entities: list[Any] = [row.pop(ENTITY) for row in validated]
        return cls(validated, single, entities if any(entities) else ())


def _type(field: Field) -> Any:
    if field.kind == "category":
        return Literal[field.categories]
    number = int if field.kind == "whole" else float
    return Annotated[number, pydantic.Field(strict=True, ge=field.minimum, le=field.maximum)]


def _declaration(field: Field) -> Any:
    return (_type(field) | None, None) if field.nullable else (_type(field), ...)


_ENTITY: Any = (Annotated[str, pydantic.Field(strict=True, pattern=ENTITY_PATTERN)] | None, None)
House = pydantic.create_model(
    "House",
    __config__=pydantic.ConfigDict(
        strict=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True
    ),
    **{field.name: _declaration(field) for field in FIELDS},
    **{ENTITY: _ENTITY},
)
# The validators themselves: a model's class methods cost 1 microsecond more per house.
HOUSE: SchemaValidator = pydantic.TypeAdapter(House).validator  # type: ignore[assignment]
# Stops at the first bad house: all faults are then collected apart, after the number of houses is known.
HOUSE_LIST: SchemaValidator = pydantic.TypeAdapter(  # type: ignore[assignment]
    Annotated[list[House], pydantic.FailFast()]  # type: ignore[valid-type, arg-type, unused-ignore]
).validator


def read_house(value: object, row: int) -> tuple[Row | None, list[Fault]]:
    """Validate a parsed house: return a row with every key, or None and all faults in order."""
    if not isinstance(value, dict) or len(value) > MAX_KEYS:
        return None, [Fault(row, None, "an object with the fields of a house", json_excerpt(value))]
    try:
        return HOUSE.validate_python(value).__dict__, []
    except ValidationError as error:
        faults = [_fault(row, detail) for detail in error.errors(include_url=False, include_context=False)]
    return None, sorted(faults, key=lambda fault: _POSITION.get(fault.field or "", len(NAMES)))


def _fault(row: int, error: ErrorDetails) -> Fault:
    name = str(error["loc"][0])
    if error["type"] == "extra_forbidden":
        return Fault(
            row, cut(name), _nearest(name), f"an unknown field with the value {json_excerpt(error['input'])}"
        )
    got = "nothing" if error["type"] == "missing" else json_excerpt(error["input"])
    return Fault(row, name, _EXPECTED[name], got)


def _nearest(name: str) -> str:
    """Guess the intended field by its normalised spelling only, so that it costs nothing."""
    guess = _SPELLED.get(spelling(name[:64]))
    return f"the name of a field; perhaps {guess}" if guess else "the name of a field of a house"
