"""`umbra outcomes import`: all of a file or nothing, line by line, and as often as one likes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import func, select

from shadow.ingest.mover import Ingest
from shadow.journal import journal_file
from shadow.journal.recorder import open_recorder
from shadow.outcomes import csv_file
from shadow.outcomes.csv_file import InvalidOutcomeFile, OutcomeFile
from shadow.records import Outcome, OutcomeState, new_capture_ids
from shadow.settings import Settings
from shadow.store import Store, open_store, sources
from shadow.store import outcomes as ledger
from shadow.store.database import tables
from shadow.store.schema import migrate
from umbra.command import main

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
IDS = new_capture_ids(12_000, int(NOW.timestamp() * 1000), 7)
HEADER = "prediction_id,price_dollars,sold_at,state,source"


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    def write(*lines: str) -> Path:
        path = tmp_path / "sales.csv"
        path.write_text("\n".join([HEADER, *lines, ""]), encoding="utf-8")
        return path

    return write


@pytest.fixture
def umbra(settings: Callable[..., Settings]) -> Callable[..., Result]:
    """The command, over the test's data directory."""
    data = settings().data_dir
    data.mkdir(exist_ok=True)

    def run(*arguments: object) -> Result:
        environment = {"UMBRA_DATA_DIR": str(data)}
        return CliRunner().invoke(main, [str(argument) for argument in arguments], env=environment)

    return run


def sales(count: int, price: int = 200_000) -> Iterator[str]:
    for number in range(count):
        yield f"{IDS[number]},{price + number},2026-11-20,," if number % 10 else f"{IDS[number]},,,withdrawn,"


def stored(store: Store) -> int:
    with store.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(tables.outcomes)).scalar_one())


def test_a_file_is_imported_in_entries_and_again_without_effect(
    table: Callable[..., Path], umbra: Callable[..., Result], ingest: Callable[[], Ingest], store: Store
) -> None:
    path = table(*sales(2345))
    result = umbra("outcomes", "import", path, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"file": str(path), "rows": 2345, "sold": 2110, "withdrawn": 235}
    assert sum(iter(ingest().step, 0)) == 2345
    assert stored(store) == 2345
    assert "2,345 outcomes" in umbra("outcomes", "import", path).stdout
    assert sum(iter(ingest().step, 0)) == 2345
    assert stored(store) == 2345
    umbra("outcomes", "import", table(*sales(20, price=1)))
    sum(iter(ingest().step, 0))
    assert stored(store) == 2345 + 18


def test_faults_are_told_by_their_lines_and_nothing_is_imported(
    table: Callable[..., Path], umbra: Callable[..., Result], settings: Callable[..., Settings]
) -> None:
    path = table(
        *sales(3), f"{IDS[4]},cheap,2026-11-20,,", f'{IDS[5]},5,2026-11-20,,"two\nlines"', "x,5,2026"
    )
    result = umbra("outcomes", "import", path)
    assert result.exit_code == 1
    assert "3 faults" in result.stderr
    for words in (
        "line 5: price_dollars: ",
        'got "cheap"',
        "line 6 to line 7: source: ",
        "line 8: expected 5 cells",
    ):
        assert words in result.stderr
    assert list(journal_file.paths(settings().journal_dir)) == []


def test_of_many_faults_the_first_are_told(table: Callable[..., Path], umbra: Callable[..., Result]) -> None:
    result = umbra("outcomes", "import", table(*["x,5,2026-11-20,,"] * 70))
    assert result.exit_code == 1
    assert result.stderr.count("line ") == 50
    assert "and 20 more" in result.stderr


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "line 1: prediction_id"),
        (b"id,price\n", "line 1: id"),
        (HEADER.encode() + b"\n", "at least one outcome"),
        (b"\xef\xbb\xbf" + HEADER.encode() + b"\n", "at least one outcome"),
        (HEADER.encode("utf-16"), "UTF-8"),
        (HEADER.encode() + b",note\n", "line 1: note"),
        (HEADER.encode() + b'\n"', "line 2"),
    ],
)
def test_what_is_no_table_of_outcomes_is_refused(
    tmp_path: Path, umbra: Callable[..., Result], content: bytes, told: str
) -> None:
    path = tmp_path / "other.csv"
    path.write_bytes(content)
    result = umbra("outcomes", "import", path)
    assert result.exit_code == 1
    assert told in result.stderr


def test_without_a_data_directory_nothing_is_written(table: Callable[..., Path], tmp_path: Path) -> None:
    elsewhere = tmp_path / "nowhere"
    environment = {"UMBRA_DATA_DIR": str(elsewhere)}
    result = CliRunner().invoke(main, ["outcomes", "import", str(table(*sales(1)))], env=environment)
    assert result.exit_code == 1
    assert "UMBRA_DATA_DIR" in result.stderr
    assert not elsewhere.exists()


def test_a_file_that_changes_after_it_was_checked_is_not_imported(table: Callable[..., Path]) -> None:
    given = OutcomeFile(table(*sales(3)), NOW)
    assert given.check(lambda _: None) == {OutcomeState.SOLD: 2, OutcomeState.WITHDRAWN: 1}
    table(*sales(2), "x,5,2026-11-20,,")
    with pytest.raises(InvalidOutcomeFile, match=r"nothing was imported.*\n.*stays as it is"):
        list(given.outcomes())


def test_a_file_that_changes_while_it_is_imported_is_reported(table: Callable[..., Path]) -> None:
    given = OutcomeFile(table(*sales(300)), NOW)
    given.check(lambda _: None)
    coming = given.outcomes()
    next(coming)
    table(*sales(200))
    with pytest.raises(InvalidOutcomeFile, match=r"at most its first [0-9]+ outcomes(.|\n)*stays as it is"):
        list(coming)


def test_a_full_journal_is_waited_for_and_nothing_is_lost_or_doubled(
    table: Callable[..., Path], settings: Callable[..., Settings], ingest: Callable[[], Ingest], store: Store
) -> None:
    here, mover = settings(journal_max_bytes=300_000), ingest()
    missed = list[str]()

    def told(_: int, reason: str | None) -> None:
        missed.extend([reason] if reason else [])

    given = OutcomeFile(table(*sales(12_000)), NOW)
    csv_file.append_to_journal(given.outcomes(), lambda: open_recorder(here), told, lambda _: mover.step())
    assert "full" in missed
    sum(iter(mover.step, 0))
    assert stored(store) == 12_000


def test_counts_and_unmatched_ids_are_listed(
    umbra: Callable[..., Result], settings: Callable[..., Settings]
) -> None:
    store = open_store(settings().store)
    migrate(store)
    outcome = Outcome(IDS[0], OutcomeState.SOLD, 5.0, NOW, None, NOW)
    others = [replace(outcome, capture_id=name) for name in IDS[1:30]]
    with store.writing() as connection:
        ledger.insert(connection, sources.lock(connection, "here", NOW), [outcome, *others], NOW)
    store.close()
    said = umbra("outcomes").stdout
    assert "30 unmatched" in said
    assert said.count("unmatched: ") == 20
    listed = json.loads(umbra("outcomes", "--limit", 3, "--json").stdout)
    assert listed.pop("unmatched_ids") == [str(name) for name in IDS[29:26:-1]]
    assert listed == {"matched": 0, "sold": 0, "withdrawn": 0, "unmatched": 30, "corrections": 0}
    assert "30 unmatched" in umbra("status").stdout
    assert json.loads(umbra("status", "--json").stdout)["outcomes"]["unmatched"] == 30
