"""Reported outcomes are read as strictly as houses: every fault named, nothing coerced."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_package.schema import Fault, InvalidRows, MalformedBody, TooManyRows
from shadow import outcomes
from shadow.records import Outcome, OutcomeState, new_capture_ids

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
IDS = [str(name) for name in new_capture_ids(5, int(NOW.timestamp() * 1000), 7)]
SOLD: dict[str, Any] = {"prediction_id": IDS[0], "price_dollars": 183_000, "sold_at": "2026-11-20"}


def read(*rows: object) -> list[Outcome]:
    return outcomes.parse_json(json.dumps(rows).encode(), 10, NOW)


def refused(*rows: object) -> list[Fault]:
    with pytest.raises(InvalidRows) as caught:
        read(*rows)
    return list(caught.value.faults)


def test_a_sale_is_read() -> None:
    (one,) = read(SOLD | {"source": "land registry"})
    day = datetime(2026, 11, 20, tzinfo=UTC)
    assert one == Outcome(UUID(IDS[0]), OutcomeState.SOLD, 183_000.0, day, "land registry", NOW)


def test_one_alone_and_in_a_list_are_the_same() -> None:
    assert outcomes.parse_json(json.dumps(SOLD).encode(), 10, NOW) == read(SOLD)


def test_a_withdrawal_has_no_price_and_needs_no_day() -> None:
    (one,) = read({"prediction_id": IDS[0], "state": "withdrawn", "price_dollars": None})
    assert (one.state, one.price_dollars, one.sold_at) == (OutcomeState.WITHDRAWN, None, None)
    (fault,) = refused(SOLD | {"state": "withdrawn"})
    assert (fault.row, fault.field, fault.got) == (0, "price_dollars", "183000")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC)),
        ("2026-11-20 10:00:00Z", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        ("2026-11-20t10:00:00.25+05:30", datetime(2026, 11, 20, 4, 30, 0, 250_000, tzinfo=UTC)),
        ("1998-02-03T23:59:59.123456789-08:00", datetime(1998, 2, 4, 7, 59, 59, 123_456, tzinfo=UTC)),
        ("2026-11-22T11:59:59Z", NOW + timedelta(days=1, seconds=-1)),
    ],
)
def test_the_day_of_a_sale_is_a_date_or_a_moment_with_its_zone(text: str, moment: datetime) -> None:
    (one,) = read(SOLD | {"sold_at": text})
    assert one.sold_at == moment


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prediction_id", "5"),
        ("prediction_id", 5),
        ("prediction_id", "0198c0de-7a11-4000-8000-0123456789ab"),  # version 4
        ("prediction_id", "0198c0de7a11700080000123456789ab"),
        ("prediction_id", "{" + IDS[0] + "}"),
        ("prediction_id", IDS[0] + "\n"),
        ("prediction_id", "ffffffff-ffff-7fff-bfff-ffffffffffff"),  # of the year 10889
        ("prediction_id", str(new_capture_ids(1, 4_102_444_800_000, 7)[0])),  # of the year 2100
        ("prediction_id", None),
        ("price_dollars", "183000"),
        ("price_dollars", True),
        ("price_dollars", 0),
        ("price_dollars", -0.0),
        ("price_dollars", -5),
        ("price_dollars", 10**400),
        ("price_dollars", float("inf")),
        ("price_dollars", float("nan")),
        ("price_dollars", [1]),
        ("price_dollars", None),
        ("sold_at", "20261120"),
        ("sold_at", "2026-11-20T10:00:00"),  # whose clock?
        ("sold_at", "2026-11-20T10:00Z"),
        ("sold_at", "2026-11-31"),
        ("sold_at", "2026-W47-5"),
        ("sold_at", "٢٠٢٦-11-20"),
        ("sold_at", "0001-01-01T00:00:00+14:00"),
        ("sold_at", "1969-12-31"),
        ("sold_at", "2026-11-22T12:00:01Z"),
        ("sold_at", 1_795_000_000),
        ("sold_at", None),
        ("state", "lost"),
        ("state", "Sold"),
        ("state", 1),
        ("state", []),
        ("source", ""),
        ("source", "x" * 65),
        ("source", "two\nlines"),
        ("source", 5),
    ],
)
def test_what_a_field_cannot_have_is_its_one_fault(field: str, value: object) -> None:
    (fault,) = refused(SOLD, SOLD | {field: value})
    assert (fault.row, fault.field, fault.expected) == (1, field, outcomes.EXPECTED[field])
    assert fault.got


@pytest.mark.parametrize("days", [2, 3, 400, 20_000])
def test_an_id_made_before_the_clock_was_set_back_is_accepted(days: int) -> None:
    (name,) = new_capture_ids(1, int((NOW + timedelta(days=days)).timestamp() * 1000), 7)
    (outcome,) = read(SOLD | {"prediction_id": str(name)})
    assert outcome.capture_id == name


def test_every_fault_of_every_row_is_listed() -> None:
    faults = refused(SOLD | {"price_dollars": "much", "colour": "red"}, SOLD, {"prediction_id": IDS[0]}, 5)
    assert [(fault.row, fault.field) for fault in faults] == [
        (0, "colour"),
        (0, "price_dollars"),
        (2, "price_dollars"),
        (2, "sold_at"),
        (3, None),
    ]


def test_a_field_that_comes_twice_is_a_fault() -> None:
    twice = json.dumps(SOLD)[:-1] + ', "price_dollars": 5}'
    with pytest.raises(InvalidRows) as caught:
        outcomes.parse_json(twice.encode(), 10, NOW)
    assert [(fault.field, fault.got) for fault in caught.value.faults] == [("price_dollars", "2 times")]


@pytest.mark.parametrize("body", [b"", b"[", b"\xff", b"\xef\xbb\xbf[]", b'{"a":1,}'])
def test_what_is_not_json_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedBody):
        outcomes.parse_json(body, 10, NOW)


def test_there_are_limits() -> None:
    with pytest.raises(TooManyRows):
        read(*[SOLD] * 11)
    with pytest.raises(InvalidRows):
        read({f"field {i}": i for i in range(1000)})
    with pytest.raises(InvalidRows):
        read()


def table(*lines: str) -> bytes:
    return "\r\n".join(lines).encode()


def test_a_table_is_read_as_json_is() -> None:
    body = table(
        "sold_at,prediction_id,price_dollars,state,source",
        f"2026-11-20,{IDS[0]},183000,,",
        f',{IDS[1]},,withdrawn,"an agency, perhaps"',
    )
    read_ = outcomes.parse_csv(body, 10, NOW)
    assert read_ == read(
        SOLD, {"prediction_id": IDS[1], "state": "withdrawn", "source": "an agency, perhaps"}
    )


@pytest.mark.parametrize(
    ("lines", "fields"),
    [
        (["prediction_id,price_dollars"], ["sold_at"]),
        (["prediction_id,sold_at,price_dollars,price_dollars,x"], ["x", "price_dollars"]),
        (["state,price_dollars"], ["prediction_id"]),
        (["prediction_id,price_dollars,sold_at"], [None]),
        (["prediction_id,price_dollars,sold_at", f"{IDS[0]},5"], [None]),
        (["prediction_id,price_dollars,sold_at", f"{IDS[0]},+5,2026-11-20"], ["price_dollars"]),
        (["prediction_id,price_dollars,sold_at", f"{IDS[0]},,2026-11-20"], ["price_dollars"]),
    ],
)
def test_a_table_is_refused_by_what_is_wrong_in_it(lines: list[str], fields: list[str | None]) -> None:
    with pytest.raises(InvalidRows) as caught:
        outcomes.parse_csv(table(*lines), 10, NOW)
    assert [fault.field for fault in caught.value.faults] == fields


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([*outcomes.EXPECTED, "x"]), anything), st.booleans())
def test_whatever_comes_is_an_outcome_or_has_faults(values: dict[str, Any], begin_right: bool) -> None:
    parsed = outcomes.parse_outcome((SOLD if begin_right else {}) | values, 3, NOW)
    assert (parsed.outcome is None) == bool(parsed.faults)
    assert all(fault.row == 3 for fault in parsed.faults)
    if parsed.outcome is not None:
        assert (parsed.outcome.price_dollars is None) == (parsed.outcome.state is OutcomeState.WITHDRAWN)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_bytes_are_read_or_refused_and_nothing_else(body: bytes) -> None:
    for parse in (outcomes.parse_json, outcomes.parse_csv):
        with pytest.raises((MalformedBody, InvalidRows, TooManyRows)):
            parse(body, 3, NOW)
