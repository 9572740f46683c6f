"""Processes come back when they die, go when they are told, and never outlive what started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from patience import PATIENCE_SECONDS

from shadow import presence
from shadow.backoff import Backoff
from shadow.presence import Announcement
from shadow.processes import Child

NOW = datetime(2026, 11, 21, tzinfo=UTC)
STAY = (
    "from shadow import processes\n"
    "stop = processes.stop_on_signals(); processes.leave_with_parent()\n"
    "print('here', flush=True); stop.wait(60)"
)
STUBBORN = (
    "import signal, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "print('here', flush=True); time.sleep(60)"
)


def until(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        os.sched_yield()


def child(code: str) -> Child:
    return Child("child", [sys.executable, "-c", code], os.environ)


def test_pauses_double_up_to_a_bound_and_begin_again_after_a_success() -> None:
    pause = Backoff(1.0, 5.0)
    assert [pause.next() for _ in range(4)] == [1.0, 2.0, 4.0, 5.0]
    pause.reset()
    assert pause.next() == 1.0


def test_a_process_that_ends_is_started_again_after_its_pause() -> None:
    kept = child("raise SystemExit(7)")
    kept.tend(now=0.0)
    first = kept.process
    assert first is not None
    first.wait()
    assert kept.tend(now=0.1) == 7
    assert kept.tend(now=0.2) is None
    assert not kept.running
    kept.tend(now=10.0)
    assert kept.process is not None
    assert kept.process.pid != first.pid
    kept.end(20)


def test_a_process_told_to_stop_ends_by_itself() -> None:
    kept = child(STAY)
    kept.output = subprocess.PIPE
    kept.tend(now=0.0)
    assert kept.process is not None
    process = kept.process
    assert process.stdout is not None
    assert process.stdout.readline() == b"here\n"
    kept.tell_to_stop()
    kept.end(20)
    assert process.returncode == 0


def test_a_process_that_does_not_listen_is_killed() -> None:
    kept = child(STUBBORN)
    kept.output = subprocess.PIPE
    kept.tend(now=0.0)
    process = kept.process
    assert process is not None
    assert process.stdout is not None
    process.stdout.readline()
    kept.tell_to_stop()
    kept.end(0.2)
    assert process.returncode == -signal.SIGKILL


def test_children_go_when_their_parent_is_killed() -> None:
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import os, sys, time; from shadow.processes import Child\n"
            f"kept = Child('child', [sys.executable, '-c', {STAY!r}], os.environ)\n"
            "kept.tend(0.0); print(kept.pid, flush=True); time.sleep(60)",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert parent.stdout.readline() == "here\n"
    parent.kill()
    parent.wait()
    until(lambda: not _lives(pid))


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_living_tell_of_themselves_and_the_dead_are_cleared_away(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib, datetime; from shadow.presence import Announcement\n"
        "a = Announcement(pathlib.Path(sys.argv[1]), 'ingest', datetime.datetime.now(datetime.UTC))\n"
        "a.tell(oldest=None); print(1, flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    other.stdout.readline()
    mine = Announcement(tmp_path, "worker", NOW)
    mine.tell(state="well")
    assert [(p.role, p.pid, dict(p.facts)) for p in presence.living(tmp_path)] == [
        ("ingest", other.pid, {"oldest": None}),
        ("worker", os.getpid(), {"state": "well"}),
    ]
    other.kill()
    other.wait()
    assert [p.role for p in presence.living(tmp_path)] == ["worker"]
    mine.withdraw()
    assert presence.living(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_the_worker_stands_back_from_live_answers() -> None:
    code = (
        "import os, pathlib; from shadow.processes import stand_back; stand_back(7)\n"
        "group = pathlib.Path('/proc/self/autogroup')\n"
        "print(os.nice(0), group.read_text().split()[-1] if group.exists() else 7)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, start_new_session=True, check=True
    ).stdout
    assert said.split() == ["7", "7"]


def test_a_worker_within_another_session_leaves_that_session_alone() -> None:
    code = (
        "import os, pathlib, subprocess, sys; group = pathlib.Path('/proc/self/autogroup')\n"
        "subprocess.run([sys.executable, '-c', 'from shadow.processes import stand_back; stand_back(7)'])\n"
        "print(group.read_text().split()[-1] if group.exists() else 0)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, start_new_session=True, check=True
    ).stdout
    assert said.split() == ["0"]


def test_a_process_that_cannot_announce_itself_works_on(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("in the way", encoding="ascii")
    announcement = Announcement(tmp_path / "run", "worker", NOW)
    announcement.tell(state="well")
    announcement.withdraw()
    assert presence.living(tmp_path / "run") == []
