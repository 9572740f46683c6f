"""Files of the journal that are in the way: the others go on, each is counted and named, none ends ingest."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from shadow import status as whole
from shadow.ingest.mover import Ingest
from shadow.journal import journal_file, refused, stored_files
from shadow.processes.heartbeat import Heartbeat
from shadow.records import Outcome, OutcomeState, new_capture_ids
from shadow.settings import Settings
from shadow.source.identity import directory_id
from shadow.source.ownership import SourceOwnedElsewhere, SourceOwnership
from shadow.store import Store, ledger, open_store, outcomes, sources
from shadow.store.database.tables import captures, segments
from shadow.store.schema import migrate
from shadow.worker.collectors import JournalCollector

MakeIngest = Callable[[], Ingest]
MakeSettings = Callable[..., Settings]
NAME = "00000000000001-unreadable"


def empty(ingest: Ingest) -> int:
    moved = 0
    while step := ingest.step():
        moved += step
    return moved


def stored(store: Store) -> set[str]:
    with store.reading() as connection:
        rows = connection.execute(select(captures.c.id)).scalars().all()
    return {str(name) for name in rows}


def dropped(store: Store) -> dict[str, int]:
    with store.reading() as connection:
        intake = ledger.intake(connection)
    assert intake.balances
    return intake.dropped


def gather(make: MakeSettings, store: Store) -> whole.Status:
    return whole.gather(make(store_url=store.url), datetime.now(UTC))


def a_directory(path: Path) -> None:
    path.mkdir()


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def a_link_to_nothing(path: Path) -> None:
    path.symlink_to("nowhere")


def a_link_to_a_device_without_end(path: Path) -> None:
    path.symlink_to("/dev/zero")


NO_JOURNAL_FILES = [a_directory, a_pipe, a_link_to_itself, a_link_to_nothing, a_link_to_a_device_without_end]


@pytest.mark.parametrize("make", NO_JOURNAL_FILES)
def test_what_is_no_journal_file_keeps_no_other_file_waiting_and_is_named(
    asker, ingest: MakeIngest, store: Store, settings: MakeSettings, run_umbra, make: Callable[[Path], None]
) -> None:
    people, mover = asker(), ingest()
    people.ask(1)
    path = journal_file.path_of(settings().journal_dir, NAME)
    make(path)
    people.ask(2)
    assert empty(mover) == 3
    assert stored(store) == people.kept.keys()
    assert list(mover.held_up) == [NAME]
    mover.sync()
    state = gather(settings, store)
    assert list(state.journal.held_up) == [NAME]
    assert not state.is_healthy
    told = run_umbra("status")
    assert told.exit_code == 1
    assert NAME in told.output
    assert JournalCollector(settings())()["umbra_journal_held_up_files"] == 1
    assert dropped(store) == {}
    path.rmdir() if path.is_dir() else path.unlink()
    people.ask(1)
    assert empty(mover) == 1
    assert mover.held_up == {}
    assert gather(settings, store).is_healthy


@pytest.mark.parametrize("make", NO_JOURNAL_FILES)
def test_what_is_no_journal_file_costs_a_new_writer_no_row_and_is_in_the_way_of_no_finished_file(
    asker, ingest: MakeIngest, store: Store, settings: MakeSettings, make: Callable[[Path], None]
) -> None:
    folder = settings().journal_dir
    (folder / stored_files.DIRECTORY).mkdir(parents=True)
    make(journal_file.path_of(folder, NAME))
    make(journal_file.path_of(folder / stored_files.DIRECTORY, NAME))
    people, mover = asker(), ingest()
    people.ask(2)  # the first entry of a writer has it look at how large the journal is
    people.recorder.close()
    assert empty(mover) == 2
    assert stored(store) == people.kept.keys()
    assert list(mover.held_up) == [NAME]
    assert len(stored_files.paths(folder)) == 2


def test_a_file_with_a_name_that_the_store_cannot_hold_keeps_no_other_file_waiting(
    asker, ingest: MakeIngest, store: Store, settings: MakeSettings
) -> None:
    people, mover = asker(), ingest()
    people.ask(2)
    (path,) = journal_file.paths(settings().journal_dir)
    (path.with_name(f"{'0' * 70}.journal")).write_bytes(b"")
    empty(mover)
    assert stored(store) == people.kept.keys()


def test_a_finished_file_that_cannot_be_moved_away_keeps_no_other_file_waiting(
    asker, ingest: MakeIngest, store: Store, settings: MakeSettings
) -> None:
    ended, people, mover = asker(), asker(), ingest()
    ended.ask(1)
    ended.recorder.close()
    (settings().journal_dir / "stored").write_text("no directory")
    people.ask(1)
    empty(mover)
    people.ask(1)
    empty(mover)
    assert stored(store) == ended.kept.keys() | people.kept.keys()
    assert len(mover.held_up) == 1
    (settings().journal_dir / "stored").unlink()
    again = ingest()
    empty(again)
    assert again.held_up == {}
    assert len(stored_files.paths(settings().journal_dir)) == 1


def test_an_unreadable_file_is_said_by_ingest_also_to_whoever_may_read_it(
    asker, ingest: MakeIngest, store: Store, settings: MakeSettings
) -> None:
    people = asker()
    people.ask(1)
    empty(ingest())
    heartbeat = Heartbeat(settings().run_dir, "ingest", datetime.now(UTC))
    heartbeat.report(held_up={NAME: "Permission denied"}, moved_at=0.0)
    assert gather(settings, store).journal.held_up == {NAME: "Permission denied"}
    heartbeat.close()


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that every user may enter; pytest's own are for one user."""
    directory = Path(tempfile.mkdtemp(prefix="umbra-open-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


_IMPORT_AS_NOBODY = """
import sys, os
from umbra.command import main; from umbra.commands import outcomes
os.setgid(65534), os.setuid(65534)
main(["outcomes", "import", sys.argv[1]])
"""
_AS_NOBODY = """
import sys, os
from pathlib import Path
from datetime import UTC, datetime
from monitoring import metrics
from shadow.ingest.mover import Ingest
from shadow.store import open_store
store = open_store(sys.argv[2])
store.candidates()  # imports what only root may read here
store.close()
os.setgid(65534), os.setuid(65534)
data = Path(sys.argv[1])
ingest = Ingest(store, data / "journal", "here", 1 << 20, metrics.shadowing(None),
                lambda: datetime.now(UTC))
moved = ingest.step()
print(moved, sorted(ingest.held_up), [file.reason for file in ingest.held_up.values()])
"""


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to give files to others")
def test_a_file_of_another_user_keeps_no_other_file_waiting(asker, open_directory: Path) -> None:
    data = open_directory / "data"
    theirs = asker(data_dir=data)
    theirs.ask(1)
    theirs.recorder.close()
    (foreign,) = journal_file.paths(data / "journal")
    people = asker(data_dir=data)
    people.ask(2)
    store = open_store(f"sqlite:///{open_directory / 'umbra.db'}")
    migrate(store)
    store.close()
    for path in (open_directory, *open_directory.rglob("*")):
        os.chown(path, 65534, 65534)
    os.chown(foreign, 0, 0)
    foreign.chmod(0o600)
    result = subprocess.run(
        [sys.executable, "-c", _AS_NOBODY, str(data), store.url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.stdout.splitlines() == [f"2 ['{journal_file.name_of(foreign)}'] ['Permission denied']"], (
        result.stderr
    )
    assert stored(store) == people.kept.keys()


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to give files to others")
def test_what_root_imports_belongs_to_the_owner_of_the_journal(
    asker, store: Store, settings: MakeSettings, run_umbra, tmp_path: Path
) -> None:
    people = asker()
    people.ask(1)
    people.recorder.close()
    directory = settings().journal_dir
    for path in (directory, *directory.iterdir()):
        os.chown(path, 65534, 65534)
    (name,) = people.kept
    file = tmp_path / "sales.csv"
    file.write_text(f"prediction_id,price_dollars,sold_at\n{name},200000,2026-11-20\n")
    assert run_umbra("outcomes", "import", str(file)).exit_code == 0
    assert {path.stat().st_uid for path in directory.iterdir()} == {65534}


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to run as others")
def test_an_import_by_somebody_else_is_refused_with_whom_to_run_as(asker, open_directory: Path) -> None:
    asker(data_dir=open_directory).ask(1)
    file = open_directory / "sales.csv"
    file.write_text("prediction_id,price_dollars,sold_at\n")
    result = subprocess.run(
        [sys.executable, "-c", _IMPORT_AS_NOBODY, str(file)],
        env={**os.environ, "UMBRA_DATA_DIR": str(open_directory)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (result.returncode, "run as root" in result.stderr) == (1, True), result.stderr


def test_the_age_of_the_oldest_entry_is_read_from_the_disk_whoever_runs(
    asker, ingest: MakeIngest, settings: MakeSettings
) -> None:
    assert JournalCollector(settings())()["umbra_journal_oldest_entry_age_seconds"] == 0
    people = asker()
    people.ask_at(datetime.now(UTC) - timedelta(minutes=10))
    assert JournalCollector(settings())()["umbra_journal_oldest_entry_age_seconds"] >= 600
    empty(ingest())
    assert JournalCollector(settings())()["umbra_journal_oldest_entry_age_seconds"] == 0
    people.ask_at(datetime.now(UTC) - timedelta(minutes=5))
    assert 300 <= JournalCollector(settings())()["umbra_journal_oldest_entry_age_seconds"] < 600


def test_captures_that_wait_for_long_while_nothing_moves_are_no_good_state(
    asker, store: Store, settings: MakeSettings, run_umbra
) -> None:
    people = asker()
    people.ask_at(datetime.now(UTC) - timedelta(minutes=10))
    directory_id(settings().data_dir)
    state = gather(settings, store)
    assert any("ingest moves none" in trouble for trouble in state.troubles)
    assert not state.is_healthy
    assert "ingest moves none" in run_umbra("status").output
    heartbeat = Heartbeat(settings().run_dir, "ingest", datetime.now(UTC))
    heartbeat.report(moved_at=datetime.now(UTC).timestamp())
    assert gather(settings, store).is_healthy
    heartbeat.close()


# -- rows that the store refuses


class Refusal:
    """The store refuses captures of one request, or outcomes of one source, until it is mended."""

    def __init__(self, store: Store, request_id: str, source: str = "nobody") -> None:
        self._store = store
        self._is_sqlite = store.url.startswith("sqlite")
        rules = (("captures", "request_id", request_id), ("outcomes", "reported_by", source))
        with store.writing() as connection:
            for table, column, value in rules:
                connection.exec_driver_sql(
                    f"CREATE TRIGGER refuse_{table} BEFORE INSERT ON {table} WHEN NEW.{column} = '{value}'"
                    " BEGIN SELECT RAISE(ABORT, 'refused'); END"
                    if self._is_sqlite
                    else f"ALTER TABLE {table} ADD CONSTRAINT refuse_{table} CHECK ({column} <> '{value}')"
                )

    def mend(self) -> None:
        with self._store.writing() as connection:
            for table in ("captures", "outcomes"):
                connection.exec_driver_sql(
                    f"DROP TRIGGER refuse_{table}"
                    if self._is_sqlite
                    else f"ALTER TABLE {table} DROP CONSTRAINT refuse_{table}"
                )


def test_of_a_file_only_the_rows_that_the_store_refuses_are_set_aside_and_they_come_back_once_it_is_mended(
    asker, ingest: MakeIngest, store: Store, settings: MakeSettings, run_umbra
) -> None:
    people, mover = asker(), ingest()
    for houses in (1, 3, 1, 20):
        people.ask(houses)
    refusal = Refusal(store, "request-1")
    empty(mover)
    assert len(stored(store)) == 22
    assert dropped(store) == {"refused": 3}
    (path,) = refused.paths(settings().journal_dir)
    assert refused.count(path).captures == 3
    told = run_umbra("status")
    assert told.exit_code == 0
    assert "3 (refused)" in told.output
    people.recorder.close()
    later = asker()
    later.ask(2)
    empty(mover)
    assert later.kept.keys() <= stored(store)
    refusal.mend()
    assert run_umbra("journal", "put-back").exit_code == 0
    empty(mover)
    assert stored(store) == people.kept.keys() | later.kept.keys()
    assert dropped(store) == {}
    assert refused.paths(settings().journal_dir) == []


def test_rows_that_are_put_back_too_early_are_set_aside_again_and_counted_once(
    asker, ingest: MakeIngest, store: Store, settings: MakeSettings, run_umbra
) -> None:
    people, mover = asker(), ingest()
    people.ask(2)
    people.ask(1)
    Refusal(store, "request-2")
    empty(mover)
    for _ in range(2):
        assert dropped(store) == {"refused": 1}
        assert run_umbra("journal", "put-back").exit_code == 0
        empty(mover)
    assert dropped(store) == {"refused": 1}
    assert len(refused.paths(settings().journal_dir)) == 1


def test_a_refused_outcome_takes_no_capture_with_it(
    asker, ingest: MakeIngest, store: Store, run_umbra
) -> None:
    people, mover = asker(), ingest()
    people.ask(2)
    now = datetime.now(UTC)
    ids = new_capture_ids(2, 1_700_000_000_000, 1)
    reported = [
        Outcome(name, OutcomeState.SOLD, 1e5, now, source, now)
        for name, source in zip(ids, ("wrong", "right"), strict=True)
    ]
    assert people.recorder.record_outcomes("sales", reported).is_kept
    refusal = Refusal(store, "request-x", "wrong")
    empty(mover)
    with store.reading() as connection:
        assert outcomes.in_force(connection, ids).keys() == {ids[1]}
    assert stored(store) == people.kept.keys()
    assert dropped(store) == {}
    refusal.mend()
    run_umbra("journal", "put-back")
    empty(mover)
    with store.reading() as connection:
        assert outcomes.in_force(connection, ids).keys() == set(ids)


def test_an_id_that_belongs_to_another_answer_is_refused_alone(
    asker, ingest: MakeIngest, store: Store
) -> None:
    people, mover = asker(), ingest()
    people.ask(1)
    people.ask_again("other", dollars=[1.0])
    people.ask(1)
    empty(mover)
    assert stored(store) == people.kept.keys()
    assert dropped(store) == {"refused": 1}


def test_a_file_of_another_version_is_counted_and_can_be_put_back(
    asker, ingest: MakeIngest, store: Store, settings: MakeSettings, run_umbra
) -> None:
    people = asker()
    people.ask(4)
    people.recorder.close()
    (path,) = journal_file.paths(settings().journal_dir)
    content = path.read_bytes()
    newer = journal_file.frame(
        b'{"format":"umbra-journal","version":99,"dropped":{}}'.ljust(journal_file.HEADER_BYTES - 10)
    )
    path.write_bytes(newer + content[journal_file.HEADER_BYTES :])
    mover = ingest()
    empty(mover)
    assert dropped(store) == {"refused": 4}
    (aside,) = refused.paths(settings().journal_dir)
    aside.write_bytes(content)  # as by an Umbra that reads that version
    listed = json.loads(run_umbra("journal", "--json").output)
    assert [(row["state"], row["file"]) for row in listed] == [("set aside", aside.name)]
    assert run_umbra("journal", "put-back", aside.name).exit_code == 0
    empty(mover)
    assert stored(store) == people.kept.keys()
    assert dropped(store) == {}


def test_a_file_is_not_put_back_over_another(settings: MakeSettings, store: Store, run_umbra) -> None:
    directory = settings().journal_dir
    directory.mkdir(parents=True)
    for name in ("a.journal", "a.refused"):
        (directory / name).touch()
    told = run_umbra("journal", "put-back")
    assert told.exit_code == 1
    assert "is there already" in told.output
    assert run_umbra("journal", "put-back", "b.refused").exit_code == 1


# -- whose directory it is


def test_a_copied_source_id_is_noticed_by_a_start_and_the_directory_that_is_meant_can_take_over(
    asker, store: Store, settings: MakeSettings, tmp_path: Path
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for directory in (here, there):
        directory.mkdir()
    now = datetime.now(UTC)

    def start(directory: Path) -> None:
        with store.writing() as connection:
            SourceOwnership(directory).claim(connection, sources.lock(connection, "the same", now))

    start(here)
    start(here)
    with pytest.raises(SourceOwnedElsewhere, match="take-over"):
        start(there)
    moved = here.rename(tmp_path / "moved")
    start(moved)
    (there / "tenures").write_bytes((moved / "tenures").read_bytes())  # a copy of the whole directory
    start(there)
    with pytest.raises(SourceOwnedElsewhere, match=str(there)):
        start(moved)


def test_a_source_id_is_made_once_without_hard_links_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    name = directory_id(tmp_path)
    assert directory_id(tmp_path) == name
    assert [path.name for path in tmp_path.iterdir()] == ["source-id"]
    (tmp_path / "source-id").write_text("")  # as a power cut leaves it
    assert directory_id(tmp_path) not in ("", name)
    (tmp_path / "source-id").write_text("what?")
    with pytest.raises(Exception, match="is no source-id"):
        directory_id(tmp_path)


def test_finished_files_are_known_to_the_store_while_they_are_kept(
    asker, ingest: MakeIngest, store: Store, settings: MakeSettings
) -> None:
    people = asker()
    people.ask(1)
    people.recorder.close()
    empty(ingest())
    (path,) = stored_files.paths(settings().journal_dir)
    with store.reading() as connection:
        assert connection.execute(select(segments.c.name)).scalars().all() == [journal_file.name_of(path)]
