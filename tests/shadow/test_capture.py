"""What the journal takes, what it drops, and that every house is counted as one of the two."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from model_package.reference import ModelRef
from shadow.ingest.accounting import ExpectedRows, reconcile
from shadow.ingest.dropped_counts import Tallies
from shadow.journal import journal_file, tally
from shadow.journal import writer as journal_writer
from shadow.journal.capture_result import CaptureResult
from shadow.journal.entries import encode
from shadow.journal.file_names import FileNames
from shadow.journal.file_reader import JournalFileReader
from shadow.journal.file_writer import JournalFileWriter
from shadow.journal.quota import JournalQuota
from shadow.journal.recorder import Recorder, open_recorder
from shadow.journal.tally import Tally
from shadow.journal.writer import JournalWriter
from shadow.records import Outcome, OutcomeState, new_capture_ids
from shadow.settings import Settings
from shadow.store.sources import UNREAD

NAMES = new_capture_ids(8, 0, 0)


def ask(recorder: Recorder, houses: int = 1) -> CaptureResult:
    return recorder.record(
        request_id="r",
        live=ModelRef("linear", "1"),
        capture_ids=NAMES[:houses],
        rows=[{}] * houses,
        dollars=[1.0] * houses,
    )


def account(directory: Path) -> tuple[int, Counter[str]]:
    """Rows captured and rows lost, as ingest finds them in sealed files."""
    captured, lost, dropped = 0, Counter[str](), dict[str | None, Counter[str]]()
    for path in journal_file.paths(directory):
        with JournalFileReader(path) as reader:
            assert reader.seal()
            header = reader.header()
            assert header is not None
            assert header.rows is not None
            move = reconcile(
                UNREAD,
                reader.read(0, 1 << 24),
                header.dropped,
                last=True,
                writer=header.writer,
                expected_rows=ExpectedRows(header.rows),
            )
        captured += len(move.captures)
        lost += move.lost
        dropped[header.writer] = dropped.get(header.writer, Counter()) | Counter(header.dropped)
    return captured, sum(dropped.values(), lost)


@contextmanager
def no_file_may_grow_beyond(size: int) -> Iterator[None]:
    """Have the kernel refuse writes, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class SlowWriter(JournalWriter):
    """A writer whose disk does not answer until it is let."""

    def __init__(self, settings: Settings) -> None:
        quota = JournalQuota(settings.journal_dir, 1 << 30, time.monotonic)
        super().__init__(settings.journal_dir, quota, 1 << 20, lambda: f"file-{time.time_ns()}")
        self.answering = threading.Event()

    def write(self, entry: bytes, rows: int) -> CaptureResult:
        self.answering.wait()
        return super().write(entry, rows)


def test_a_journal_with_room_takes_more_at_once_than_one_allowance(
    asker, settings: Callable[..., Settings]
) -> None:
    people = asker()
    reasons = [people.ask(1000) for _ in range(12)]
    people.recorder.close()
    assert set(reasons) <= {CaptureResult.KEPT, CaptureResult.LATE}
    assert journal_file.size_bytes(settings().journal_dir) > 10 << 20


def test_while_a_write_hangs_answers_go_on_and_drops_are_counted(settings: Callable[..., Settings]) -> None:
    here = settings()
    writer = SlowWriter(here)
    recorder = Recorder(writer, write_seconds=0.01)
    assert ask(recorder, 2) == CaptureResult.LATE
    assert [ask(recorder, 3), ask(recorder)] == [CaptureResult.STALLED, CaptureResult.STALLED]
    writer.answering.set()
    recorder.close()
    assert account(here.journal_dir) == (2, Counter({CaptureResult.STALLED: 4}))


def test_closing_while_a_write_hangs_loses_nothing_that_was_given(settings: Callable[..., Settings]) -> None:
    here = settings()
    writer = SlowWriter(here)
    recorder = Recorder(writer, write_seconds=0.01)
    assert ask(recorder, 2) == CaptureResult.LATE
    closing = threading.Thread(target=recorder.close)
    closing.start()
    writer.answering.set()
    closing.join()
    recorder._thread.join()
    assert account(here.journal_dir) == (2, Counter())
    assert ask(recorder) == CaptureResult.CLOSED


def test_what_the_disk_refuses_is_counted_in_place_and_writing_goes_on(
    settings: Callable[..., Settings],
) -> None:
    here = settings()
    recorder = open_recorder(here)
    assert ask(recorder, 1).is_kept
    (path,) = journal_file.paths(here.journal_dir)
    with no_file_may_grow_beyond(path.stat().st_size + 10):
        assert [ask(recorder, 2), ask(recorder, 3)] == [CaptureResult.DISK, CaptureResult.DISK]
    assert ask(recorder, 4).is_kept
    recorder.close()
    assert account(here.journal_dir) == (5, Counter({CaptureResult.DISK: 5}))


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def writer_of(here: Settings, monotonic: Callable[[], float]) -> JournalWriter:
    """The writing half of a recorder, with a tally of its own."""
    counts = Tally("writer", here.tally_dirs)
    counts.open()
    names = FileNames(here.journal_dir, "writer", time.time_ns)
    quota = JournalQuota(here.journal_dir, 1 << 30, monotonic)
    return JournalWriter(here.journal_dir, quota, 1 << 20, names, counts, monotonic)


def entry(rows: int) -> bytes:
    return encode("r", ModelRef("linear", "1"), NAMES[:rows], [{}] * rows, [1.0] * rows)


class ForgetfulJournalFile(JournalFileWriter):
    """A journal file on a disk that refuses to rewrite what it holds."""

    def write_dropped(self, dropped: object) -> None:  # noqa: ARG002
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_drops_that_one_header_could_not_tell_are_told_by_the_next(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = settings()
    quota = JournalQuota(here.journal_dir, 1 << 30, time.monotonic)
    names = iter(("first", "second"))
    writer = JournalWriter(here.journal_dir, quota, 1 << 20, lambda: next(names))
    with monkeypatch.context() as patched:
        patched.setattr(journal_writer, "JournalFileWriter", ForgetfulJournalFile)
        assert writer.write(entry(1), 1).is_kept
        writer.count_dropped(CaptureResult.STALLED, 3)
        writer.seal()
    assert writer.write(entry(1), 1).is_kept
    writer.seal()
    assert account(here.journal_dir) == (2, Counter({CaptureResult.STALLED: 3}))


class UnfinishedJournalFile(JournalFileWriter):
    """A journal file on a disk that became read-only before it was closed."""

    def finish(self) -> bool:
        self.close()
        return False


def test_of_a_file_that_could_not_be_finished_the_tally_tells_the_rows(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_writer, "JournalFileWriter", UnfinishedJournalFile)
    here = settings()
    writer = writer_of(here, Clock())
    assert writer.write(entry(3), 3).is_kept
    writer.close()
    (file,) = journal_file.paths(here.journal_dir)
    assert Tallies(here.tally_dirs, here.journal_dir).expected_rows(
        journal_file.name_of(file)
    ) == ExpectedRows(3)


Vanish = Callable[[Path], None]


def delete(directory: Path) -> None:
    """What `rm -rf journal` does."""
    shutil.rmtree(directory)


def move(directory: Path) -> None:
    """What `mv journal journal.old` does."""
    directory.rename(directory.with_suffix(".old"))


def replace(directory: Path) -> None:
    """What `mv journal journal.old; mkdir journal` does."""
    move(directory)
    directory.mkdir()


def copy_back(directory: Path) -> None:
    """What `mv journal journal.old; cp -r journal.old journal` does."""
    move(directory)
    shutil.copytree(directory.with_suffix(".old"), directory)


@pytest.mark.parametrize("vanish", [delete, move, replace, copy_back])
def test_rows_in_a_journal_directory_that_was_deleted_or_moved_are_put_back_and_writing_goes_on(
    settings: Callable[..., Settings], vanish: Vanish
) -> None:
    here = settings()
    writer = writer_of(here, clock := Clock())
    assert writer.write(entry(1), 1).is_kept
    vanish(here.journal_dir)
    assert writer.write(entry(2), 2).is_kept
    clock.seconds += 1
    assert writer.write(entry(3), 3).is_kept
    shutil.rmtree(here.journal_dir.with_suffix(".old"), ignore_errors=True)
    vanish(here.journal_dir)
    writer.close()
    assert account(here.journal_dir) == (6, Counter())


@pytest.mark.parametrize("vanish", [delete, move, replace, copy_back])
def test_closed_files_that_nobody_has_read_are_put_back_when_their_directory_vanishes(
    settings: Callable[..., Settings], vanish: Vanish
) -> None:
    here = settings()
    writer = writer_of(here, Clock())
    for rows in (1, 2, 3):
        assert writer.write(entry(rows), rows).is_kept
        writer.seal()
    vanish(here.journal_dir)
    writer.check_files()
    shutil.rmtree(here.journal_dir.with_suffix(".old"), ignore_errors=True)
    vanish(here.journal_dir)
    writer.close()
    assert account(here.journal_dir) == (6, Counter())


def test_files_that_ingest_has_removed_are_let_go_and_never_put_back(
    settings: Callable[..., Settings],
) -> None:
    here = settings()
    writer = writer_of(here, Clock())
    for rows in (1, 2):
        assert writer.write(entry(rows), rows).is_kept
        writer.seal()
    open_files = len(list(Path("/proc/self/fd").iterdir()))
    for closed in list(journal_file.paths(here.journal_dir)):
        closed.unlink()
    writer.check_files()
    assert len(list(Path("/proc/self/fd").iterdir())) == open_files - 2
    delete(here.journal_dir)
    writer.close()
    assert not list(journal_file.paths(here.journal_dir))


def test_a_recorder_without_traffic_puts_its_deleted_file_back(settings: Callable[..., Settings]) -> None:
    here = settings()
    recorder = open_recorder(here)
    assert ask(recorder, 2).is_kept
    shutil.rmtree(here.journal_dir)
    deadline = time.monotonic() + 30
    while not list(journal_file.paths(here.journal_dir)) and time.monotonic() < deadline:
        threading.Event().wait(0.05)
    assert list(journal_file.paths(here.journal_dir))
    recorder.close()
    assert account(here.journal_dir) == (2, Counter())


def test_rows_that_cannot_be_put_back_are_counted_as_dropped(settings: Callable[..., Settings]) -> None:
    here = settings()
    writer = writer_of(here, Clock())
    assert writer.write(entry(4), 4).is_kept
    shutil.rmtree(here.journal_dir)
    here.journal_dir.write_text("no directory can be made here")
    assert writer.write(entry(2), 2).is_kept  # the kernel has it, in the deleted file
    assert writer.write(entry(1), 1) == CaptureResult.DISK
    writer.close()
    assert writer.tally.dropped == {CaptureResult.DISK: 7}
    (kept,) = {tally.read(path).dropped[CaptureResult.DISK] for path in tally.files(here.tally_dirs)}
    assert kept == 7


def test_a_journal_directory_that_cannot_be_made_costs_counted_rows_until_it_can(
    settings: Callable[..., Settings],
) -> None:
    here = settings()
    writer = writer_of(here, Clock())
    here.data_dir.mkdir(exist_ok=True)
    here.journal_dir.write_text("")
    assert writer.write(entry(3), 3) == CaptureResult.DISK
    here.journal_dir.unlink()
    assert writer.write(entry(2), 2).is_kept
    writer.close()
    assert account(here.journal_dir) == (2, Counter({CaptureResult.DISK: 3}))


def test_journal_files_sort_in_the_order_of_their_making_when_the_clock_steps_back(
    settings: Callable[..., Settings],
) -> None:
    directory = settings().journal_dir
    hours = iter((9, 8, 10, 3, 4))
    clock_ns = lambda: next(hours) * 3_600_000_000_000  # noqa: E731
    first, second = (FileNames(directory, writer, clock_ns) for writer in ("ffff", "aaaa"))
    directory.mkdir(parents=True)
    (directory / "what-somebody-put-here.journal").touch()
    names = []
    for make in (first, second, first, second, first):
        names.append(make())
        journal_file.path_of(directory, names[-1]).touch()
    assert names == sorted(names)
    assert len(set(names)) == 5


def test_writers_beside_each_other_never_pass_the_bound_of_the_journal(
    settings: Callable[..., Settings],
) -> None:
    here = settings(journal_max_bytes=1_000_000, api_workers=3)
    recorders = [open_recorder(here) for _ in range(3)]
    sizes = []
    taken = True
    while taken:
        taken = any(ask(recorder, 8).is_kept for recorder in list(recorders))
        sizes.append(journal_file.size_bytes(here.journal_dir))
    for recorder in recorders:
        recorder.close()
    assert 0.95 * 1_000_000 < max(*sizes, journal_file.size_bytes(here.journal_dir)) <= 1_000_000


def sold(count: int) -> list[Outcome]:
    moment = datetime(2026, 11, 21, tzinfo=UTC)
    return [Outcome(name, OutcomeState.SOLD, 1.0, moment, "x" * 64, moment) for name in NAMES[:1] * count]


def fill(offer: Callable[[], CaptureResult]) -> int:
    """Offer until it is refused as full; gives how often it was taken."""
    taken = 0
    while (result := offer()).is_kept:
        taken += 1
    assert result is CaptureResult.FULL
    return taken


def test_outcomes_take_no_numbers_and_what_is_dropped_of_them_is_no_house(
    settings: Callable[..., Settings],
) -> None:
    here = settings()
    recorder = open_recorder(here)
    assert ask(recorder, 2).is_kept
    (path,) = journal_file.paths(here.journal_dir)
    with no_file_may_grow_beyond(path.stat().st_size + 10):
        assert recorder.record_outcomes("r", sold(3)) == CaptureResult.DISK
    assert recorder.record_outcomes("r", sold(2)).is_kept
    assert ask(recorder, 1).is_kept
    recorder.close()
    assert recorder.record_outcomes("r", sold(1)) == CaptureResult.CLOSED
    assert account(here.journal_dir) == (3, Counter())


def test_outcomes_leave_room_for_captures_and_are_taken_again_when_ingest_has_made_room(
    settings: Callable[..., Settings],
) -> None:
    here = settings(journal_max_bytes=1 << 20)
    clerk, people = open_recorder(here), open_recorder(here)
    assert fill(lambda: clerk.record_outcomes("r", sold(50))) > 10
    assert journal_file.size_bytes(here.journal_dir) < 0.91 * (1 << 20)
    assert fill(lambda: ask(people, 8)) > 100
    assert journal_file.size_bytes(here.journal_dir) > 0.99 * (1 << 20)
    for path in journal_file.paths(here.journal_dir):  # as ingest does with what is sealed
        with JournalFileReader(path) as reader:
            if reader.seal():
                path.unlink()
    assert clerk.record_outcomes("r", sold(50)).is_kept
    clerk.close()
    people.close()


def test_refused_outcomes_do_not_cut_the_journal_of_captures_into_many_files(
    settings: Callable[..., Settings],
) -> None:
    here = settings(journal_max_bytes=1 << 20)
    full, people = open_recorder(here), open_recorder(here)
    fill(lambda: full.record_outcomes("r", sold(50)))
    before = len(list(journal_file.paths(here.journal_dir)))
    for _ in range(20):
        assert people.record_outcomes("r", sold(300)) == CaptureResult.FULL
        assert ask(people).is_kept
    assert len(list(journal_file.paths(here.journal_dir))) == before + 1
    full.close()
    people.close()


def test_while_a_write_of_outcomes_hangs_they_are_late_and_answers_go_on(
    settings: Callable[..., Settings],
) -> None:
    here = settings()
    writer = SlowWriter(here)
    recorder = Recorder(writer, write_seconds=0.01)
    assert recorder.record_outcomes("r", sold(2)) == CaptureResult.LATE
    assert [recorder.record_outcomes("r", sold(1)), ask(recorder, 3)] == [
        CaptureResult.STALLED,
        CaptureResult.STALLED,
    ]
    writer.answering.set()
    recorder.close()
    assert account(here.journal_dir) == (0, Counter({CaptureResult.STALLED: 3}))
