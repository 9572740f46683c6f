"""Relations generated from the schema, each with one small change.

Source: Chen, Cheung & Yiu, Metamorphic testing, 1998; Breck et al., The ML Test Score, 2017.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import inf
from typing import Any
from zlib import crc32

from differential_tests.questions import JSON
from differential_tests.questions.corpus import CSV, csv_of
from differential_tests.relations.relation import RefusalRelation, Relation
from model_package.schema import BY_NAME, ENTITY, FIELDS, Field, Row, Value

_NULLABLE = tuple(field for field in FIELDS if field.nullable)
_NEEDED = tuple(field for field in FIELDS if not field.nullable)
_CATEGORIES = tuple(field for field in FIELDS if field.kind == "category")
_COUNTS = tuple(field for field in FIELDS if field.kind == "whole")
_NUMBERS = tuple(field for field in FIELDS if field.kind != "category")
_YEARS = tuple(field.name for field in FIELDS if field.unit == "year")
LARGER = 1.1
"""A size is raised by a tenth, everything else by one."""


def _reversed(row: Row) -> Row:
    return dict(reversed(row.items()))


def _with_entity(row: Row) -> Row:
    return row | {ENTITY: "house-7"}  # the same for all that are asked together


def _nulls(row: Row) -> Row:
    return row | {field.name: None for field in _NULLABLE}


def _left_out(row: Row) -> Row:
    return {name: value for name, value in row.items() if value is not None}


def _whole_numbers(row: Row) -> Row:
    """Write 70.0 as 70 where the field allows a fraction."""
    return {name: _whole(value) for name, value in row.items()}


def _whole(value: Value) -> Value:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _respelled(row: Row) -> str:
    """Write the same house with other JSON escapes, exponents and blanks."""
    pairs = (f"{_escaped_text(name)} :\r\n\t{_json_value(value)}" for name, value in row.items())
    return " {" + " , ".join(pairs) + "}\n"


def _json_value(value: object) -> str:
    if isinstance(value, str):
        return _escaped_text(value)
    return f"{value!r}e0" if isinstance(value, float) and "e" not in repr(value) else json.dumps(value)


def _escaped_text(text: str) -> str:
    return '"' + "".join(f"\\u{ord(character):04x}" for character in text) + '"'


def _columns_reversed(row: Row) -> str:
    """Write the house as CSV with reversed columns."""
    return csv_of([_reversed(row)])


def _years_later(row: Row) -> Row | None:
    later = {name: value + 1 for name in _YEARS if isinstance(value := row.get(name), int)}
    return row | later if all(_within(name, value) for name, value in later.items()) else None


def _one_square_foot_more(row: Row) -> Row | None:
    area = row.get("living_area")
    return _with_value(row, "living_area", area + 1) if isinstance(area, int | float) else None


def _with_value(row: Row, name: str, value: Any) -> Row | None:
    return row | {name: value} if _within(name, value) else None


def _within(name: str, value: float) -> bool:
    return value <= (BY_NAME[name].maximum or inf)


ALWAYS: tuple[Relation, ...] = (
    Relation("key order", "the order of the keys does not matter", _reversed),
    Relation("entity id", "which house it is does not matter", _with_entity),
    Relation("missing and null", "an optional field left out is null", _left_out, start=_nulls),
    Relation("whole numbers", "70 is 70.0 where a fraction is allowed", _whole_numbers),
    Relation(
        "spelling", "escapes, exponents and blanks of JSON do not matter", _respelled, content_type=JSON
    ),
    Relation("column order", "a column of CSV is known by its header", _columns_reversed, content_type=CSV),
)
"""Hold exactly, of every model."""


def increasing_in(name: str) -> Relation:
    """Build the relation that more of a field never lowers the price."""
    field = BY_NAME[name]
    change = f"10 % more {name}" if field.kind == "number" else f"1 more {name}"
    return Relation(
        f"more {name}", f"{change} never means a lower answer", _increase(field), highest=inf, field=name
    )


def _increase(field: Field) -> Any:
    def changed(row: Row) -> Row | None:
        value = row.get(field.name)
        if not isinstance(value, int | float) or (field.name.startswith("garage") and not value):
            return None
        return _with_value(row, field.name, value * LARGER if field.kind == "number" else value + 1)

    return changed


BUDGETED: tuple[Relation, ...] = (
    Relation(
        "one square foot", "one square foot moves a price by 2 % at most", _one_square_foot_more, -0.02, 0.02
    ),
    Relation("a year later", "the same house a year later costs much the same", _years_later, -0.05, 0.05),
    *(increasing_in(name) for name in ("living_area", "overall_quality", "garage_cars", "full_baths")),
    increasing_in("basement_full_baths"),
)
"""Hold of most houses: how many, and how far the others may be off, is in budgets.toml."""


def _with_wrong_value(fields: Sequence[Field], value: Any) -> Any:
    """Build a change that gives one field, another one for each house, an invalid value."""

    def changed(row: Row) -> Row:
        return row | {fields[_row_hash(row) % len(fields)].name: value}

    return changed


def _without(row: Row) -> Row:
    gone = _NEEDED[_row_hash(row) % len(_NEEDED)].name
    return {name: value for name, value in row.items() if name != gone}


def _row_hash(row: Row) -> int:
    """Hash a house to the same number in every process."""
    return crc32(json.dumps(row).encode())


REFUSED: tuple[RefusalRelation, ...] = (
    RefusalRelation(
        "unseen code", "a code that no list has is refused", _with_wrong_value(_CATEGORIES, "Unseen")
    ),
    RefusalRelation(
        "unknown field", "a field that nobody knows is refused", lambda row: row | {"pool_area": 512}
    ),
    RefusalRelation(
        "number as text", "a number written as a text is refused", _with_wrong_value(_NUMBERS, "7")
    ),
    RefusalRelation("part of a room", "half of what is counted is refused", _with_wrong_value(_COUNTS, 6.5)),
    RefusalRelation("out of range", "a number beyond its range is refused", _with_wrong_value(_NUMBERS, 1e9)),
    RefusalRelation("missing field", "a field that is needed and is not there is refused", _without),
)
