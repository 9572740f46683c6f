"""What was pruned is quoted nowhere any more; masked fields are told by no document, however old it is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from season import CANDIDATE, DAY, NOW, START, Season, on_one_database
from sqlalchemy import delete, select, update

from shadow.evidence.cycle import EvidenceCycle
from shadow.records import CandidateState, capture_time
from shadow.store import candidates
from shadow.store.database import tables
from shadow.store.retention.prune import PrunedRows, count_before, remove_before
from shadow.store.streams import documents
from shadow.store.streams.documents import DocumentKind, StoredDocument

MakeSeason = Callable[..., Season]
KINDS: tuple[DocumentKind, ...] = ("verdict", "comparison", "evidence", "drift")
MIDDLE = START + 20 * DAY


def look(season: Season, moment: datetime = NOW) -> None:
    assert EvidenceCycle(season.store, season.settings, threading.Event()).run(moment) == 1


def prune(season: Season, before: datetime) -> PrunedRows:
    return remove_before(season.store, before, NOW, pause=lambda _: None)


def everything(season: Season) -> str:
    """Every value of every table, as text."""
    with season.store.reading() as connection:
        return "\n".join(
            repr(row) for table in tables.metadata.sorted_tables for row in connection.execute(select(table))
        )


def old(season: Season, before: datetime) -> list[UUID]:
    return [one.id for one in season.houses if capture_time(one.id) < before]


def quoted(season: Season) -> list[UUID]:
    with season.store.reading() as connection:
        document = documents.get(connection, season.stream.id, "comparison")
        assert document is not None
        return [UUID(row["id"]) for name in ("points", "worst") for row in document.body[name]]


def end(season: Season) -> None:
    """The candidate is removed: nobody makes documents of its stream any more."""
    with season.store.writing() as connection:
        candidates.set_state(connection, CANDIDATE, CandidateState.REMOVED)


@pytest.mark.parametrize("is_over", [False, True])
def test_no_table_says_anything_of_a_house_that_was_pruned(season: Season, *, is_over: bool) -> None:
    look(season)
    if is_over:
        end(season)
    before = everything(season)
    assert any(str(name) in before for name in old(season, MIDDLE))
    prune(season, MIDDLE)
    after = everything(season)
    assert [name for name in old(season, MIDDLE) if str(name) in after or name.hex in after] == []
    entities = {one.capture.entity_id for one in season.houses if capture_time(one.id) >= MIDDLE}
    gone = {one.capture.entity_id for one in season.houses} - entities
    assert not [entity for entity in gone if f"'{entity}'" in after]
    assert all(capture_time(name) >= MIDDLE for name in quoted(season))
    assert quoted(season)


def test_when_everything_is_pruned_no_document_quotes_a_row(season: Season) -> None:
    look(season)
    prune(season, NOW)
    assert quoted(season) == []
    assert season.rows("worst_gaps") == {"worst_gaps": []}
    with season.store.reading() as connection:
        verdict = documents.get(connection, season.stream.id, "verdict")
    assert verdict is not None
    assert verdict.body["state"] == "promote"


def test_rows_that_documents_quote_are_counted_before_and_afterwards(season: Season) -> None:
    look(season)
    rows = sum(capture_time(name) < MIDDLE for name in quoted(season))
    (gaps,) = season.rows("worst_gaps").values()
    expected = rows + sum(
        capture_time(name) < MIDDLE for row in gaps for name in row if isinstance(name, UUID)
    )
    with season.store.reading() as connection:
        assert count_before(connection, MIDDLE).excerpts == expected
    assert prune(season, MIDDLE).excerpts == expected
    with season.store.reading() as connection:
        assert count_before(connection, MIDDLE) == PrunedRows()
    (recorded,) = season.rows("prunings").values()
    assert recorded[0][-1] == expected


def test_what_an_earlier_prune_left_in_documents_goes_with_the_next_one(season: Season) -> None:
    """0.1.0 pruned captures, observations and outcomes alone."""
    look(season)
    with season.store.writing() as connection:
        for table in (tables.captures, tables.observations, tables.outcomes):
            connection.execute(delete(table))
    assert prune(season, NOW).excerpts > 0
    assert quoted(season) == []


def test_a_document_that_was_being_made_while_it_was_pruned_does_not_bring_rows_back(season: Season) -> None:
    look(season)
    with season.store.reading() as connection:
        made_before = documents.get(connection, season.stream.id, "comparison")
    assert made_before is not None
    prune(season, MIDDLE)
    late = EvidenceCycle(season.store, season.settings, threading.Event())
    late._publish(season.stream.id, "comparison", NOW, dict(made_before.body))
    assert quoted(season)
    assert all(capture_time(name) >= MIDDLE for name in quoted(season))


def told(season: Season, *masked: str) -> dict[str, StoredDocument]:
    with season.store.reading() as connection:
        dossier = documents.of_newest_stream(connection, CANDIDATE, KINDS, masked)
        (current,) = documents.of_open_streams(connection, masked) or [None]
        single = documents.get(connection, season.stream.id, "comparison", masked)
    assert dossier is not None
    if current is not None:
        assert current.documents == dossier.documents
    assert single == dossier.documents["comparison"]
    return dict(dossier.documents)


def names(document: Any) -> set[str]:
    """Every key and every text in it."""
    if isinstance(document, dict):
        return set(document).union(*map(names, document.values()))
    if isinstance(document, list):
        return set().union(*map(names, document))
    return {document} if isinstance(document, str) else set()


@on_one_database
@pytest.mark.parametrize("is_over", [False, True])
def test_fields_that_were_masked_after_a_document_was_made_are_not_told_by_it(
    season: Season, *, is_over: bool
) -> None:
    look(season)
    if is_over:
        end(season)
    open_, closed = told(season), told(season, "neighborhood", "year_built", "living_area")
    assert {"neighborhood", "year_built", "age", "living_area"} <= set().union(
        *(names(one.body) for one in open_.values())
    )
    assert not {"neighborhood", "year_built", "age", "living_area"} & set().union(
        *(names(one.body) for one in closed.values())
    )
    assert closed["comparison"].body["worst"][0]["inputs"]
    assert closed["verdict"] == open_["verdict"]


@on_one_database
def test_documents_are_read_whole_where_nothing_is_masked(season: Season) -> None:
    look(season)
    season.write(update(tables.snapshots).values(computed_at=NOW + timedelta(seconds=1)))
    with season.store.reading() as connection:
        stored = {row.kind: row.body for row in connection.execute(select(tables.snapshots))}
    assert {kind: one.body for kind, one in told(season).items()} == stored
