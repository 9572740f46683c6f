"""The journal's disk full, hung or deleted: answers go on, and what it missed is counted (P1, P2, P3)."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import disks
from harness.audit import check_losses, stored
from harness.load import Asker, Load, houses
from harness.stack import MakeStack, Stack
from harness.waiting import wait_until

from shadow.journal import journal_file

Mounted = Callable[..., None]
WRITE_SECONDS = 0.2
AT_MOST_SECONDS = 2.0  # of one answer while the disk hangs: the deadline, and a slow machine's own time


def serving(stack: Stack) -> Asker:
    """The API alone, with nobody who empties the journal."""
    stack.wait_ready(stack.start("serve"))
    return Asker(stack)


def fill(stack: Stack, asker: Asker, reason: str) -> None:
    """Ask until captures are dropped, then for some more."""

    def dropping() -> bool:
        asker.ask(houses(100))
        return dropped_by_api(stack, reason) > 0

    wait_until(dropping, 60, stack.explain)
    for _ in range(5):
        asker.ask(houses(100))


def dropped_by_api(stack: Stack, reason: str) -> float:
    """Houses that the API says it dropped."""
    return stack.metric("api", "umbra_captures_dropped_total", reason=reason)


def taken_again(stack: Stack, asker: Asker) -> None:
    """Ask until a capture is written; what was dropped so far is counted already or with it."""
    written = stack.metric("api", "umbra_captures_written_total")

    def taken() -> bool:
        asker.ask(houses(100))
        return stack.metric("api", "umbra_captures_written_total") > written

    wait_until(taken, 30, stack.explain)


def check_recovers(stack: Stack, asker: Asker, reason: str) -> None:
    """Once the worker empties the journal, captures are taken again and every loss is in the ledger."""
    stack.start("work")
    taken_again(stack, asker)
    stack.wait_drained()
    assert asker.faults == []
    dropped = check_losses(stack, [asker])
    assert dropped == {reason: dropped_by_api(stack, reason)}


def test_when_the_disk_is_full_answers_go_on_and_captures_are_taken_again_once_there_is_room(
    make_stack: MakeStack, mounted: Mounted
) -> None:
    stack = make_stack(api_workers=1)
    disks.small(mounted, stack.settings.journal_dir, 1 << 20)
    asker = serving(stack)
    fill(stack, asker, "disk")
    check_recovers(stack, asker, "disk")


def test_when_a_journal_file_may_not_grow_the_losses_are_counted(make_stack: MakeStack) -> None:
    stack = make_stack(api_workers=1)
    asker = serving(stack)
    asker.ask(houses(1))
    (worker,) = stack.pids("api worker")
    _, most = resource.prlimit(worker, resource.RLIMIT_FSIZE, (65_536, resource.RLIM_INFINITY))
    fill(stack, asker, "disk")
    resource.prlimit(worker, resource.RLIMIT_FSIZE, (most, most))
    check_recovers(stack, asker, "disk")


def test_when_the_journal_reaches_its_bound_it_takes_captures_again_once_it_is_emptied(
    make_stack: MakeStack,
) -> None:
    stack = make_stack(api_workers=2, journal_max_bytes=500_000)
    asker = serving(stack)
    fill(stack, asker, "full")
    check_recovers(stack, asker, "full")


def delete(directory: Path, _mount: Mounted) -> None:
    """What `rm -rf journal` does."""
    shutil.rmtree(directory)


def replace(directory: Path, _mount: Mounted) -> None:
    """What `mv journal journal.old; mkdir journal` does."""
    directory.rename(directory.with_suffix(f".{time.monotonic_ns()}"))
    directory.mkdir()


def cover(directory: Path, mount: Mounted) -> None:
    """Mount an empty file system over the directory."""
    disks.small(mount, directory, 64 << 20)


@pytest.mark.parametrize("vanish", [delete, replace, cover])
def test_when_the_journal_directory_vanishes_under_load_no_answered_row_is_lost(
    make_stack: MakeStack, mounted: Mounted, vanish: Callable[[Path, Mounted], None]
) -> None:
    stack = make_stack(api_workers=2)
    serving(stack)
    with Load(stack) as load:
        load.more(50)
        vanish(stack.settings.journal_dir, mounted)
        load.more(50)
        vanish(stack.settings.journal_dir, mounted)
        load.more(50)
        wait_until(lambda: journal_file.size_bytes(stack.settings.journal_dir) > 0, 30, stack.explain)
    stack.start("work")
    wait_until(lambda: len(stored(stack)) >= load.acknowledged, 60, stack.explain)
    stack.wait_drained()
    assert load.faults == []
    assert check_losses(stack, [load]) == {}


def test_when_the_disk_hangs_answers_leave_within_the_write_deadline(
    make_stack: MakeStack, mounted: Mounted, tmp_path: Path
) -> None:
    stack = make_stack(api_workers=1, journal_write_seconds=WRITE_SECONDS)
    disks.ext4(mounted, stack.settings.journal_dir, tmp_path / "image")
    asker = serving(stack)
    for _ in range(3):
        asker.ask(houses(2))
    with disks.frozen(stack.settings.journal_dir):
        waited = [asker.ask(houses(2)) for _ in range(20)]
        assert dropped_by_api(stack, "stalled") == 38
        assert stack.metric("api", "umbra_captures_late_total") == 2
    assert [answer for answer in waited if answer is None or answer.seconds > AT_MOST_SECONDS] == []
    check_recovers(stack, asker, "stalled")


def test_losses_are_told_by_the_journal_when_the_api_was_killed(make_stack: MakeStack) -> None:
    stack = make_stack(api_workers=1, journal_max_bytes=500_000)
    api = stack.start("serve")
    stack.wait_ready(api)
    asker = Asker(stack)
    fill(stack, asker, "full")
    for pid in (*stack.pids("api worker"), *stack.pids("api")):
        os.kill(pid, signal.SIGKILL)
    api.wait(60)
    stack.start("work")
    stack.wait_drained()
    assert check_losses(stack, [asker]).keys() == {"full"}


def end_api(stack: Stack, api: subprocess.Popen[bytes], number: int) -> None:
    """End the API in order (SIGTERM), or kill all of its processes at once."""
    if number == signal.SIGTERM:
        stack.stop(api)
        return
    for pid in (*stack.pids("api"), *stack.pids("api worker")):
        os.kill(pid, number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_rows_dropped_on_a_full_disk_are_in_the_ledger_when_the_api_ended_before_there_was_room(
    make_stack: MakeStack, mounted: Mounted, number: int
) -> None:
    stack = make_stack(api_workers=1)
    disks.small(mounted, stack.settings.journal_dir, 300_000)
    api = stack.start("serve")
    stack.wait_ready(api)
    asker = Asker(stack)
    fill(stack, asker, "disk")
    for _ in range(5):
        asker.ask(houses(1))
    dropped = dropped_by_api(stack, "disk")
    end_api(stack, api, number)
    api.wait(60)
    stack.start("work")
    stack.wait_drained()
    wait_until(lambda: dropped_by_ledger(stack), 30, stack.explain)
    assert check_losses(stack, [asker]) == {"disk": dropped}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_rows_dropped_on_a_disk_that_became_read_only_are_in_the_ledger_when_the_api_ended(
    make_stack: MakeStack, mounted: Mounted, tmp_path: Path, number: int
) -> None:
    stack = make_stack(api_workers=1)
    disks.ext4(mounted, stack.settings.journal_dir, tmp_path / "image")
    api = stack.start("serve")
    stack.wait_ready(api)
    asker = Asker(stack)
    asker.ask(houses(5))
    disks.abort(stack.settings.journal_dir)
    for rows in (30, 20, 10):
        asker.ask(houses(rows))
    assert dropped_by_api(stack, "disk") == 60
    end_api(stack, api, number)
    api.wait(60)
    stack.start("work")
    wait_until(lambda: dropped_by_ledger(stack), 60, stack.explain)
    wait_until(lambda: len(stored(stack)) == 5, 60, stack.explain)
    assert dropped_by_ledger(stack) == {"disk": 60}


def test_rows_that_a_hung_disk_kept_from_the_journal_are_in_the_ledger_when_the_api_was_killed(
    make_stack: MakeStack, mounted: Mounted, tmp_path: Path
) -> None:
    stack = make_stack(api_workers=1, journal_write_seconds=WRITE_SECONDS)
    disks.ext4(mounted, stack.settings.journal_dir, tmp_path / "image")
    api = stack.start("serve")
    stack.wait_ready(api)
    asker = Asker(stack)
    asker.ask(houses(3))
    with disks.frozen(stack.settings.journal_dir):
        for rows in (7, 20, 30):
            asker.ask(houses(rows))
        assert dropped_by_api(stack, "stalled") == 50
        end_api(stack, api, signal.SIGKILL)
        stack.start("work")
        wait_until(lambda: dropped_by_ledger(stack), 60, stack.explain)
    stack.wait_drained()
    wait_until(lambda: sum(dropped_by_ledger(stack).values()) + len(stored(stack)) == 60, 60, stack.explain)
    assert check_losses(stack, [asker]).keys() == {"stalled"}


def dropped_by_ledger(stack: Stack) -> dict[str, int]:
    """Rows that the store counts as dropped, by reason."""
    books = stack.status().store
    return {} if books is None else books.intake.dropped
