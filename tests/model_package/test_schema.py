from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from model_package import schema

LIMIT = 1000
FIELD_IDS = [field.name for field in schema.FIELDS]


def a_value(field: schema.Field) -> st.SearchStrategy[schema.Value]:
    """Any valid value of a field."""
    if field.kind == "category":
        values: st.SearchStrategy[Any] = st.sampled_from(field.categories)
    elif field.kind == "whole":
        values = st.integers(int(field.minimum or 0), int(field.maximum or 0))
    else:
        values = st.floats(field.minimum, field.maximum)
    return values | st.none() if field.nullable else values


HOUSES = st.fixed_dictionaries({field.name: a_value(field) for field in schema.FIELDS})


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()


def faults(body: bytes) -> list[schema.Fault]:
    with pytest.raises(schema.InvalidRows) as refusal:
        schema.parse_json(body, LIMIT)
    return list(refusal.value.faults)


def only_fault(body: bytes) -> schema.Fault:
    (fault,) = faults(body)
    return fault


def raw_example(**texts: str) -> bytes:
    """The example with some values replaced by raw JSON text."""
    pairs = {name: json.dumps(value) for name, value in schema.EXAMPLE.items()} | texts
    return ("{" + ",".join(f'"{name}":{text}' for name, text in pairs.items()) + "}").encode()


def test_every_field_is_declared_once_with_a_range_or_categories() -> None:
    assert len(set(schema.NAMES)) == len(schema.FIELDS) == len({field.source for field in schema.FIELDS})
    for field in schema.FIELDS:
        assert field.name.isidentifier()
        assert field.name == field.name.lower()
        assert field.description
        if field.kind == "category":
            assert len(set(field.categories)) == len(field.categories) >= 2
            assert not any(":" in code for code in field.categories)
        else:
            assert field.minimum is not None
            assert field.maximum is not None
            assert field.minimum < field.maximum
            assert field.unit


def test_the_example_is_a_house() -> None:
    houses = schema.parse_json(encoded(schema.EXAMPLE), LIMIT)
    assert houses.single
    assert houses.rows == [schema.EXAMPLE]
    assert tuple(houses.rows[0]) == schema.NAMES


@settings(max_examples=50)
@given(st.lists(HOUSES, min_size=1, max_size=3))
def test_every_valid_house_comes_back_as_it_was_sent(rows: list[schema.Row]) -> None:
    body = encoded(rows)
    houses = schema.parse_json(body, LIMIT)
    assert houses.rows == rows
    assert not houses.single


@settings(max_examples=50)
@given(HOUSES)
def test_json_schema_and_parser_accept_the_same_houses(row: schema.Row) -> None:
    document = schema.json_schema()
    Draft202012Validator.check_schema(document)
    assert Draft202012Validator(document).is_valid(row)
    assert schema.parse_json(encoded(row), LIMIT).rows == [row]


def test_a_nullable_field_left_out_is_null() -> None:
    nullable = [field.name for field in schema.FIELDS if field.nullable]
    short = {name: value for name, value in schema.EXAMPLE.items() if name not in nullable}
    (row,) = schema.parse_json(encoded(short), LIMIT).rows
    assert tuple(row) == schema.NAMES
    assert all(row[name] is None for name in nullable)


def test_keys_may_come_in_any_order() -> None:
    turned = dict(reversed(schema.EXAMPLE.items()))
    (row,) = schema.parse_json(b" \n\t" + encoded(turned) + b" ", LIMIT).rows
    assert list(row.items()) == list(schema.EXAMPLE.items())


@pytest.mark.parametrize("field", [f for f in schema.FIELDS if not f.nullable], ids=lambda f: f.name)
def test_a_field_that_is_missing_is_named(field: schema.Field) -> None:
    short = {name: value for name, value in schema.EXAMPLE.items() if name != field.name}
    assert only_fault(encoded(short)) == schema.Fault(0, field.name, field.expected, "nothing")


@pytest.mark.parametrize("field", [f for f in schema.FIELDS if f.kind != "category"], ids=lambda f: f.name)
@pytest.mark.parametrize(
    ("text", "got"),
    [
        ('"5"', '"5"'),
        ("true", "true"),
        ("NaN", "NaN"),
        ("Infinity", "Infinity"),
        ("-Infinity", "-Infinity"),
        ("1e999", "Infinity"),
        ("1" + "0" * 400, "a whole number of 1329 bits"),
        ("[1]", "a list of 1"),
        ('{"a":1}', "an object of 1"),
        ("-1", "-1"),
        ("3000000", "3000000"),
    ],
)
def test_a_number_is_never_coerced(field: schema.Field, text: str, got: str) -> None:
    fault = only_fault(raw_example(**{field.name: text}))
    assert fault == schema.Fault(0, field.name, field.expected, got)


@pytest.mark.parametrize("field", [f for f in schema.FIELDS if f.kind == "whole"], ids=lambda f: f.name)
def test_a_whole_number_has_no_point(field: schema.Field) -> None:
    assert only_fault(raw_example(**{field.name: "5.0"})).got == "5.0"
    assert only_fault(raw_example(**{field.name: "5.5"})).got == "5.5"


@pytest.mark.parametrize("field", [f for f in schema.FIELDS if f.kind == "category"], ids=lambda f: f.name)
@pytest.mark.parametrize("text", ['"nonsense"', '""', "1", "false", '" NA"', "[]"])
def test_a_category_is_one_of_its_codes(field: schema.Field, text: str) -> None:
    fault = only_fault(raw_example(**{field.name: text}))
    assert fault.field == field.name
    assert fault.expected.startswith("one of ")


@pytest.mark.parametrize("field", [f for f in schema.FIELDS if not f.nullable], ids=lambda f: f.name)
def test_null_is_refused_where_the_schema_does_not_allow_it(field: schema.Field) -> None:
    assert only_fault(raw_example(**{field.name: "null"})).got == "null"


def test_an_unknown_field_is_refused_with_a_guess() -> None:
    for name in ("livingArea", "Gr Liv Area", "LIVING AREA"):
        fault = only_fault(raw_example(**{name: "5"}))
        assert (fault.row, fault.field) == (0, name)
        assert fault.expected == "the name of a field; perhaps living_area"
        assert fault.got == "an unknown field with the value 5"
    assert only_fault(raw_example(colour="5")).expected == "the name of a field of a house"


def test_an_object_of_very_many_keys_is_refused_as_one() -> None:
    crowd = dict.fromkeys(map(str, range(10_000)), 1)
    assert only_fault(encoded(crowd)) == schema.Fault(
        0, None, "an object with the fields of a house", "an object of 10000"
    )
    assert csv_faults(",".join(crowd).encode())[0].got == "10000 columns"


def test_a_duplicate_key_is_refused_even_with_equal_values() -> None:
    doubled = encoded(schema.EXAMPLE)[:-1] + b', "rooms": 6}'
    assert only_fault(doubled) == schema.Fault(0, "rooms", "each field once", "2 times")
    spelled = encoded(schema.EXAMPLE)[:-1] + b', "\\u0072ooms": 6}'
    assert only_fault(spelled).field == "rooms"
    second = b"[" + encoded(schema.EXAMPLE) + b"," + doubled + b"]"
    assert only_fault(second).row == 1


def test_a_duplicate_key_is_found_where_an_optional_field_is_left_out() -> None:
    short = {name: value for name, value in schema.EXAMPLE.items() if name != "lot_frontage"}
    assert only_fault(encoded(short)[:-1] + b', "rooms": 6}').field == "rooms"


def test_every_fault_of_every_row_is_listed_in_order() -> None:
    rows = [dict(schema.EXAMPLE), dict(schema.EXAMPLE), dict(schema.EXAMPLE)]
    rows[0] |= {"rooms": "6", "zoning": "XX"}
    rows[2] |= {"year_built": 3000, "colour": "red"}
    assert [(fault.row, fault.field) for fault in faults(encoded(rows))] == [
        (0, "zoning"),
        (0, "rooms"),
        (2, "year_built"),
        (2, "colour"),
    ]


def test_what_came_is_shortened() -> None:
    fault = only_fault(raw_example(zoning='"' + "x" * 10_000 + '"'))
    assert len(fault.got) == 80
    assert len(str(only_fault(raw_example(**{"y" * 10_000: "1"})).field)) == 80


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b" \n ", "empty"),
        (b"{", "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b"[" * 100_000, "0 objects and 100000 lists: expected a house"),
        (b'{"a":' * 100_000, "100000 objects and 0 lists: expected a house"),
        (b'{"a":' * 2 * LIMIT, "not JSON"),
        (b'{"a": 1} {"a": 1}', "not JSON"),
        (b"house=1", "not JSON"),
        ("{}".encode("utf-16"), "byte order mark"),
        ("{}".encode("utf-16-le"), "UTF-16"),
        ("{}".encode("utf-16-be"), "UTF-16"),
        ("{}".encode("utf-32-le"), "UTF-16 or UTF-32"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b'{"a": "\xff"}', "not UTF-8 at byte 7"),
        (b'{"a": "\\ud800"}', "not JSON"),
        (b'{"a": "\x00"}', "not JSON"),
        (raw_example(rooms="1" + "0" * 5000), "number out of range"),
    ],
)
def test_what_is_not_json_is_malformed_and_says_why(body: bytes, words: str) -> None:
    with pytest.raises(schema.MalformedBody, match=words):
        schema.parse_json(body, LIMIT)


def _hostile() -> dict[str, bytes]:
    """Bodies that are wrong all over, and small for it or a megabyte large."""
    names = ",".join(schema.NAMES).encode()
    return {
        "empty objects": b"[%b]" % b",".join([b"{}"] * LIMIT),
        "unknown keys": json.dumps([{f"key{n}": 1 for n in range(160)}] * LIMIT).encode(),
        "unknown keys of one row": json.dumps({f"key{n}": 1 for n in range(160)}).encode(),
        "long unknown keys": json.dumps({f"key{n}" + "x" * 6000: 1 for n in range(160)}).encode(),
        "keys that come twice": b"[%b]" % b",".join([b'{"a":1,"a":1,"b":1,"b":1}'] * LIMIT),
        "one key that comes often": b"{%b}" % b",".join([b'"rooms":1'] * 100_000),
        "many keys": b"{%b}" % b",".join(b'"key%d":1' % n for n in range(90_000)),
        "objects in an object": b'{"rooms":[%b]}' % b",".join([b"{}"] * 300_000),
        "lists in an object": b'{"rooms":[%b]}' % b",".join([b"[]"] * 300_000),
        "keys in an object": b'{"rooms":{%b}}' % b",".join(b'"key%d":1' % n for n in range(90_000)),
        "a table without values": names + b"\n" + (b"x," * len(schema.NAMES))[:-1].join([b"", b"\n"] * LIMIT),
        "a table of short lines": names + b"\n" + b"1\n" * LIMIT,
        "a table of unknown columns": b",".join(b"key%d" % n for n in range(160)) + b"\n1\n",
    }


@pytest.mark.parametrize("kind", _hostile())
def test_a_body_that_is_wrong_all_over_is_not_looked_through(kind: str) -> None:
    body = _hostile()[kind]
    parse = schema.parse_csv if kind.startswith("a table") else schema.parse_json
    if kind.endswith("s in an object") and not kind.startswith("keys"):
        with pytest.raises(schema.MalformedBody, match="with no object or list inside"):
            parse(body, LIMIT)
        return
    with pytest.raises(schema.InvalidRows) as caught:
        parse(body, LIMIT)
    assert 0 < len(caught.value.faults) <= schema.MAX_FAULTS
    judged = {fault.row for fault in caught.value.faults if fault.row is not None}
    if "rows" in kind or kind in ("empty objects", "unknown keys", "a table of short lines"):
        assert max(judged) + 1 + caught.value.unchecked_rows == LIMIT
    # What is listed is all that was made: an answer of a few kilobytes, whatever the body was.
    assert sum(len(f"{fault}") for fault in caught.value.faults) < 40_000


@pytest.mark.parametrize("body", [b"5", b"null", b"true", b'"a"', b"NaN", b"[]"])
def test_json_that_is_no_house_concerns_the_whole_body(body: bytes) -> None:
    assert only_fault(body).row is None


def test_a_list_of_lists_is_refused_row_by_row() -> None:
    assert [(fault.row, fault.got) for fault in faults(b"[[1], 5]")] == [(0, "a list of 1"), (1, "5")]


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        (encoded([schema.EXAMPLE] * 4), 4),
        (b"[" + b"0," * 99_999 + b"0]", 100_000),
        (b"[{},{},{},{},{}]", 5),
    ],
)
def test_too_many_rows_are_refused_before_they_are_judged(body: bytes, rows: int) -> None:
    with pytest.raises(schema.TooManyRows) as refusal:
        schema.parse_json(body, 3)
    assert (refusal.value.rows, refusal.value.limit) == (rows, 3)


def test_as_many_rows_as_the_limit_are_read() -> None:
    assert len(schema.parse_json(encoded([schema.EXAMPLE] * 3), 3).rows) == 3


def judged(body: bytes) -> None:
    """Parse; only the declared refusals may come out, each with something to say."""
    for parse in (schema.parse_json, schema.parse_csv):
        try:
            houses = parse(body, LIMIT)
        except schema.InvalidRows as refusal:
            assert refusal.faults
            assert all(len(fault.got) <= 120 for fault in refusal.faults)
        except (schema.MalformedBody, schema.TooManyRows) as refusal:
            assert str(refusal)
        else:
            assert all(tuple(row) == schema.NAMES for row in houses.rows)
            assert np.isfinite(schema.matrix(houses.rows)).any()


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(FIELD_IDS), inner),
    max_leaves=20,
)


@settings(max_examples=200)
@given(st.binary())
def test_random_bytes_never_break_a_parser(body: bytes) -> None:
    judged(body)


@settings(max_examples=200)
@given(ANY_JSON)
def test_random_json_never_breaks_a_parser(value: object) -> None:
    judged(encoded(value))


@settings(max_examples=200)
@given(st.data())
def test_a_mutated_house_never_breaks_a_parser(data: st.DataObject) -> None:
    body = bytearray(data.draw(st.sampled_from([encoded(schema.EXAMPLE), as_csv([schema.EXAMPLE] * 2)])))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(body)))
        end = data.draw(st.integers(start, min(len(body), start + 5)))
        body[start:end] = data.draw(
            st.binary(max_size=4) | st.sampled_from([b'"', b",", b"{}", b"NaN", b"1e999"])
        )
    judged(bytes(body))


@settings(max_examples=100)
@given(st.dictionaries(st.sampled_from(FIELD_IDS), ANY_JSON, min_size=1, max_size=3))
def test_a_house_with_random_values_is_judged_field_by_field(values: dict[str, object]) -> None:
    try:
        schema.parse_json(encoded(schema.EXAMPLE | values), LIMIT)  # type: ignore[operator]
    except schema.InvalidRows as refusal:
        assert {fault.field for fault in refusal.faults} <= set(values)
    except schema.MalformedBody as refusal:
        assert "surrogate" in str(refusal) or "hex escape" in str(refusal) or "number" in str(refusal)


def as_csv(rows: list[schema.Row]) -> bytes:
    def cell(value: schema.Value) -> str:
        return "" if value is None else str(value)

    lines = [",".join(schema.NAMES), *(",".join(cell(row[name]) for name in schema.NAMES) for row in rows)]
    return "\r\n".join(lines).encode()


@settings(max_examples=50)
@given(st.lists(HOUSES, min_size=1, max_size=3))
def test_csv_and_json_say_the_same(rows: list[schema.Row]) -> None:
    houses = schema.parse_csv(as_csv(rows), LIMIT)
    assert houses.rows == rows
    assert not houses.single


def csv_faults(body: bytes) -> list[schema.Fault]:
    with pytest.raises(schema.InvalidRows) as refusal:
        schema.parse_csv(body, LIMIT)
    return list(refusal.value.faults)


def test_csv_columns_may_come_in_any_order_and_nullable_ones_be_left_out() -> None:
    names = [name for name in reversed(schema.NAMES) if name != "lot_frontage"]
    body = ",".join(names) + "\n" + ",".join(str(schema.EXAMPLE[name]) for name in names)
    assert schema.parse_csv(body.encode(), LIMIT).rows == [schema.EXAMPLE | {"lot_frontage": None}]


def test_csv_headers_must_name_fields_once() -> None:
    body = as_csv([schema.EXAMPLE]).replace(b"living_area", b"Gr Liv Area").replace(b"lot_frontage", b"rooms")
    assert {(fault.row, fault.field) for fault in csv_faults(body)} == {
        (None, "Gr Liv Area"),
        (None, "living_area"),
        (None, "rooms"),
    }


@pytest.mark.parametrize(
    "text", ["0x10", " 6", "6 ", "6.0", "+6", "six", "1_0", "06", "1e1", "\u0666", "", "NaN"]
)
def test_csv_whole_numbers_are_written_as_in_json(text: str) -> None:
    (fault,) = csv_faults(as_csv([schema.EXAMPLE, schema.EXAMPLE | {"rooms": text}]))
    assert (fault.row, fault.field) == (1, "rooms")


@pytest.mark.parametrize("text", ["nan", "inf", "1e999", "1,5", ".5", "5.", "1_000", "1e400"])
def test_csv_numbers_are_written_as_in_json(text: str) -> None:
    body = as_csv([schema.EXAMPLE]).replace(b"1350.0", f'"{text}"'.encode())
    assert [fault.field for fault in csv_faults(body)] == ["living_area"]


def test_csv_lines_hold_as_many_cells_as_the_header() -> None:
    body = as_csv([schema.EXAMPLE]) + b",extra\n\n"
    assert [(fault.row, fault.got) for fault in csv_faults(body)] == [(0, "41 cells")]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        ("rooms\n1".encode("utf-16"), "byte order mark"),
        (b"rooms\n\xff", "not UTF-8 at byte 6"),
        (as_csv([schema.EXAMPLE]) + b'\n"RL"x', "not CSV at line 3"),
        (as_csv([schema.EXAMPLE]) + b'\n"RL', "not CSV"),
        (as_csv([schema.EXAMPLE]) + b"\n" + b"x" * 200_000, "not CSV at line 3: a cell of more than 131072"),
    ],
)
def test_what_is_not_csv_is_malformed_and_says_why(body: bytes, words: str) -> None:
    with pytest.raises(schema.MalformedBody, match=words):
        schema.parse_csv(body, LIMIT)


def test_a_csv_without_rows_or_with_too_many_is_refused() -> None:
    assert csv_faults(as_csv([]))[0].row is None
    with pytest.raises(schema.TooManyRows) as refusal:
        schema.parse_csv(as_csv([schema.EXAMPLE] * 4), 3)
    assert (refusal.value.rows, refusal.value.limit) == (4, 3)


@settings(max_examples=50)
@given(st.lists(HOUSES, min_size=1, max_size=4))
def test_the_matrix_holds_every_value_in_the_order_of_the_fields(rows: list[schema.Row]) -> None:
    encoded_rows = schema.matrix(rows)
    assert encoded_rows.shape == (len(rows), len(schema.FIELDS))
    assert encoded_rows.dtype == np.float64
    for row, line in zip(rows, encoded_rows, strict=True):
        for field, number in zip(schema.FIELDS, line, strict=True):
            value = row[field.name]
            if value is None:
                assert math.isnan(number)
            elif isinstance(value, str):
                assert field.categories[int(number)] == value
            else:
                assert number == value


def test_the_matrix_of_no_rows_is_empty() -> None:
    assert schema.matrix([]).shape == (0, len(schema.FIELDS))


ENTITIES = st.none() | st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True)


@settings(max_examples=50)
@given(st.lists(st.tuples(HOUSES, ENTITIES, st.booleans()), min_size=1, max_size=4))
def test_which_house_it_is_stands_beside_the_rows_and_never_in_them(
    asked: list[tuple[schema.Row, str | None, bool]],
) -> None:
    rows, names = [row for row, *_ in asked], [name for _, name, _ in asked]
    # Whether null is written or left out makes no difference.
    sent = [row | {schema.ENTITY: name} if name or written else row for row, name, written in asked]
    houses = schema.parse_json(encoded(sent), LIMIT)
    assert houses.rows == rows
    assert [*houses.entities] == (names if any(names) else [])
    validator = Draft202012Validator(schema.request_json_schema())
    assert all(validator.is_valid(house) for house in sent)
    table = as_csv(rows).split(b"\r\n")
    cells = [schema.ENTITY.encode(), *((name or "").encode() for name in names)]
    wider = b"\n".join(line + b"," + cell for line, cell in zip(table, cells, strict=True))
    assert schema.parse_csv(wider, LIMIT) == schema.Houses(rows, single=False, entities=houses.entities)


@pytest.mark.parametrize("name", ["", "a:b", "a b", "x" * 65, "\u00e9", "a\n", 5, True, []])
def test_what_cannot_name_a_house_is_a_fault_by_parser_and_json_schema(name: object) -> None:
    asked = schema.EXAMPLE | {schema.ENTITY: name}  # type: ignore[dict-item]
    with pytest.raises(schema.InvalidRows) as refusal:
        schema.parse_json(encoded(asked), LIMIT)
    assert [fault.field for fault in refusal.value.faults] == [schema.ENTITY]
    if name != "a\n":  # Python's $ lets a line break pass
        assert not Draft202012Validator(schema.request_json_schema()).is_valid(asked)


def test_the_models_know_no_entity() -> None:
    assert schema.ENTITY not in schema.NAMES
    assert schema.ENTITY not in schema.json_schema()["properties"]  # type: ignore[operator]
