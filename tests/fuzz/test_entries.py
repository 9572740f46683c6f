"""A journal line with the right checksum and a wrong content is no entry; nothing in an entry is coerced."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from anything import ANYTHING, changed
from damaged_files import LIVE, NOW
from how_long import examples
from hypothesis import given
from hypothesis import strategies as st

from model_package.schema import EXAMPLE
from shadow.journal import entries
from shadow.journal.entries import Entry
from shadow.records import Outcome, OutcomeState, new_capture_ids

IDS = new_capture_ids(3, int(NOW.timestamp() * 1000), 7)
OUTCOMES = [
    Outcome(IDS[0], OutcomeState.SOLD, 181_500.25, NOW, "registry", NOW),
    Outcome(IDS[1], OutcomeState.WITHDRAWN, None, None, None, NOW),
]
TOLD = [
    orjson.loads(entries.numbered(entry, 12, 3))
    for entry in (
        entries.encode("r-1", LIVE, IDS, [EXAMPLE] * 3, [1.5, 2.5, 3.5], ["a", None, "c"]),
        entries.encode("r-2", LIVE, IDS[:1], [{"lot_area": 1.0}], [4.5]),
        entries.encode_outcomes("r-3", OUTCOMES),
    )
]
ODD = st.sampled_from(
    ["5", "1.5", "nan", True, -1, 5, 2026, "2026-11-21", "2026-11-21T00:00:00", "sold", "0" * 32, "f" * 32]
)


def _same(number: object, read: float | None) -> bool:
    return number is read is None or (type(number) in (int, float) and number == read)


def _same_moment(text: str | None, read: datetime | None) -> bool:
    if text is None or read is None:
        return text is read
    return read.tzinfo is not None and datetime.fromisoformat(text) == read


@examples(1000)
@given(st.sampled_from(TOLD).flatmap(lambda facts: changed(facts, ANYTHING | ODD)))
def test_what_is_read_of_a_line_is_what_stands_there_or_nothing(facts: Any) -> None:
    told = orjson.dumps(facts)
    entry, facts = Entry.parse(told), orjson.loads(told)
    if entry is None:
        return
    assert (entry.first, entry.dropped) == (facts["first"], facts.get("dropped", 0))
    assert type(facts["first"]) is type(facts.get("dropped", 0)) is int
    if "outcomes" in facts:
        for one, (name, state, price, sold_at, reported_by, received_at) in zip(
            entry.outcomes, facts["outcomes"], strict=True
        ):
            assert (one.capture_id, one.state, one.reported_by) == (UUID(name), state, reported_by)
            assert _same(price, one.price_dollars)
            assert _same_moment(sold_at, one.sold_at)
            assert _same_moment(received_at, one.received_at)
        return
    assert len(entry.captures) == len(facts["ids"]) == len(facts["dollars"]) == len(facts["rows"])
    for index, house in enumerate(entry.captures):
        assert (house.request_id, house.row_index) == (facts["request"], index)
        assert (house.live.name, house.live.version) == (facts["name"], facts["version"])
        assert (house.id, house.inputs) == (UUID(facts["ids"][index]), facts["rows"][index])
        assert type(house.inputs) is dict
        assert _same(facts["dollars"][index], house.prediction_dollars)
        assert house.entity_id == (facts["entities"][index] if facts.get("entities") else None)
        assert all(isinstance(text, str) for text in (house.request_id, house.live.name, house.live.version))


def test_what_was_not_changed_is_read() -> None:
    assert all(Entry.parse(orjson.dumps(facts)) for facts in TOLD)
