"""What was dropped is recorded exactly once, whoever dies when, and wherever the counts are found."""

from __future__ import annotations

import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shadow.ingest import dropped_counts
from shadow.ingest.mover import Ingest
from shadow.journal import journal_file, tally
from shadow.journal.capture_result import CaptureResult
from shadow.journal.tally import Tally
from shadow.settings import Settings
from shadow.store import Store, ledger, sources

NOW = datetime(2026, 11, 21, tzinfo=UTC)
DIRECTORY_ID = "a directory"


def dropped(store: Store) -> dict[str, int]:
    with store.reading() as connection:
        return ledger.intake(connection).dropped


@pytest.fixture
def directories(tmp_path: Path) -> tuple[Path, Path]:
    """For tallies: in memory, and on a disk."""
    return tmp_path / "memory", tmp_path / "disk"


@pytest.fixture
def take_over(directories: tuple[Path, Path], tmp_path: Path, store: Store) -> Callable[[], None]:
    """Have a new process of ingest take over what tallies tell."""

    def run() -> None:
        tallies = dropped_counts.Tallies(directories, tmp_path / "journal")
        tallies.take_over(store, DIRECTORY_ID, lambda: NOW)

    return run


def test_drops_are_recorded_while_their_writer_lives_and_never_twice(
    directories: tuple[Path, Path], take_over: Callable[[], None], store: Store
) -> None:
    counts = Tally("w", directories)
    counts.open()
    for rows in (3, 4):
        counts.count_dropped(CaptureResult.DISK, rows)
        take_over()
        take_over()
    counts.count_dropped(CaptureResult.STALLED, 5)
    counts.close(needed=True)
    assert dropped(store) == {CaptureResult.DISK: 7}
    take_over()
    assert dropped(store) == {CaptureResult.DISK: 7, CaptureResult.STALLED: 5}
    assert list(tally.files(directories)) == []


def test_a_crash_between_recording_and_removing_a_tally_records_nothing_twice(
    directories: tuple[Path, Path], take_over: Callable[[], None], store: Store, tmp_path: Path
) -> None:
    counts = Tally("w", directories)
    counts.open()
    counts.count_dropped(CaptureResult.FULL, 9)
    counts.close(needed=True)
    shutil.copytree(directories[0], tmp_path / "copy")
    take_over()
    shutil.copytree(tmp_path / "copy", directories[0], dirs_exist_ok=True)
    take_over()
    assert dropped(store) == {CaptureResult.FULL: 9}


@pytest.mark.parametrize("gone", [0, 1], ids=["memory gone", "disk gone"])
def test_one_place_of_two_is_enough(
    directories: tuple[Path, Path], take_over: Callable[[], None], store: Store, gone: int
) -> None:
    counts = Tally("w", directories)
    counts.open()
    counts.count_dropped(CaptureResult.DISK, 2)
    counts.close(needed=True)
    shutil.rmtree(directories[gone])
    take_over()
    assert dropped(store) == {CaptureResult.DISK: 2}


def test_a_tally_is_left_while_a_journal_file_of_its_writer_is(
    directories: tuple[Path, Path], take_over: Callable[[], None], tmp_path: Path
) -> None:
    (tmp_path / "journal").mkdir()
    file = journal_file.path_of(tmp_path / "journal", "00000000000001-w")
    file.touch()
    counts = Tally("w", directories)
    counts.open()
    counts.close(needed=True)
    take_over()
    assert len(list(tally.files(directories))) == 2
    file.unlink()
    take_over()
    assert list(tally.files(directories)) == []


def test_the_same_drops_in_headers_and_in_a_tally_are_recorded_once(
    asker, ingest: Callable[[], Ingest], store: Store, settings: Callable[..., Settings]
) -> None:
    people = asker(journal_max_bytes=65536, journal_write_seconds=5)
    reasons = [people.ask(10) for _ in range(40)]
    ingest().step()
    people.recorder.close()
    mover = ingest()
    while list(journal_file.paths(settings().journal_dir)):
        mover.step()
    mover.step()
    assert dropped(store) == {CaptureResult.FULL: 10 * reasons.count(CaptureResult.FULL)}
    assert list(tally.files(settings().tally_dirs)) == []


def test_rows_of_a_write_that_hung_when_its_process_was_killed_are_counted_once_as_stalled(
    asker, ingest: Callable[[], Ingest], store: Store, settings: Callable[..., Settings]
) -> None:
    ready, done = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            people = asker(journal_write_seconds=5)
            people.ask(3)
            people.recorder._tally.begin_write(7)  # as a request does whose write the disk does not end
            people.recorder._tally.mark_late()
            os.write(done, b".")
            signal.pause()
        finally:
            os._exit(1)
    os.read(ready, 1)
    ingest().step()  # reads the three while the writer lives
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    mover = ingest()
    (file,) = journal_file.paths(settings().journal_dir)
    content = file.read_bytes()
    mover.step()
    file.write_bytes(content)  # as if it had crashed before it could remove the file
    mover.step()
    assert dropped(store) == {CaptureResult.STALLED: 7}


def test_a_change_of_any_byte_of_a_slot_leaves_the_counts_of_before(tmp_path: Path) -> None:
    counts = Tally("w", (tmp_path / "memory", tmp_path / "disk"))
    counts.open()
    counts.count_dropped(CaptureResult.DISK, 1)
    counts.count_dropped(CaptureResult.DISK, 1)
    (path, _) = tally.files((tmp_path / "memory", tmp_path / "disk"))
    content = path.read_bytes()
    for at in range(1024):
        path.write_bytes(content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :])
        found = tally.read(path)
        assert found is not None
        assert found.dropped in ({CaptureResult.DISK: 1}, {CaptureResult.DISK: 2})


def test_a_request_counts_its_drop_in_memory_while_the_writing_thread_hangs(
    directories: tuple[Path, Path],
) -> None:
    counts = Tally("w", directories)
    counts.open()
    counts.begin_write(5)
    counts.mark_late()
    counts.count_dropped(CaptureResult.STALLED, 3)
    (in_memory,) = map(tally.read, tally.files(directories[:1]))
    assert in_memory is not None
    assert (in_memory.dropped, in_memory.written, in_memory.late) == ({CaptureResult.STALLED: 3}, 0, 5)
    counts.count_written(5)
    (in_memory,) = map(tally.read, tally.files(directories[:1]))
    assert in_memory is not None
    assert (in_memory.written, in_memory.late) == (5, 0)


def test_a_tally_without_a_directory_that_takes_it_counts_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    counts = Tally("w", (tmp_path / "file" / "memory", tmp_path / "file" / "disk"))
    counts.open()
    counts.count_dropped(CaptureResult.DISK, 4)
    assert counts.dropped == {CaptureResult.DISK: 4}
    assert counts.close(needed=True) is False


def test_the_tally_of_a_dead_writer_is_moved_to_the_disk_by_the_next(
    directories: tuple[Path, Path], take_over: Callable[[], None], store: Store
) -> None:
    dead = Tally("dead", directories)
    dead.open()
    shutil.rmtree(directories[1])
    dead.count_dropped(CaptureResult.DISK, 6)
    dead.close(needed=True)
    alive = Tally("alive", directories)
    alive.open()
    shutil.rmtree(directories[0])  # another container's
    take_over()
    assert dropped(store) == {CaptureResult.DISK: 6}
    alive.close(needed=False)


def test_drops_of_writers_and_of_sources_are_told_apart(store: Store) -> None:
    with store.writing() as connection:
        first, second = (sources.lock(connection, name, NOW) for name in ("first", "second"))
        for source in (first, second):
            for writer in ("a", "b"):
                fresh = sources.record_new_drops(connection, source, writer, {"full": 2}, NOW)
                assert fresh == Counter({"full": 2})
        assert sources.record_new_drops(connection, first, "a", {"full": 5, "disk": 1}, NOW) == {
            "full": 3,
            "disk": 1,
        }
        assert sources.record_new_drops(connection, first, "a", {"full": 5}, NOW) == Counter()
    assert dropped(store) == {CaptureResult.DISK: 1, CaptureResult.FULL: 11}
