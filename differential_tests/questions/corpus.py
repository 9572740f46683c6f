"""The corpus: questions generated from the schema, each with a descriptive id. Deterministic by seed."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from differential_tests.questions.question import JSON, Question
from model_package.schema import ENTITY, EXAMPLE, FIELDS, Field, Row
from model_package.synthetic import synthetic

CSV = "text/csv"
ORDINARY, SEED = 500, 20_06
NO_CODE = "no such code"
UNKNOWN_FIELD = "a_field_nobody_knows"
_HUGE = 10**400
# For each kind of field, what a value of another kind looks like.
_ODD: dict[str, Any] = {
    "text": "seven",
    "number-as-text": "7",
    "boolean": True,
    "list": [7],
    "object": {"value": 7},
    "empty-text": "",
}
FieldCases = Callable[[Field], Iterator[tuple[str, Any]]]


def questions(
    seed: int = SEED,
    ordinary: int = ORDINARY,
    *,
    fields: Sequence[Field] = FIELDS,
    example: Row = EXAMPLE,
    houses: Callable[[int, int], Sequence[Row]] | None = None,
) -> list[Question]:
    """Make the corpus: `ordinary` rows from `houses(n, seed)`, then variants of every field.

    `example` is a valid row, of which one field at a time is changed.
    """
    drawn = (houses or _houses)(ordinary, seed)
    return [
        *(Question(f"ordinary-{number:05d}", "ordinary", row=row) for number, row in enumerate(drawn)),
        *_with_field("category", "category", _codes, fields, example),
        *_with_field("boundary", "boundary", _bounds, fields, example),
        *_nulls(fields, example),
        *_with_field("outside", "boundary", _outside, fields, example),
        *_with_field("unseen", "unseen", _unseen_codes, fields, example),
        *_with_field("malformed", "type", _wrong_types, fields, example),
        *_with_field("malformed", "number", _extreme_numbers, fields, example),
        *_incomplete(fields, example),
        *_bodies(drawn[:3] or [example], example),
    ]


def _houses(n: int, seed: int) -> list[Row]:
    return list(synthetic(n, seed).rows) if n else []


def _with_field(
    kind: str, word: str, values: FieldCases, fields: Sequence[Field], example: Row
) -> Iterator[Question]:
    """Yield rows with one field changed; ids are like `boundary-lot_area-max`."""
    for field in fields:
        for name, value in values(field):
            yield Question(f"{word}-{field.name}-{name}", kind, row={**example, field.name: value})


def _codes(field: Field) -> Iterator[tuple[str, Any]]:
    yield from ((code, code) for code in field.categories)


def _bounds(field: Field) -> Iterator[tuple[str, Any]]:
    """Yield both ends of the range, and the values just inside."""
    if field.minimum is None or field.maximum is None:
        return
    low, high = _typed(field, field.minimum), _typed(field, field.maximum)
    yield from (("min", low), ("max", high))
    yield from (("above-min", _neighbour(field, low, high)), ("below-max", _neighbour(field, high, low)))


def _outside(field: Field) -> Iterator[tuple[str, Any]]:
    """Yield the nearest values outside the range."""
    if field.minimum is None or field.maximum is None:
        return
    low, high = _typed(field, field.minimum), _typed(field, field.maximum)
    yield from (
        ("below-min", _neighbour(field, low, -math.inf)),
        ("above-max", _neighbour(field, high, math.inf)),
    )


def _typed(field: Field, value: float) -> float:
    return int(value) if field.kind == "whole" else float(value)


def _neighbour(field: Field, value: float, towards: float) -> float:
    """Return the next whole number or the next float."""
    if field.kind == "whole":
        return value + (1 if towards > value else -1)
    return math.nextafter(value, towards)


def _nulls(fields: Sequence[Field], example: Row) -> Iterator[Question]:
    """Yield rows with each nullable field null and missing, then all of them."""
    nullable = [field.name for field in fields if field.nullable]
    for name in nullable:
        yield Question(f"null-{name}", "null", row={**example, name: None})
        yield Question(f"left-out-{name}", "null", row=_without(example, name))
    yield Question("null-all", "null", row={**example, **dict.fromkeys(nullable)})
    yield Question("left-out-all", "null", row=_without(example, *nullable))


def _without(row: Row, *names: str) -> Row:
    return {name: value for name, value in row.items() if name not in names}


def _unseen_codes(field: Field) -> Iterator[tuple[str, Any]]:
    if not field.categories:
        return
    code = field.categories[0]
    yield "code", NO_CODE
    yield "case", code.swapcase() if code.swapcase() not in field.categories else code * 2
    yield "space", f"{code} "
    yield "unicode", f"{code}\u0301 \U0001f3e0"


def _wrong_types(field: Field) -> Iterator[tuple[str, Any]]:
    """Yield a value of every type but the field's own."""
    if field.categories:
        yield from (("number", 7), ("boolean", True), ("list", [field.categories[0]]))
        return
    yield from _ODD.items()
    if field.kind == "whole" and field.minimum is not None:
        yield from (("fraction", field.minimum + 0.5), ("float", float(field.minimum)))


def _extreme_numbers(field: Field) -> Iterator[tuple[str, Any]]:
    """Yield numbers at the edges of float64."""
    if field.categories:
        return
    yield from (("nan", math.nan), ("infinity", math.inf), ("minus-infinity", -math.inf))
    yield from (("huge", 1e300), ("huge-whole", _HUGE), ("minus-zero", -0.0), ("tiny", 1e-320))


def _incomplete(fields: Sequence[Field], example: Row) -> Iterator[Question]:
    """Yield rows with missing or unknown fields."""
    required = [field.name for field in fields if not field.nullable]
    for name in required:
        yield Question(f"missing-{name}", "malformed", row=_without(example, name))
        yield Question(f"null-required-{name}", "malformed", row={**example, name: None})
    many = {f"{UNKNOWN_FIELD}_{number}": number for number in range(1000)}
    rows: dict[str, Mapping[str, Any]] = {
        "missing-all": {},
        "unknown-field": {**example, UNKNOWN_FIELD: 1},
        "unknown-field-unicode": {**example, "\u00fcber\u200b\U0001f3e0": 1},
        "unknown-field-empty": {**example, "": 1},
        "unknown-fields": {**example, **many},
        "entity-wrong": {**example, ENTITY: "not allowed: spaces"},
        "entity-number": {**example, ENTITY: 7},
    }
    yield from (Question(name, "malformed", row=row) for name, row in rows.items())
    yield Question("entity-given", "ordinary", row={**example, ENTITY: "house-7"})
    yield Question("fields-reversed", "ordinary", row=dict(reversed(example.items())))


def _bodies(rows: Sequence[Row], example: Row) -> Iterator[Question]:
    """Yield whole bodies: truncated, of another shape, and of several rows."""
    text, table = json.dumps(example), csv_of(rows)
    bodies = [
        *(("json", word, body, JSON) for word, body in _json_bodies(rows, example).items()),
        *(("csv", word, body, CSV) for word, body in _csv_bodies(table, example).items()),
        ("type", "text", text, "text/plain"),
        ("type", "form", text, "application/x-www-form-urlencoded"),
        ("type", "none", text, "nothing"),
        ("type", "csv-of-json", text, CSV),
        ("type", "json-of-csv", table, JSON),
    ]
    for group, word, body, content_type in bodies:
        yield Question(f"body-{group}-{word}", "malformed", body=body, content_type=content_type)


def _json_bodies(rows: Sequence[Row], example: Row) -> dict[str, str]:
    text, listed = json.dumps(example), json.dumps(list(rows))
    first = next(iter(example))
    return {
        "one": text,
        "list": listed,
        "list-of-one": f"[{text}]",
        "spaced": f" \r\n\t{text}\n ",
        "empty": "",
        "blank": " \n",
        "empty-list": "[]",
        "torn": text[: len(text) // 2],
        "torn-list": listed[:-1],
        "null": "null",
        "number": "7",
        "text": '"house"',
        "list-of-lists": "[[]]",
        "list-of-nothing": "[null]",
        "one-bad-of-many": json.dumps([*rows, {}]),
        "doubled-field": text.replace("{", f'{{"{first}": {json.dumps(example[first])}, ', 1),
        "trailing-comma": text[:-1] + ",}",
        "comment": f"// a house\n{text}",
        "single-quotes": text.replace('"', "'"),
        "two-documents": f"{text}\n{text}",
        "byte-order-mark": f"\ufeff{text}",
        "not-utf-8": text.replace(f'"{first}"', '"\udcff"', 1),
        "lone-surrogate": text.replace(f'"{first}"', r'"\ud800"', 1),
        "control-character": text.replace(f'"{first}"', '"\u0001"', 1),
        "nul": text.replace(f'"{first}"', r'"\u0000"', 1),
        "deep": "[" * 10_000 + "]" * 10_000,
        "envelope": json.dumps({"instances": [example]}),
    }


def _csv_bodies(table: str, example: Row) -> dict[str, str]:
    first = next(iter(example))
    header, rest = csv_of([example]).split("\r\n", 1)
    return {
        "one": csv_of([example]),
        "table": table,
        "newlines": table.replace("\r\n", "\n"),
        "empty": "",
        "header-only": f"{header}\r\n",
        "doubled-column": f"{first},{header}\r\n{example[first]},{rest}",
        "unknown-column": f"{UNKNOWN_FIELD},{header}\r\n1,{rest}",
        "short-line": f"{header}\r\n{rest.partition(',')[2]}",
        "long-line": f"{header}\r\n1,{rest}",
        "torn-quote": f'{header}\r\n"{rest}',
        "json": json.dumps(example),
        "byte-order-mark": "\ufeff" + table,
    }


def csv_of(rows: Sequence[Row]) -> str:
    """Write rows as CSV with a header and an empty cell for null."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
