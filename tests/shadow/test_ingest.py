"""From the journal into the store: everything once, whatever is read twice, damaged or dropped."""

from __future__ import annotations

import os
import resource
import shutil
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import select

from model_package import schema
from monitoring import metrics
from shadow.ingest.mover import Ingest
from shadow.journal import journal_file
from shadow.journal.capture_result import CaptureResult
from shadow.journal.file_writer import JournalFileWriter
from shadow.journal.stored_files import Retention
from shadow.settings import Settings
from shadow.source.identity import directory_id
from shadow.store import Store, ledger
from shadow.store.database.tables import captures, segments

MakeIngest = Callable[[], Ingest]


def empty(ingest: Ingest) -> int:
    moved = 0
    while step := ingest.step():
        moved += step
    return moved


def stored(store: Store) -> dict[str, float]:
    with store.reading() as connection:
        rows = connection.execute(select(captures.c.id, captures.c.prediction_dollars)).all()
    assert len({row.id for row in rows}) == len(rows)
    return {str(row.id): row.prediction_dollars for row in rows}


def intake(store: Store) -> ledger.Intake:
    with store.reading() as connection:
        return ledger.intake(connection)


def only_file(settings: Callable[..., Settings]) -> Path:
    (path,) = journal_file.paths(settings().journal_dir)
    return path


def killed(work: Callable[[], object]) -> None:
    """Let a process of its own do something and be killed."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)


def damage(path: Path, needle: bytes) -> None:
    content = path.read_bytes()
    at = content.index(needle)
    path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])


def test_every_captured_house_is_stored_to_the_bit(asker, ingest: MakeIngest, store: Store) -> None:
    people = asker()
    for houses in (1, 3, 1000, 1):
        assert people.ask(houses).is_kept
    assert empty(ingest()) == 1005
    assert stored(store) == people.kept
    found = store.prediction(UUID(next(iter(people.kept))))
    assert found is not None
    assert found.capture.inputs == schema.EXAMPLE


def test_numbers_of_a_source_are_dense_and_follow_the_commits(
    asker, ingest: MakeIngest, store: Store
) -> None:
    people = asker()
    for _ in range(3):
        people.ask(2)
        empty(ingest())
    with store.reading() as connection:
        numbers = connection.execute(select(captures.c.seq).order_by(captures.c.id)).scalars().all()
    assert numbers == [1, 2, 3, 4, 5, 6]


def test_reading_again_after_a_restart_stores_nothing_twice(asker, ingest: MakeIngest, store: Store) -> None:
    people = asker()
    people.ask(5)
    assert empty(ingest()) == 5
    assert empty(ingest()) == 0
    people.ask(2)
    assert empty(ingest()) == 2
    assert stored(store) == people.kept


def test_a_transaction_that_fails_leaves_everything_to_be_done_again(
    asker, ingest: MakeIngest, store: Store
) -> None:
    people = asker()
    people.ask(5)
    mover = ingest()
    with store.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE segments RENAME TO elsewhere")
    with pytest.raises(Exception, match="segments"):
        mover.step()
    with store.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO segments")
    assert stored(store) == {}
    assert empty(mover) == 5
    assert stored(store) == people.kept


def test_a_finished_file_leaves_the_journal_and_is_forgotten_when_it_is_not_kept(
    asker, store: Store, settings: Callable[..., Settings]
) -> None:
    people = asker()
    people.ask(1)
    people.recorder.close()
    paths = settings()
    mover = Ingest(
        store,
        paths.journal_dir,
        directory_id(paths.data_dir),
        1 << 20,
        metrics.shadowing(None),
        lambda: datetime.now(UTC),
        retention=Retention(seconds=0),
    )
    empty(mover)
    assert list(journal_file.paths(paths.journal_dir)) == []
    empty(mover)
    with store.reading() as connection:
        assert connection.execute(select(segments)).all() == []
    assert stored(store) == people.kept


def test_a_journal_file_that_reached_its_size_is_followed_by_another(
    asker, ingest: MakeIngest, store: Store, settings: Callable[..., Settings]
) -> None:
    people = asker(journal_segment_bytes=65536)
    for _ in range(200):
        people.ask(1)
    assert len(list(journal_file.paths(settings().journal_dir))) > 1
    assert empty(ingest()) == 200
    assert len(list(journal_file.paths(settings().journal_dir))) == 1
    assert stored(store) == people.kept


def test_a_damaged_entry_costs_its_own_houses_and_they_are_counted(
    asker, ingest: MakeIngest, store: Store, settings: Callable[..., Settings]
) -> None:
    people = asker()
    for houses in (1, 7, 1):
        people.ask(houses)
    damage(only_file(settings), b'"request":"request-1"')
    assert empty(ingest()) == 2
    assert intake(store).dropped == {"damaged": 7}


def test_a_damaged_last_line_costs_exactly_its_own_rows(
    asker, ingest: MakeIngest, store: Store, settings: Callable[..., Settings]
) -> None:
    people = asker()
    people.ask(1)
    people.ask(100)
    people.recorder.close()
    damage(only_file(settings), b'"request":"request-1"')
    assert empty(ingest()) == 1
    empty(ingest())
    assert intake(store).dropped == {"damaged": 100}


@pytest.mark.parametrize("is_killed", [False, True], ids=["stopped", "killed"])
@pytest.mark.parametrize("cut_bytes", [1, 5, 400, 30_000])
def test_acknowledged_rows_that_the_file_system_cut_off_are_counted_one_by_one(
    asker,
    ingest: MakeIngest,
    store: Store,
    settings: Callable[..., Settings],
    *,
    cut_bytes: int,
    is_killed: bool,
) -> None:
    def work() -> None:
        people = asker(journal_write_seconds=5)
        for rows in (30, 20, 10):
            assert people.ask(rows).is_kept
        if not is_killed:
            people.recorder.close()

    killed(work)
    path = only_file(settings)
    os.truncate(path, path.stat().st_size - cut_bytes)
    left = sum(line.count(b'"lot_area"') for line in path.read_bytes().split(b"\n")[:-1])
    assert empty(ingest()) == left < 60
    empty(ingest())
    assert intake(store).dropped == {"damaged": 60 - left}
    assert list(settings().tally_dirs[0].iterdir()) == []


@pytest.mark.parametrize(
    "size", [0, 100, journal_file.HEADER_BYTES, -5], ids=["empty", "header cut", "whole", "torn"]
)
def test_a_damaged_header_and_half_an_entry_are_told(
    asker, store: Store, settings: Callable[..., Settings], size: int
) -> None:
    people, registry = asker(), CollectorRegistry()
    people.ask(1)
    people.recorder.close()
    path = only_file(settings)
    os.truncate(path, size if size >= 0 else path.stat().st_size + size)
    measures = metrics.shadowing(None, registry)
    mover = Ingest(store, settings().journal_dir, str(uuid4()), 1 << 20, measures, lambda: datetime.now(UTC))
    assert empty(mover) == 0
    told = registry.get_sample_value("umbra_journal_damaged_entries_total")
    assert told == (0 if size == journal_file.HEADER_BYTES else 1)
    assert not path.exists()


@pytest.mark.parametrize("has_tally", [False, True], ids=["without its tally", "with its tally"])
def test_half_a_line_whose_answer_never_left_counts_no_row(
    asker, ingest: MakeIngest, store: Store, settings: Callable[..., Settings], *, has_tally: bool
) -> None:
    killed(lambda: asker(journal_write_seconds=5).ask(1))
    path = only_file(settings)
    with path.open("ab") as file:  # as a process leaves it that is killed in the middle of a write
        line = journal_file.encode_line(
            b"{}" * 50, 7, journal_file.checksum_start(journal_file.name_of(path), file.tell())
        )
        file.write(line[:-5])
    for directory in () if has_tally else settings().tally_dirs:
        shutil.rmtree(directory)
    assert empty(ingest()) == 1
    assert intake(store).dropped == {}
    assert list(journal_file.paths(settings().journal_dir)) == []


def test_a_full_journal_drops_counted_and_takes_up_again_when_there_is_room(
    asker, ingest: MakeIngest, store: Store
) -> None:
    people = asker(journal_max_bytes=65536)
    reasons = [people.ask(10) for _ in range(40)]
    dropped = 10 * reasons.count(CaptureResult.FULL)
    assert set(reasons) == {CaptureResult.KEPT, CaptureResult.FULL}
    people.recorder.close()
    mover = ingest()
    assert empty(mover) == 400 - dropped
    assert stored(store) == people.kept
    assert intake(store).dropped == {CaptureResult.FULL: dropped}


LINES_OF_ANOTHER_FORM = [b"", b"{}\n", b"\x00\xff" * 3000, b"no newline", b"\n\n\n" * 99]


@pytest.mark.parametrize("lines", LINES_OF_ANOTHER_FORM)
def test_a_file_of_another_version_is_set_aside_as_it_is_and_holds_up_nothing(
    asker, ingest: MakeIngest, store: Store, settings: Callable[..., Settings], lines: bytes
) -> None:
    people = asker(journal_write_seconds=5)
    people.ask(1)
    header = journal_file.frame(
        b'{"format":"umbra-journal","version":99,"more":[1]}'.ljust(journal_file.HEADER_BYTES - 10)
    )
    (settings().journal_dir / "0-newer.journal").write_bytes(header + lines)
    mover = ingest()
    assert empty(mover) == 1
    empty(mover)
    assert (settings().journal_dir / "0-newer.refused").read_bytes() == header + lines


def test_a_data_directory_keeps_its_name(settings: Callable[..., Settings]) -> None:
    data_dir = settings().data_dir
    assert directory_id(data_dir) == directory_id(data_dir)


def test_many_journal_files_are_moved_with_few_open_files(
    asker, ingest: MakeIngest, store: Store, settings: Callable[..., Settings]
) -> None:
    for _ in range(60):
        people = asker()
        people.ask(1)
        people.recorder.close()
    mover = ingest()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())) + 20, hard))
    try:
        assert empty(mover) == 60
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert list(journal_file.paths(settings().journal_dir)) == []


def test_one_transaction_holds_one_budget_and_every_journal_file_has_its_turn(
    asker, ingest: MakeIngest, store: Store
) -> None:
    busy, quiet = asker(), asker()
    for _ in range(4):
        busy.ask(1000)
    quiet.ask(1)
    mover = ingest()  # its budget is a megabyte, about one of these requests
    moved = [mover.step() for _ in range(3)]
    assert max(moved) <= 3000
    assert quiet.kept.keys() <= stored(store).keys()


def test_a_file_that_was_stored_before_is_stored_once_and_holds_up_nothing(
    asker, ingest: MakeIngest, store: Store, settings: Callable[..., Settings]
) -> None:
    people = asker()
    people.ask(3)
    people.recorder.close()
    original = only_file(settings)
    copied = original.read_bytes()
    assert empty(ingest()) == 3
    with store.writing() as connection:
        connection.execute(segments.delete())
    original.write_bytes(copied)
    later = asker()
    later.ask(2)
    empty(ingest())
    assert stored(store) == people.kept | later.kept
    assert not original.exists()
    assert intake(store) == ledger.Intake(5, 5, {})


def test_a_journal_file_of_another_version_is_left_alone_while_it_is_written(
    ingest: MakeIngest, store: Store, settings: Callable[..., Settings]
) -> None:
    directory = settings().journal_dir
    directory.mkdir(parents=True)
    writer = JournalFileWriter.create(directory, "newer", {})
    header = journal_file.frame(
        b'{"format":"umbra-journal","version":9,"dropped":{}}'.ljust(journal_file.HEADER_BYTES - 10)
    )
    with (directory / "newer.journal").open("r+b") as file:
        file.write(header)
    mover = ingest()
    mover.step()
    assert (directory / "newer.journal").exists()
    writer.close()
    mover.step()
    assert (directory / "newer.refused").exists()
