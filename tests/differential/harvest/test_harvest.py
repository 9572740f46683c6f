"""The houses that are harvested cover what was asked, hold the hardest, and say nothing that is masked."""

from __future__ import annotations

import json
import random
import tracemalloc
from collections import Counter
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import event

from differential_tests import questions
from differential_tests.cli import cli
from differential_tests.questions import Question
from differential_tests.questions.harvest import FAULTS, NoStore, configured_mask, harvest_questions
from differential_tests.questions.harvest.masking import UnknownField
from model_package.schema import EXAMPLE, FIELDS, Row
from shadow.settings import InvalidSetting, sqlite_url
from shadow.store import Store, open_store
from shadow.store import harvest as stored
from shadow.store.schema import migrate

on_one_database = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


def features(rows: list[Row]) -> Counter[Any]:
    """Codes, fields and pairs of fields without a value, least and largest values."""
    counts: Counter[Any] = Counter()
    for row in rows:
        nulls = [name for name, value in row.items() if value is None]
        counts.update([(name, value) for name, value in row.items() if isinstance(value, str)])
        counts.update([*nulls, *combinations(nulls, 2)])
    for field in FIELDS:
        if field.kind != "category":
            values = [row[field.name] for row in rows if row[field.name] is not None]
            counts.update([(field.name, "least", min(values)), (field.name, "most", max(values))])
    return counts


def rows_of(harvested: list[Question]) -> list[Row]:
    return [dict(question.row or {}) for question in harvested]


def test_everything_that_was_asked_is_in_some_of_the_houses(filled: Store, asked: Any) -> None:
    harvested = harvest_questions(filled.url, limit=300)
    assert len(harvested) == 300
    assert set(features(asked.rows)) - set(features(rows_of(harvested))) == set()
    # A planted fault: of houses taken as they come, as many do not have everything.
    assert set(features(asked.rows)) - set(features(asked.rows[-300:]))


@on_one_database
def test_every_tenth_of_a_number_is_there(filled: Store, asked: Any) -> None:
    areas = sorted(float(row["living_area"]) for row in asked.rows)
    harvested = [float(row["living_area"]) for row in rows_of(harvest_questions(filled.url, limit=200))]
    for low, high in zip(range(0, 800, 80), range(79, 800, 80), strict=True):
        assert any(areas[low] <= area <= areas[high] for area in harvested)


def test_the_hardest_disagreements_and_a_failure_of_every_reason_are_there(filled: Store, asked: Any) -> None:
    rows = rows_of(harvest_questions(filled.url, limit=75))
    assert all(row in rows for row in asked.far)
    assert all(any(row in rows for row in rows) for rows in asked.failed.values())


def test_the_largest_differences_come_first_and_each_house_once(filled: Store, asked: Any) -> None:
    with filled.reading() as connection:
        apart = list(stored.largest_gaps(connection, 8))
        failed = list(stored.failed(connection, 3))
    different = [row for row in asked.far if row in apart]
    assert len(apart) == 8
    assert apart == sorted(apart, key=asked.rows.index)
    assert different == asked.far[: len(different)]
    assert len(failed) == 3
    assert all(any(row in rows for row in failed) for rows in asked.failed.values())


def test_no_house_is_there_twice_and_ids_are_unique(filled: Store) -> None:
    harvested = harvest_questions(filled.url, limit=2000)
    assert len(harvested) == 800
    assert len({question.id for question in harvested}) == 800
    assert {question.kind for question in harvested} == {"harvested"}
    assert all(question.segment == (question.row or {})["neighborhood"] for question in harvested)


def test_the_same_houses_give_the_same_questions_however_they_came(
    filled: Store, asked: Any, put: Callable[..., None], tmp_path: Path
) -> None:
    other = open_store(sqlite_url(tmp_path / "other.db"))
    migrate(other)
    order = [*range(800), *(list(range(40)) * 3)]
    random.Random(1).shuffle(order)
    put(other, asked, order)
    other.close()
    assert (
        harvest_questions(other.url, limit=300)
        == harvest_questions(filled.url, limit=300)
        == harvest_questions(filled.url, limit=300)
    )


def test_masked_fields_and_entities_never_leave_the_store(
    store: Store, asked: Any, put: Callable[..., None], tmp_path: Path
) -> None:
    marked = [row | {"lot_area": 123_456.5 + n} for n, row in enumerate(asked.rows[:300])]
    put(store, type(asked)(marked, [], {}), range(300), extra=[marked[0] | {"owner": "somebody"}])
    harvested = harvest_questions(store.url, limit=500, masked={"lot_area", "neighborhood"})
    path = tmp_path / "corpus.jsonl"
    questions.write(path, harvested)
    text = path.read_text()
    assert len(harvested) == 300
    assert not any(secret in text for secret in ("123456", "1235", "listing", "owner", "somebody", "request"))
    assert {row["lot_area"] for row in rows_of(harvested)} == {EXAMPLE["lot_area"]}
    assert {row["neighborhood"] for row in rows_of(harvested)} == {EXAMPLE["neighborhood"]}
    assert {question.segment for question in harvested} == {""}
    assert all(question.id.startswith("harvested-masked-") for question in harvested)
    # The fault that this would find: without a mask they are there.
    assert "123456" in json.dumps(rows_of(harvest_questions(store.url, limit=500)))


@on_one_database
def test_a_mask_of_a_field_that_is_none_is_refused(filled: Store) -> None:
    with pytest.raises(UnknownField, match="'lot_aera' is no field of a house"):
        harvest_questions(filled.url, masked={"lot_aera"})


def test_the_mask_is_the_one_that_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UMBRA_MASKED_FIELDS", "lot_area, year_sold")
    assert configured_mask() == {"lot_area", "year_sold"}
    monkeypatch.setenv("UMBRA_MASKED_FIELDS", "lot_aera")
    with pytest.raises(InvalidSetting, match="lot_aera"):
        configured_mask()


@on_one_database
def test_harvested_again_nothing_is_added_and_nothing_is_moved(filled: Store, tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    questions.write(path, harvest_questions(filled.url, limit=100))
    first = path.read_bytes()
    questions.write(path, harvest_questions(filled.url, limit=100, existing=list(questions.read(path))))
    assert path.read_bytes() == first
    more = harvest_questions(filled.url, limit=150, existing=list(questions.read(path)))
    assert more[:100] == list(questions.read(path))
    assert len(more) > 100
    assert len({question.id for question in more}) == len(more)


@on_one_database
def test_what_is_in_the_corpus_under_another_name_is_not_added(filled: Store) -> None:
    harvested = harvest_questions(filled.url, limit=50)
    renamed = Question("mine", "ordinary", "", dict(reversed((harvested[0].row or {}).items())))
    edited = Question(harvested[1].id, "harvested", "", {**(harvested[1].row or {}), "rooms": 60})
    malformed = Question("bad", "malformed", body="{")
    merged = harvest_questions(filled.url, limit=50, existing=[renamed, edited, malformed])
    assert merged[:3] == [renamed, edited, malformed]
    assert merged[3:] == harvested[2:]


@on_one_database
def test_houses_of_an_older_schema_are_asked_as_todays_or_not_at_all(
    store: Store, put: Callable[..., None]
) -> None:
    now = dict(EXAMPLE)
    lacks = {name: value for name, value in now.items() if name != "living_area"}
    fewer = {name: value for name, value in now.items() if name != "lot_frontage"}
    put(store, type("Nothing", (), {"rows": []})(), [], extra=[now, lacks, fewer, now | {"colour": "red"}])
    rows = rows_of(harvest_questions(store.url))
    assert len(rows) == 2
    assert all(row in rows for row in (now, fewer | {"lot_frontage": None}))


def test_an_empty_store_gives_what_was_there(store: Store) -> None:
    known = [Question("mine", "ordinary", "", dict(EXAMPLE))]
    assert harvest_questions(store.url) == []
    assert harvest_questions(store.url, existing=known) == known


def test_a_data_directory_is_a_store_and_one_without_is_none(tmp_path: Path) -> None:
    with pytest.raises(NoStore, match="no store is there"):
        harvest_questions(str(tmp_path))
    assert not list(tmp_path.iterdir())
    opened = open_store(sqlite_url(tmp_path / "umbra.db"))
    migrate(opened)
    opened.close()
    assert harvest_questions(str(tmp_path)) == []


def test_reading_holds_a_page_and_not_the_table(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "AT_ONCE", 50)

    def peak(read: Callable[[Any], object]) -> int:
        with filled.reading() as connection:
            tracemalloc.start()
            held = read(stored.newest(connection, 2000))
            most = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            del held
        return most

    assert peak(lambda rows: sum(1 for _ in rows)) < peak(list) / 5


@pytest.mark.parametrize("store_url", ["postgres"], indirect=True)
def test_postgres_sends_the_table_page_by_page(filled: Store) -> None:
    names = []
    event.listen(filled._engine, "after_cursor_execute", lambda _, cursor, *__: names.append(cursor.name))
    with filled.reading() as connection:
        next(iter(stored.newest(connection, 800)))
        next(iter(stored.largest_gaps(connection, 800)))
    assert sum(name is not None for name in names) == 2  # those of a cursor in the server


@on_one_database
def test_the_command_adds_to_the_corpus_what_is_new(filled: Store, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.jsonl"
    command = ["harvest", filled.url, "-o", str(corpus), "--limit", "50", "--mask", "lot_area"]
    first, second = (CliRunner().invoke(cli, command, standalone_mode=False) for _ in range(2))
    assert "50 questions more, 50 in all" in first.output
    assert "0 questions more, 50 in all" in second.output
    assert {row["lot_area"] for row in rows_of(list(questions.read(corpus)))} == {EXAMPLE["lot_area"]}


@pytest.mark.parametrize(
    ("store", "words"),
    [
        ("postgresql://umbra:secret@127.0.0.1:1/umbra", "onnection"),
        ("mysql://umbra:secret@127.0.0.1/umbra", "expected postgresql://"),
        ("sqlite:////nowhere/umbra.db", "no store is there"),
    ],
)
def test_a_store_that_cannot_be_read_is_a_fault_without_a_secret(store: str, words: str) -> None:
    with pytest.raises(FAULTS, match=words) as raised:
        harvest_questions(store)
    assert "secret" not in str(raised.value)
