"""What a journal line says, and that every house is accounted for whatever stands between the houses."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_package.reference import ModelRef
from shadow.ingest.accounting import DAMAGED, reconcile
from shadow.journal import entries
from shadow.journal.entries import Entry
from shadow.journal.file_reader import Chunk
from shadow.records import Outcome, OutcomeState, new_capture_ids
from shadow.store.sources import UNREAD

NOW = datetime(2026, 11, 21, 12, 30, 0, 123456, tzinfo=UTC)
LIVE = ModelRef("linear", "1")
IDS = new_capture_ids(50, int(NOW.timestamp() * 1000), 7)
SOLD = Outcome(IDS[0], OutcomeState.SOLD, 181_500.25, NOW, "agência №5", NOW)
WITHDRAWN = Outcome(IDS[1], OutcomeState.WITHDRAWN, None, None, None, NOW)
OLD = (
    b'{"first":3,"dropped":1,"request":"r-1","name":"linear","version":"1",'
    b'"ids":["01a1fd7b-9508-7000-8000-000000000005"],"dollars":[1.5],"rows":[{"lot_area":7.0}]}'
)


def captures(houses: int, entities: tuple[str | None, ...] = ()) -> bytes:
    return entries.encode("r", LIVE, IDS[:houses], [{"lot_area": 1.0}] * houses, [1.0] * houses, entities)


def test_outcomes_come_back_as_they_went_in() -> None:
    entry = Entry.parse(entries.numbered(entries.encode_outcomes("r", [SOLD, WITHDRAWN]), 12, 3))
    assert entry == Entry(12, 3, outcomes=(SOLD, WITHDRAWN))
    assert entry is not None
    assert entry.since == NOW


def test_entities_come_back_beside_the_inputs_and_never_among_them() -> None:
    entry = Entry.parse(entries.numbered(captures(3, ("a", None, "c")), 0, 0))
    assert entry is not None
    assert [one.entity_id for one in entry.captures] == ["a", None, "c"]
    assert all(one.inputs == {"lot_area": 1.0} for one in entry.captures)


def test_a_line_without_entities_says_nothing_of_them_and_one_of_an_older_umbra_is_read() -> None:
    assert b"entities" not in captures(3)
    entry = Entry.parse(OLD)
    assert entry is not None
    assert (entry.first, entry.dropped, len(entry.captures)) == (3, 1, 1)
    assert entry.captures[0].entity_id is None


@pytest.mark.parametrize(
    "spoiled",
    [
        b'{"first":0,"dropped":0,"outcomes":[["x","sold",1.0,null,null,"2026-11-21T00:00:00+00:00"]]}',
        b'{"first":0,"dropped":0,"outcomes":[["01a1fd7b-9508-7000-8000-000000000005","lost",1.0,null,null,"2026-11-21T00:00:00+00:00"]]}',
        b'{"first":0,"dropped":0,"outcomes":[[]]}',
        b'{"first":0,"dropped":0,"outcomes":7}',
        b'{"dropped":0,"outcomes":[]}',
        b'{"first":0,"dropped":0,"outcomes":{}}',
        b'{"first":0,"dropped":0,"outcomes":[[5,"sold",1.0,null,null,"2026-11-21T00:00:00+00:00"]]}',
        b'{"first":0,"dropped":0,"outcomes":[["01a1fd7b-9508-7000-8000-000000000005","sold",1.0,null,null,"2026-11-21"]]}',
        OLD.replace(b'["01a1fd7b-9508-7000-8000-000000000005"]', b"[5]"),
        OLD.replace(b"[1.5]", b'["1.5"]'),
        OLD.replace(b"[1.5]", b"[true]"),
        OLD.replace(b'"first":3', b'"first":"3"'),
        OLD.replace(b'[{"lot_area":7.0}]', b'["lot_area"]'),
        OLD.replace(b'"r-1"', b"7"),
    ],
)
def test_what_is_no_entry_is_read_as_damaged(spoiled: bytes) -> None:
    assert Entry.parse(spoiled) is None


@dataclass(frozen=True)
class Line:
    """A line of a journal file: `houses` (none: an outcome), whether it is damaged, and drops before it."""

    houses: int
    damaged: bool
    drops_before: int


LINES = st.lists(
    st.builds(Line, st.integers(0, 4), st.booleans(), st.sampled_from([0, 0, 0, 1, 5])), max_size=12
)


@settings(deadline=None)
@given(LINES, st.lists(st.integers(0, 12), max_size=3), st.integers(0, 3))
def test_every_house_is_captured_dropped_or_damaged_whatever_outcomes_stand_between(
    lines: list[Line], cuts: list[int], drops_after: int
) -> None:
    payloads, offered, dropped = list[bytes | None](), 0, 0
    for line in lines:
        offered, dropped = offered + line.drops_before, dropped + line.drops_before
        entry = captures(line.houses) if line.houses else entries.encode_outcomes("r", [SOLD])
        payloads.append(None if line.damaged else entries.numbered(entry, offered, dropped))
        offered += line.houses
    header = {"full": dropped + drops_after} if dropped + drops_after else {}

    progress, lost, captured, reported = UNREAD, Counter[str](), 0, 0
    places = [0, *sorted(min(cut, len(lines)) for cut in cuts), len(lines)]
    for start, end in pairwise(places):
        chunk = Chunk(tuple(payloads[start:end]), end, reached_end=end == len(lines))
        move = reconcile(progress, chunk, header, last=False)
        progress, lost, captured = move.progress, lost + move.lost, captured + len(move.captures)
        reported += len(move.outcomes)
    end_ = reconcile(progress, Chunk((), len(lines), reached_end=True), header, last=True)
    lost += end_.lost

    whole = [number for number, line in enumerate(lines) if not line.damaged]
    last_whole = max(whole, default=-1)
    told_by_numbers = sum(line.houses for line in lines[: last_whole + 1] if line.damaged)
    assert captured == sum(lines[number].houses for number in whole)
    assert reported == sum(lines[number].houses == 0 for number in whole)
    assert lost["full"] == dropped + drops_after
    assert lost[DAMAGED] == told_by_numbers + len(lines) - 1 - last_whole
