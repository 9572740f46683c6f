"""What the journal takes, what it drops, and that every house is counted as one of the two."""

from __future__ import annotations

import errno
import os
import resource
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shadow import capture, journal
from shadow.accounting import plan
from shadow.capture import CLOSED, DISK, FULL, LATE, STALLED, Recorder, open_recorder
from shadow.entries import encode
from shadow.journal import SegmentReader
from shadow.records import ModelRef, Outcome, OutcomeState, new_capture_ids
from shadow.room import Room
from shadow.settings import Settings
from shadow.store.sources import UNREAD

NAMES = new_capture_ids(8, 0, 0)


def ask(recorder: Recorder, houses: int = 1) -> str | None:
    return recorder.record(
        request_id="r",
        live=ModelRef("linear", "1"),
        capture_ids=NAMES[:houses],
        rows=[{}] * houses,
        dollars=[1.0] * houses,
    )


def account(directory: Path) -> tuple[int, Counter[str]]:
    """Houses captured and houses lost, as ingest finds them in sealed segments."""
    captured, lost = 0, Counter[str]()
    for path in journal.segments(directory):
        with SegmentReader(path) as reader:
            assert reader.seal()
            move = plan(UNREAD, reader.read(0, 1 << 24), reader.dropped(), last=True)
        captured += len(move.captures)
        lost += move.lost
    return captured, lost


@contextmanager
def no_file_may_grow_beyond(size: int) -> Iterator[None]:
    """Have the kernel refuse writes, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class SlowScribe(capture._Scribe):
    """A scribe whose disk does not answer until it is let."""

    def __init__(self, settings: Settings) -> None:
        room = Room(settings.journal_dir, 1 << 30, time.monotonic)
        super().__init__(settings.journal_dir, room, 1 << 20, lambda: f"segment-{time.time_ns()}")
        self.answering = threading.Event()

    def write(self, entry: bytes, houses: int) -> str | None:
        self.answering.wait()
        return super().write(entry, houses)


def test_a_journal_with_room_takes_more_at_once_than_one_allowance(
    asker, settings: Callable[..., Settings]
) -> None:
    people = asker()
    reasons = [people.ask(1000) for _ in range(12)]
    people.recorder.close()
    assert set(reasons) <= {None, LATE}
    assert journal.size_bytes(settings().journal_dir) > 10 << 20


def test_while_a_write_hangs_answers_go_on_and_drops_are_counted(settings: Callable[..., Settings]) -> None:
    here = settings()
    scribe = SlowScribe(here)
    recorder = Recorder(scribe, write_seconds=0.01)
    assert ask(recorder, 2) == LATE
    assert [ask(recorder, 3), ask(recorder)] == [STALLED, STALLED]
    scribe.answering.set()
    recorder.close()
    assert account(here.journal_dir) == (2, Counter({STALLED: 4}))


def test_closing_while_a_write_hangs_loses_nothing_that_was_given(settings: Callable[..., Settings]) -> None:
    here = settings()
    scribe = SlowScribe(here)
    recorder = Recorder(scribe, write_seconds=0.01)
    assert ask(recorder, 2) == LATE
    closing = threading.Thread(target=recorder.close)
    closing.start()
    scribe.answering.set()
    closing.join()
    recorder._thread.join()
    assert account(here.journal_dir) == (2, Counter())
    assert ask(recorder) == CLOSED


def test_what_the_disk_refuses_is_counted_in_place_and_writing_goes_on(
    settings: Callable[..., Settings],
) -> None:
    here = settings()
    recorder = open_recorder(here)
    assert ask(recorder, 1) is None
    (segment,) = journal.segments(here.journal_dir)
    with no_file_may_grow_beyond(segment.stat().st_size + 10):
        assert [ask(recorder, 2), ask(recorder, 3)] == [DISK, DISK]
    assert ask(recorder, 4) is None
    recorder.close()
    assert account(here.journal_dir) == (5, Counter({DISK: 5}))


class ForgetfulSegment(journal.SegmentWriter):
    """A segment on a disk that refuses to rewrite what it holds."""

    def note_dropped(self, dropped: object) -> None:  # noqa: ARG002
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_drops_that_one_header_could_not_tell_are_told_by_the_next(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = settings()
    room = Room(here.journal_dir, 1 << 30, time.monotonic)
    names = iter(("first", "second"))
    scribe = capture._Scribe(here.journal_dir, room, 1 << 20, lambda: next(names))
    entry = encode("r", ModelRef("linear", "1"), NAMES[:1], [{}], [1.0])
    with monkeypatch.context() as patched:
        patched.setattr(journal, "SegmentWriter", ForgetfulSegment)
        assert scribe.write(entry, 1) is None
        scribe.count_dropped(STALLED, 3)
        scribe.seal()
    assert scribe.write(entry, 1) is None
    scribe.seal()
    assert account(here.journal_dir) == (2, Counter({STALLED: 3}))


def test_a_journal_deleted_under_its_writer_is_begun_anew(settings: Callable[..., Settings]) -> None:
    here = settings()
    recorder = open_recorder(here)
    ask(recorder)
    for path in journal.segments(here.journal_dir):
        path.unlink()
    assert ask(recorder, 2) == DISK
    assert ask(recorder, 3) is None
    recorder.close()
    captured, lost = account(here.journal_dir)
    assert (captured, lost[DISK]) == (3, 2)


def sold(count: int) -> list[Outcome]:
    moment = datetime(2026, 11, 21, tzinfo=UTC)
    return [Outcome(name, OutcomeState.SOLD, 1.0, moment, "x" * 64, moment) for name in NAMES[:1] * count]


def fill(offer: Callable[[], str | None]) -> int:
    """Offer until it is refused as full; gives how often it was taken."""
    taken = 0
    while (reason := offer()) is None:
        taken += 1
    assert reason == FULL
    return taken


def test_outcomes_take_no_numbers_and_what_is_dropped_of_them_is_no_house(
    settings: Callable[..., Settings],
) -> None:
    here = settings()
    recorder = open_recorder(here)
    assert ask(recorder, 2) is None
    (segment,) = journal.segments(here.journal_dir)
    with no_file_may_grow_beyond(segment.stat().st_size + 10):
        assert recorder.record_outcomes("r", sold(3)) == DISK
    assert recorder.record_outcomes("r", sold(2)) is None
    assert ask(recorder, 1) is None
    recorder.close()
    assert recorder.record_outcomes("r", sold(1)) == CLOSED
    assert account(here.journal_dir) == (3, Counter())


def test_outcomes_leave_room_for_captures_and_are_taken_again_when_ingest_has_made_room(
    settings: Callable[..., Settings],
) -> None:
    here = settings(journal_max_bytes=1 << 20)
    clerk, people = open_recorder(here), open_recorder(here)
    assert fill(lambda: clerk.record_outcomes("r", sold(50))) > 10
    assert journal.size_bytes(here.journal_dir) < 0.91 * (1 << 20)
    assert fill(lambda: ask(people, 8)) > 100
    assert journal.size_bytes(here.journal_dir) > 0.99 * (1 << 20)
    for path in journal.segments(here.journal_dir):  # as ingest does with what is sealed
        with SegmentReader(path) as reader:
            if reader.seal():
                path.unlink()
    assert clerk.record_outcomes("r", sold(50)) is None
    clerk.close()
    people.close()


def test_refused_outcomes_do_not_cut_the_journal_of_captures_into_many_files(
    settings: Callable[..., Settings],
) -> None:
    here = settings(journal_max_bytes=1 << 20)
    full, people = open_recorder(here), open_recorder(here)
    fill(lambda: full.record_outcomes("r", sold(50)))
    before = len(list(journal.segments(here.journal_dir)))
    for _ in range(20):
        assert people.record_outcomes("r", sold(300)) == FULL
        assert ask(people) is None
    assert len(list(journal.segments(here.journal_dir))) == before + 1
    full.close()
    people.close()


def test_while_a_write_of_outcomes_hangs_they_are_late_and_answers_go_on(
    settings: Callable[..., Settings],
) -> None:
    here = settings()
    scribe = SlowScribe(here)
    recorder = Recorder(scribe, write_seconds=0.01)
    assert recorder.record_outcomes("r", sold(2)) == LATE
    assert [recorder.record_outcomes("r", sold(1)), ask(recorder, 3)] == [STALLED, STALLED]
    scribe.answering.set()
    recorder.close()
    assert account(here.journal_dir) == (0, Counter({STALLED: 3}))
