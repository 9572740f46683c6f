"""Outcomes, in a body or a file: refused with a documented refusal, or read as another reader reads them."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from anything import ANYTHING, changed, with_one_other, with_one_twice
from damaged_files import NOW
from how_long import examples
from hypothesis import given
from hypothesis import strategies as st
from odd_tables import ODD_CELLS, cells, number, once, spoiled, table

from model_package.schema import InvalidRows, MalformedBody, TooManyRows
from shadow import outcomes
from shadow.outcomes.csv_file import InvalidOutcomeFile, OutcomeFile
from shadow.records import Outcome, OutcomeState, new_capture_ids

MOST = 5
ROWS: list[dict[str, Any]] = [
    {"prediction_id": str(name), "price_dollars": 183_000.5, "sold_at": "2026-11-20", "source": "registry"}
    for name in new_capture_ids(3, int(NOW.timestamp() * 1000), 7)
]
ROWS[1] |= {"state": "sold", "sold_at": "2026-11-20T10:00:00.25+05:30"}
ROWS[2] |= {"state": "withdrawn", "price_dollars": None, "sold_at": None}


def read(parse: Callable[[bytes, int, datetime], list[Outcome]], body: bytes) -> list[Outcome] | None:
    """The outcomes, or None when they are refused as documented, telling what is wrong."""
    try:
        return parse(body, MOST, NOW)
    except InvalidRows as fault:
        assert fault.faults
        assert all(one.expected and one.got for one in fault.faults)
    except MalformedBody as fault:
        assert str(fault)
    except TooManyRows as fault:
        assert fault.rows > MOST
    return None


def as_it_should_be(found: list[Outcome], told: list[dict[str, Any]]) -> None:
    """Outcome i says what row i says."""
    assert len(found) == len(told)
    for one, row in zip(found, told, strict=True):
        assert row.keys() <= set(outcomes.EXPECTED)
        assert one.capture_id == UUID(row["prediction_id"])
        assert one.capture_id.version == 7
        assert one.state == (row.get("state") or "sold")
        assert one.reported_by == row.get("source")
        assert one.received_at == NOW
        assert type(row.get("price_dollars")) in (int, float, type(None))
        assert one.price_dollars == row.get("price_dollars")
        assert (one.price_dollars is None) is (one.state is OutcomeState.WITHDRAWN)
        assert one.price_dollars is None or 1 <= one.price_dollars <= 1e9
        assert one.sold_at == _moment(row.get("sold_at"))


def _moment(text: str | None) -> datetime | None:
    """What a day or a moment is, by a reader that is content with less."""
    if text is None:
        return None
    read_ = datetime.fromisoformat(text.replace("z", "Z").replace("t", "T"))
    assert (read_.tzinfo is None) is (len(text) == 10)
    moment = read_.replace(tzinfo=read_.tzinfo or UTC)
    assert datetime(1970, 1, 1, tzinfo=UTC) <= moment <= NOW + timedelta(days=1)
    return moment


ODD = st.sampled_from(
    [
        "5",
        "",
        True,
        0,
        1,
        1e9,
        1e10,
        10**400,
        float("nan"),
        float("inf"),
        -5,
        0.5,
        "sold",
        "withdrawn",
        "Sold",
        "2026-11-21",
        "2026-11-23",
        "1969-12-31",
        "2026-02-30",
        "2026-11-20T10:00:00",
        "2026-11-20 10:00:00z",
        "9999-12-31T23:59:59-23:59",
        "0001-01-01T00:00:00+23:59",
        "2026-11-20T24:00:00Z",
        "\ud800",
        "a" * 65,
        "ffffffff-ffff-7fff-bfff-ffffffffffff",
        "00000000-0000-7000-8000-000000000000",
        None,
        [],
        "a\nb",
        ROWS[0]["prediction_id"].upper(),
    ]
)
RIGHT = json.dumps(ROWS).encode()


@examples(500)
@given(
    (changed(ROWS, ANYTHING) | changed(ROWS[1], ODD) | with_one_other(ROWS, ODD)).map(
        lambda value: json.dumps(value).encode()
    )
    | with_one_twice(ROWS)
    | spoiled(RIGHT)
    | st.binary(max_size=100)
)
def test_a_json_body_is_refused_or_read_as_it_stands(body: bytes) -> None:
    found = read(outcomes.parse_json, body)
    if found is not None:
        told = json.loads(body, object_pairs_hook=once)
        as_it_should_be(found, [told] if isinstance(told, dict) else told)


HEADER = ["prediction_id", "price_dollars", "sold_at", "state", "source"]


def _utf8(text: str) -> str:
    return text.encode(errors="replace").decode()


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    """A table of outcomes, perhaps with an odd cell in a row, or a row too long."""
    chance = random.Random(draw(st.integers(0, 2**32)))
    header = chance.sample(HEADER, draw(st.sampled_from([5, 5, 5, 4])))
    rows = [
        ["" if row.get(name) is None else str(row[name]) for name in header]
        for row in ROWS * draw(st.sampled_from([0, 1, 1, 1, 2]))
    ]
    if rows and draw(st.integers(0, 3)):
        row = draw(st.sampled_from(rows))
        row[draw(st.integers(0, len(row) - 1))] = draw(ODD_CELLS | ODD.map(str).map(_utf8))
        if not draw(st.integers(0, 9)):
            row.append("")
    return table(header, rows, chance)


RIGHT_TABLE = table(HEADER, [[str(row.get(name) or "") for name in HEADER] for row in ROWS], random.Random(1))


@examples(500)
@given(tables() | spoiled(RIGHT_TABLE) | st.binary(max_size=100))
def test_a_table_is_refused_or_read_as_it_stands_and_a_file_of_it_likewise(body: bytes) -> None:
    found = read(outcomes.parse_csv, body)
    if found is not None:
        told = [{name: text or None for name, text in row.items()} for row in cells(body)]
        for row in told:
            if row.get("price_dollars"):
                row["price_dollars"] = number(row["price_dollars"])
        as_it_should_be(found, told)
    of_file = read(_from_file, body)
    if found is not None or of_file is None or len(of_file) <= MOST:
        assert of_file == found


def _from_file(body: bytes, _most: int, now: datetime) -> list[Outcome]:
    with tempfile.NamedTemporaryFile() as kept:
        path = Path(kept.name)
        path.write_bytes(body)
        file, heard = OutcomeFile(path, now), list[int]()
        try:
            states = file.check(heard.append)
        except InvalidOutcomeFile as fault:
            assert "nothing was imported" in str(fault)
            raise MalformedBody(str(fault)) from fault
        found = list(file.outcomes())
    assert states.total() == len(found)
    return found


def test_what_is_not_spoiled_is_read() -> None:
    for parse, body in (
        (outcomes.parse_json, RIGHT),
        (outcomes.parse_csv, RIGHT_TABLE),
        (_from_file, RIGHT_TABLE),
    ):
        found = read(parse, body)
        assert found is not None
        as_it_should_be(found, ROWS)
