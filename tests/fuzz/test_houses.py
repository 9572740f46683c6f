"""Bodies with houses: refused with a documented refusal, or read as another reader reads them, row by row."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from anything import ANYTHING, changed, with_one_other, with_one_twice
from how_long import examples
from hypothesis import given
from hypothesis import strategies as st
from odd_tables import ODD_CELLS, cells, number, once, spoiled, table

from model_package.schema import (
    BY_NAME,
    ENTITY,
    EXAMPLE,
    FIELDS,
    NAMES,
    Field,
    Houses,
    InvalidRows,
    MalformedBody,
    Row,
    TooManyRows,
    parse_csv,
    parse_json,
)

MOST = 5


def values(field: Field) -> st.SearchStrategy[Any]:
    """Every value that a field can have."""
    if field.kind == "category":
        found: st.SearchStrategy[Any] = st.sampled_from(field.categories)
    elif field.kind == "whole":
        found = st.integers(int(field.minimum or 0), int(field.maximum or 0))
    else:
        found = st.floats(field.minimum, field.maximum)
    return found | st.none() if field.nullable else found


HOUSES = st.lists(
    st.fixed_dictionaries({field.name: values(field) for field in FIELDS}), min_size=1, max_size=MOST
)
ENTITIES = st.lists(
    st.none() | st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True), min_size=MOST, max_size=MOST
)
CHANCE = st.integers(0, 2**32).map(random.Random)


def read(parse: Callable[[bytes, int], Houses], body: bytes) -> Houses | None:
    """The houses, or None when they are refused as documented, telling what is wrong."""
    try:
        return parse(body, MOST)
    except InvalidRows as fault:
        assert fault.faults
        assert all(one.expected and one.got for one in fault.faults)
        assert all(one.row is None or 0 <= one.row < MOST for one in fault.faults)
    except MalformedBody as fault:
        assert str(fault)
    except TooManyRows as fault:
        assert fault.rows > MOST
    return None


def as_it_should_be(houses: Houses, told: list[dict[str, Any]]) -> None:
    """Row i says what was told of house i: no value is another one, or of another type."""
    assert len(houses.rows) == len(told)
    entities = list(houses.entities) or [None] * len(told)
    for row, entity, one in zip(houses.rows, entities, told, strict=True):
        assert tuple(row) == NAMES
        assert one.keys() <= {*NAMES, ENTITY}
        assert entity == one.get(ENTITY)
        for name, value in row.items():
            assert fits(BY_NAME[name], value)
            said = _typed(BY_NAME[name], one.get(name))
            assert (type(value), value) == (type(said), said)


def _typed(field: Field, value: Any) -> Any:
    """JSON has one kind of number: 5 is a number of square feet, 5.0 is no number of rooms."""
    return float(value) if field.kind == "number" and type(value) is int else value


def fits(field: Field, value: Any) -> bool:
    """Whether a field can have that value."""
    if value is None:
        return field.nullable
    if field.kind == "category":
        return value in field.categories
    whole = type(value) is (int if field.kind == "whole" else float)
    return whole and (field.minimum or 0) <= value <= (field.maximum or 0)


def cell(value: Any, chance: random.Random) -> str:
    """A value as somebody might write it."""
    if isinstance(value, float):
        return chance.choice([repr(value), f"{value:.17g}", f"{value:.16e}"])
    return "" if value is None else str(value)


@examples(60)
@given(HOUSES, ENTITIES, CHANCE)
def test_houses_come_out_of_a_table_as_they_went_in(
    houses: list[Row], entities: list[str | None], chance: random.Random
) -> None:
    told = [{**house, ENTITY: entity} for house, entity in zip(houses, entities, strict=False)]
    named = [name for name in (*NAMES, ENTITY) if any(house[name] is not None for house in told)]
    header = chance.sample(named, len(named))
    body = table(header, [[cell(house[name], chance) for name in header] for house in told], chance)
    as_it_should_be(parse_csv(body, MOST), told)


@examples(60)
@given(HOUSES, ENTITIES, CHANCE)
def test_houses_come_out_of_json_as_they_went_in(
    houses: list[Row], entities: list[str | None], chance: random.Random
) -> None:
    told = [{**house, ENTITY: entity} for house, entity in zip(houses, entities, strict=False)]
    for house in told:
        for name in [name for name, value in house.items() if value is None and chance.random() < 0.5]:
            del house[name]
    shuffled = [dict(chance.sample(list(house.items()), len(house))) for house in told]
    body = json.dumps(shuffled, indent=chance.choice([None, 0, 2])).encode()
    as_it_should_be(parse_json(body, MOST), told)
    (one, *_) = shuffled
    single = parse_json(json.dumps(one).encode(), MOST)
    assert single.single
    as_it_should_be(single, told[:1])


QUOTED = "111111.1"
ODD_QUOTES = st.sampled_from(
    [b'"1"500', b'"1500', b'15"00"', b'"15""00"', b'"1500" ', b' "1500"', b'"1500\n"']
)
NUMBERS = [name for name in NAMES if BY_NAME[name].kind != "category"]


@st.composite
def odd_tables(draw: st.DrawFn) -> bytes:
    """A table that has something odd in one place: a cell, a row's length, the header, the number of rows."""
    chance = draw(CHANCE)
    header = [*NAMES, ENTITY]
    right = [cell(EXAMPLE.get(name, "parcel-7"), chance) for name in header]
    odd = draw(st.sampled_from(["cell"] * 8 + ["quotes"] * 4 + ["longer", "shorter", "header", "rows"]))
    rows = [list(right) for _ in range(draw(st.sampled_from([0, MOST + 1])) if odd == "rows" else 2)]
    if odd == "cell":
        name = draw(st.sampled_from(NUMBERS) | st.sampled_from(header))
        rows[draw(st.integers(0, 1))][header.index(name)] = draw(ODD_CELLS)
    elif odd == "quotes":
        rows[1][header.index("lot_area")] = QUOTED
    elif odd == "header":
        names = st.sampled_from([*NAMES, "", " zoning", "colour"])
        header[draw(st.integers(0, len(header) - 1))] = draw(names)
    elif rows:
        rows[0] = right[:-1] if odd == "shorter" else [*right, ""]
    return table(header, rows, chance).replace(QUOTED.encode(), draw(ODD_QUOTES))


RIGHT_TABLE = table(NAMES, [[cell(EXAMPLE[name], random.Random(1)) for name in NAMES]] * 2, random.Random(1))


def told_by_table(body: bytes) -> list[dict[str, Any]]:
    """What a table says of its houses, read with the library's reader of dictionaries."""

    def value(name: str, text: str) -> Any:
        if text == "":
            return None
        return text if name == ENTITY or BY_NAME[name].kind == "category" else number(text)

    return [{name: value(name, text) for name, text in row.items()} for row in cells(body)]


@examples(700)
@given(odd_tables() | spoiled(RIGHT_TABLE) | st.binary(max_size=200))
def test_a_table_is_refused_or_read_as_it_stands(body: bytes) -> None:
    houses = read(parse_csv, body)
    if houses is not None:
        as_it_should_be(houses, told_by_table(body))


ODD_VALUES = st.sampled_from(
    [
        "5",
        "",
        True,
        False,
        5.0,
        5,
        -0.0,
        10**400,
        float("nan"),
        float("inf"),
        1e308,
        [],
        {},
        "\ud800",
        "\0",
        "RL",
        None,
    ]
)
TWO = [EXAMPLE, dict(EXAMPLE, entity_id="a-1")]
BODIES = changed(TWO, ANYTHING) | changed(EXAMPLE, ODD_VALUES) | with_one_other(TWO, ODD_VALUES)
RIGHT_BODY = json.dumps(TWO).encode()


@examples(700)
@given(
    BODIES.map(lambda value: json.dumps(value).encode())
    | with_one_twice(TWO)
    | spoiled(RIGHT_BODY)
    | st.binary(max_size=200)
)
def test_a_json_body_is_refused_or_read_as_it_stands(body: bytes) -> None:
    houses = read(parse_json, body)
    if houses is not None:
        told = json.loads(body, object_pairs_hook=once)
        assert houses.single is isinstance(told, dict)
        as_it_should_be(houses, [told] if isinstance(told, dict) else told)


def test_what_is_not_spoiled_is_read() -> None:
    as_it_should_be(parse_json(RIGHT_BODY, MOST), TWO)
    as_it_should_be(parse_csv(RIGHT_TABLE, MOST), [EXAMPLE, EXAMPLE])
