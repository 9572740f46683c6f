"""From the journal into the ledger of outcomes: each once, corrections beside it, the newest in force."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select

from model_package.reference import ModelRef
from shadow.ingest.mover import Ingest
from shadow.journal import journal_file
from shadow.journal.recorder import Recorder, open_recorder
from shadow.records import Outcome, OutcomeState, new_capture_ids
from shadow.settings import Settings
from shadow.store import Store, sources
from shadow.store import outcomes as ledger
from shadow.store.database import tables

MakeIngest = Callable[[], Ingest]
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
IDS = new_capture_ids(40, int((NOW - timedelta(days=10)).timestamp() * 1000), 7)


def sold(name: UUID, dollars: float = 200_000.0, minutes: float = 0) -> Outcome:
    moment = NOW + timedelta(minutes=minutes)
    return Outcome(name, OutcomeState.SOLD, dollars, NOW - timedelta(days=1), "registry", moment)


def withdrawn(name: UUID, minutes: float = 0) -> Outcome:
    return Outcome(name, OutcomeState.WITHDRAWN, None, None, None, NOW + timedelta(minutes=minutes))


def insert(store: Store, *reported: Outcome, at: datetime = NOW, directory: str = "here") -> int:
    """Store reports as ingest does; gives how many were new."""
    with store.writing() as connection:
        source = sources.lock(connection, directory, at)
        last = ledger.insert(connection, source, reported, at)
        sources.advance(connection, source, source.last_seq, last)
    return last - source.last_outcome_seq


def in_force(store: Store, name: UUID, as_of: datetime | None = None) -> float | None:
    with store.reading() as connection:
        found = ledger.in_force(connection, [name], as_of)
    return found[name].price_dollars if name in found else None


def rows(store: Store) -> list[tuple[int, UUID, float | None]]:
    table = tables.outcomes.c
    with store.reading() as connection:
        found = connection.execute(
            select(table.seq, table.capture_id, table.price_dollars).order_by(table.seq)
        )
        return [(seq, name, dollars) for seq, name, dollars in found]


def counts(store: Store) -> dict[str, int]:
    with store.reading() as connection:
        return ledger.counts(connection).by_name()


@pytest.fixture
def recorder(settings: Callable[..., Settings]) -> Recorder:
    return open_recorder(settings())


# -- the ledger


def test_an_outcome_is_stored_to_the_bit_with_what_it_took(store: Store) -> None:
    odd = replace(sold(IDS[0], 123456.78900000001), reported_by="Müller\\t; \N{HOUSE BUILDING}")
    assert insert(store, odd, withdrawn(IDS[1]), at=NOW + timedelta(seconds=9)) == 2
    with store.reading() as connection:
        told = ledger.history(connection, IDS)
        delays = connection.execute(select(tables.outcomes.c.delay_seconds)).scalars().all()
    assert told[IDS[0]] == [replace(odd, recorded_at=NOW + timedelta(seconds=9))]
    assert told[IDS[1]][0].state is OutcomeState.WITHDRAWN
    assert delays == [10 * 86_400.0] * 2


def test_what_is_in_force_already_is_not_stored_again(store: Store) -> None:
    assert insert(store, sold(IDS[0]), sold(IDS[0], minutes=1), withdrawn(IDS[1])) == 2
    assert insert(store, sold(IDS[0], minutes=2), withdrawn(IDS[1], minutes=2)) == 0
    assert insert(store, sold(IDS[0], minutes=3), directory="elsewhere") == 0
    assert [seq for seq, *_ in rows(store)] == [1, 2]


def test_a_correction_is_added_and_comes_into_force_and_so_does_taking_it_back(store: Store) -> None:
    insert(store, sold(IDS[0], 1.0))
    assert insert(store, sold(IDS[0], 2.0, minutes=1)) == 1
    assert in_force(store, IDS[0]) == 2.0
    assert insert(store, sold(IDS[0], 1.0, minutes=2)) == 1
    assert in_force(store, IDS[0]) == 1.0
    assert insert(store, withdrawn(IDS[0], minutes=3)) == 1
    assert in_force(store, IDS[0]) is None
    assert [dollars for *_, dollars in rows(store)] == [1.0, 2.0, 1.0, None]


def test_of_several_sources_the_newest_report_is_in_force_in_whatever_order_they_are_stored(
    store: Store,
) -> None:
    for number, order in enumerate(permutations((1.0, 2.0, 3.0))):
        for dollars in order:
            insert(store, sold(IDS[number], dollars, minutes=dollars), directory=f"host {dollars}")
        assert in_force(store, IDS[number]) == 3.0


def test_a_correction_is_in_force_when_the_clock_of_its_source_went_back(store: Store) -> None:
    people = IDS[0], IDS[1]
    for name in people:
        insert(store, sold(name, 1.0))
        earlier = NOW - timedelta(hours=1)
        assert insert(store, sold(name, 2.0, minutes=-60), at=earlier) == 1
        assert in_force(store, name) == 2.0
        assert insert(store, sold(name, 2.0, minutes=-59), at=earlier) == 0
    insert(store, withdrawn(IDS[1], minutes=-58), at=NOW - timedelta(minutes=58))
    assert in_force(store, IDS[1]) is None
    assert [dollars for *_, dollars in rows(store)] == [1.0, 2.0, 1.0, 2.0, None]


def test_a_report_that_comes_while_the_clock_is_back_does_not_outlive_a_later_one_of_another_source(
    store: Store,
) -> None:
    insert(store, sold(IDS[0], 1.0))
    insert(store, sold(IDS[0], 2.0, minutes=-60))
    insert(store, sold(IDS[0], 3.0, minutes=-1), directory="another host")
    assert in_force(store, IDS[0]) == 2.0
    insert(store, sold(IDS[0], 4.0, minutes=1), directory="another host")
    assert in_force(store, IDS[0]) == 4.0


def test_withdrawn_houses_are_counted_by_the_last_report_whatever_the_clock_said(
    asker, ingest: MakeIngest, store: Store
) -> None:
    people = asker()
    people.ask(2)
    ingest().step()
    first, second = map(UUID, people.kept)
    insert(store, sold(first), withdrawn(second))
    insert(store, withdrawn(first, minutes=-60), sold(second, minutes=-60))
    assert counts(store) == facts(matched=2, sold=1, withdrawn=1, corrections=2)
    found = store.prediction(first)
    assert found is not None
    assert [one.price_dollars for one in found.outcomes] == [None, 200_000.0]


def test_the_order_of_a_journal_file_is_kept_when_the_clock_went_back(
    recorder: Recorder, ingest: MakeIngest, store: Store
) -> None:
    recorder.record_outcomes("r", [sold(IDS[0], 1.0)])
    recorder.record_outcomes("r", [sold(IDS[0], 2.0, minutes=-60)])
    assert ingest().step() == 2
    assert in_force(store, IDS[0]) == 2.0


def test_a_report_that_is_in_the_ledger_is_not_added_by_reading_it_again(store: Store) -> None:
    history = [sold(IDS[0], 1.0), sold(IDS[0], 2.0, minutes=1)]
    assert insert(store, *history) == 2
    assert insert(store, *history) == 0


def test_of_two_reports_of_one_moment_the_later_row_is_in_force(store: Store) -> None:
    assert insert(store, sold(IDS[0], 1.0), sold(IDS[0], 2.0)) == 2
    assert in_force(store, IDS[0]) == 2.0


def test_as_of_an_earlier_moment_the_store_knows_what_it_knew(store: Store) -> None:
    insert(store, sold(IDS[0], 1.0), at=NOW)
    insert(store, sold(IDS[0], 2.0, minutes=1), at=NOW + timedelta(hours=1))
    assert in_force(store, IDS[0], NOW - timedelta(seconds=1)) is None
    assert in_force(store, IDS[0], NOW + timedelta(minutes=59)) == 1.0
    assert in_force(store, IDS[0], NOW + timedelta(hours=1)) == 2.0


def test_a_report_from_a_host_whose_clock_is_behind_took_no_time(store: Store) -> None:
    (name,) = new_capture_ids(1, int((NOW + timedelta(seconds=5)).timestamp() * 1000), 7)
    insert(store, sold(name))
    with store.reading() as connection:
        assert connection.execute(select(tables.outcomes.c.delay_seconds)).scalar_one() == 0.0


def test_many_are_looked_up_at_once(store: Store) -> None:
    names = new_capture_ids(2500, int(NOW.timestamp() * 1000), 9)
    assert insert(store, *map(sold, names)) == 2500
    assert insert(store, *map(sold, names)) == 0
    with store.reading() as connection:
        assert len(ledger.in_force(connection, names)) == 2500


# -- through the journal


def test_outcomes_and_captures_are_moved_together_and_numbered_apart(
    asker, recorder: Recorder, ingest: MakeIngest, store: Store
) -> None:
    people = asker()
    people.ask(2)
    assert recorder.record_outcomes("r", [sold(IDS[0]), sold(IDS[1])]).is_kept
    assert people.recorder.record_outcomes("r", [withdrawn(IDS[2])]).is_kept
    people.ask(3)
    mover = ingest()
    assert mover.step() == 8
    assert mover.step() == 0
    assert {name for _, name, _ in rows(store)} == set(IDS[:3])
    assert [seq for seq, *_ in rows(store)] == [1, 2, 3]
    with store.reading() as connection:
        (source,) = connection.execute(select(tables.sources)).all()
    assert (source.last_seq, source.last_outcome_seq) == (5, 3)


def test_reading_again_after_a_restart_stores_nothing_twice(
    recorder: Recorder, ingest: MakeIngest, store: Store
) -> None:
    reported = [sold(IDS[0], 1.0), sold(IDS[0], 2.0, minutes=1), sold(IDS[1])]
    recorder.record_outcomes("r", reported)
    assert ingest().step() == 3
    assert ingest().step() == 0
    recorder.record_outcomes("r", reported)
    assert ingest().step() == 3
    assert len(rows(store)) == 3


def test_a_transaction_that_fails_leaves_everything_to_be_done_again(
    asker, recorder: Recorder, ingest: MakeIngest, store: Store
) -> None:
    people = asker()
    people.ask(2)
    recorder.record_outcomes("r", [sold(IDS[0])])
    mover = ingest()
    for table in ("outcomes", "segments"):
        with store.writing() as connection:
            connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO elsewhere")
        with pytest.raises(Exception, match=table):
            mover.step()
        with store.writing() as connection:
            connection.exec_driver_sql(f"ALTER TABLE elsewhere RENAME TO {table}")
        assert rows(store) == []
    assert mover.step() == 3
    assert len(rows(store)) == 1
    assert all(store.prediction(UUID(name)) for name in people.kept)


def test_an_id_that_nobody_knows_is_kept_until_its_house_arrives(
    asker, recorder: Recorder, ingest: MakeIngest, store: Store
) -> None:
    people = asker()
    people.ask(2)
    first, second = sorted(map(UUID, people.kept))
    recorder.record_outcomes("r", [sold(first), withdrawn(second), sold(IDS[0])])
    insert(store, sold(IDS[1]), directory="another host")
    assert counts(store) == facts(unmatched=1)
    ingest().step()
    assert counts(store) == facts(matched=2, sold=1, withdrawn=1, unmatched=2)
    with store.reading() as connection:
        assert ledger.unmatched(connection, 10) == [IDS[1], IDS[0]]
        assert len(ledger.unmatched(connection, 1)) == 1
    recorder.record_outcomes("r", [sold(first, 5.0, minutes=1)])
    ingest().step()
    assert counts(store) == facts(matched=2, sold=1, withdrawn=1, unmatched=2, corrections=1)
    insert(store, sold(second, 5.0, minutes=-1), directory="another host")  # older than what is in force
    assert counts(store) == facts(matched=2, sold=1, withdrawn=1, unmatched=2, corrections=2)
    insert(store, sold(second, 5.0, minutes=1), directory="another host")
    assert counts(store) == facts(matched=2, sold=2, unmatched=2, corrections=3)
    found = store.prediction(first)
    assert found is not None
    assert [one.price_dollars for one in found.outcomes] == [5.0, 200_000.0]


def facts(**known: int) -> dict[str, int]:
    return dict.fromkeys(("matched", "sold", "withdrawn", "unmatched", "corrections"), 0) | known


def test_an_outcome_that_was_there_first_is_matched_by_its_capture(
    asker, ingest: MakeIngest, store: Store
) -> None:
    people = asker()
    people.ask(1)
    (name,) = map(UUID, people.kept)
    insert(store, sold(name), directory="another host")
    assert counts(store) == facts(unmatched=1)
    ingest().step()
    assert counts(store) == facts(matched=1, sold=1)


def test_the_oldest_entry_that_waits_may_be_an_outcome(recorder: Recorder, ingest: MakeIngest) -> None:
    mover = ingest()
    assert mover.oldest_waiting() is None
    recorder.record_outcomes("r", [sold(IDS[0], minutes=3), sold(IDS[1])])
    assert mover.oldest_waiting() == NOW + timedelta(minutes=3)


def test_an_entity_is_stored_with_its_capture(recorder: Recorder, ingest: MakeIngest, store: Store) -> None:
    names = new_capture_ids(2, time.time_ns() // 1_000_000, random.Random(3).getrandbits(74))
    recorder.record(
        request_id="r",
        live=ModelRef("linear", "1"),
        capture_ids=names,
        rows=[{}, {}],
        dollars=[1.0, 2.0],
        entities=[None, "a-1"],
    )
    ingest().step()
    found = [store.prediction(name) for name in names]
    assert [one.capture.entity_id for one in found if one] == [None, "a-1"]


def test_a_segment_of_the_version_before_is_read(
    asker, ingest: MakeIngest, store: Store, settings: Callable[..., Settings]
) -> None:
    people = asker()
    people.ask(2)
    people.recorder.close()
    (path,) = journal_file.paths(settings().journal_dir)
    rewrite_header(path, 1)
    assert ingest().step() == 2
    assert not path.exists()


def rewrite_header(path: Path, version: int) -> None:
    header = b'{"format":"umbra-journal","version":%d,"dropped":{}}' % version
    content = path.read_bytes()
    path.write_bytes(
        journal_file.frame(header.ljust(journal_file.HEADER_BYTES - 10))
        + content[journal_file.HEADER_BYTES :]
    )
