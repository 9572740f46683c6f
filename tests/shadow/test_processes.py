"""Processes come back when they die, go when they are told, and never outlive what started them."""

from __future__ import annotations

import http.server
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import pytest
from patience import PATIENCE_SECONDS
from ports import free_ports

from shadow import processes
from shadow.backoff import Backoff
from shadow.processes import CannotRun, Child, handover
from shadow.processes import heartbeat as presence
from shadow.processes.heartbeat import Heartbeat
from shadow.settings import Settings
from umbra import launch

NOW = datetime(2026, 11, 21, tzinfo=UTC)
STAY = (
    "from shadow import processes\n"
    "stop = processes.stop_on_signals(); processes.end_with_parent()\n"
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
    kept.supervise(now=0.0)
    first = kept.process
    assert first is not None
    first.wait()
    assert kept.supervise(now=0.1) == 7
    assert kept.supervise(now=0.2) is None
    assert not kept.is_running
    kept.supervise(now=10.0)
    assert kept.process is not None
    assert kept.process.pid != first.pid
    kept.wait_or_kill(20)


def test_a_process_told_to_stop_ends_by_itself() -> None:
    kept = child(STAY)
    kept.output = subprocess.PIPE
    kept.supervise(now=0.0)
    assert kept.process is not None
    process = kept.process
    assert process.stdout is not None
    assert process.stdout.readline() == b"here\n"
    kept.terminate()
    kept.wait_or_kill(20)
    assert process.returncode == 0


def test_a_process_that_does_not_listen_is_killed() -> None:
    kept = child(STUBBORN)
    kept.output = subprocess.PIPE
    kept.supervise(now=0.0)
    process = kept.process
    assert process is not None
    assert process.stdout is not None
    process.stdout.readline()
    kept.terminate()
    kept.wait_or_kill(0.2)
    assert process.returncode == -signal.SIGKILL


def test_children_go_when_their_parent_is_killed() -> None:
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import os, sys, time; from shadow.processes import Child\n"
            f"kept = Child('child', [sys.executable, '-c', {STAY!r}], os.environ)\n"
            "kept.supervise(0.0); print(kept.pid, flush=True); time.sleep(60)",
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
        "import sys, pathlib, datetime; from shadow.processes.heartbeat import Heartbeat\n"
        "a = Heartbeat(pathlib.Path(sys.argv[1]), 'ingest', datetime.datetime.now(datetime.UTC))\n"
        "a.report(oldest=None); print(1, flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    other.stdout.readline()
    mine = Heartbeat(tmp_path, "worker", NOW)
    mine.report(state="well")
    assert [(p.role, p.pid, dict(p.facts)) for p in presence.live_processes(tmp_path)] == [
        ("ingest", other.pid, {"oldest": None}),
        ("worker", os.getpid(), {"state": "well"}),
    ]
    other.kill()
    other.wait()
    assert [p.role for p in presence.live_processes(tmp_path)] == ["worker"]
    mine.close()
    assert presence.live_processes(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def announced(run_dir: Path, role: str) -> subprocess.Popen[str]:
    """A process that has announced itself, and ends when its input does."""
    code = (
        "import sys, pathlib, datetime; from shadow.processes.heartbeat import Heartbeat\n"
        "a = Heartbeat(pathlib.Path(sys.argv[1]), sys.argv[2], datetime.datetime.now(datetime.UTC))\n"
        "print(1, flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, run_dir, role], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def heartbeat(run_dir: Path, pid: int) -> float:
    return next(p.beat_at for p in presence.live_processes(run_dir) if p.pid == pid and p.beat_at is not None)


def test_a_process_that_is_stopped_is_named_and_one_that_moves_is_not(tmp_path: Path) -> None:
    stopped, moving = announced(tmp_path, "ingest"), announced(tmp_path, "evidence")
    os.kill(stopped.pid, signal.SIGSTOP)
    last, begun = heartbeat(tmp_path, stopped.pid), heartbeat(tmp_path, moving.pid)
    assert processes.wait_until(lambda: heartbeat(tmp_path, moving.pid) > begun + 2, 30, threading.Event())
    assert heartbeat(tmp_path, stopped.pid) == last
    (told,) = presence.troubles(presence.live_processes(tmp_path), last + presence.SILENT_SECONDS + 1)
    assert told.startswith(f"ingest (pid {stopped.pid}) has not moved for 11 s: it is stopped")
    os.kill(stopped.pid, signal.SIGCONT)
    assert processes.wait_until(lambda: heartbeat(tmp_path, stopped.pid) > last, 30, threading.Event())
    for process in (stopped, moving):
        process.kill()
        process.wait()


def test_a_child_that_is_not_there_is_named_with_how_it_ended(tmp_path: Path) -> None:
    environment = dict(os.environ)
    failing = Child("ingest", [sys.executable, "-c", "raise SystemExit(3)"], environment)
    failing.supervise(time.monotonic())
    assert processes.wait_until(lambda: not failing.is_running, 30, threading.Event())
    failing.supervise(time.monotonic())
    living = announced(tmp_path, "evidence")
    started = time.monotonic()
    children = {
        "ingest": failing.status_facts(),
        "evidence": {"pid": living.pid, "since": started, "ends": 0, "status": None},
        "scoring gbm@1": {"pid": living.pid + 1, "since": started, "ends": 0, "status": None},
    }
    worker = Heartbeat(tmp_path, "worker", NOW)
    worker.report(children=children)
    present = presence.live_processes(tmp_path)
    assert presence.troubles(present, started) == [
        "ingest is missing: it ended with status 3, and is started again"
    ]
    late = presence.troubles(
        [replace(one, beat_at=None) for one in present], started + presence.STARTING_SECONDS
    )
    assert "scoring gbm@1 is missing: it was started and does not begin" in late
    worker.close()
    living.kill()
    living.wait()


def test_an_api_without_a_worker_is_told(tmp_path: Path) -> None:
    api = Heartbeat(tmp_path, "api", NOW)
    (told,) = presence.troubles(presence.live_processes(tmp_path), time.monotonic())
    assert told.startswith("worker is missing")
    api.close()
    assert presence.troubles(presence.live_processes(tmp_path), time.monotonic()) == []


def test_the_worker_stands_back_from_live_answers() -> None:
    code = (
        "import os, pathlib; from shadow.processes import lower_priority; lower_priority(7)\n"
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
        "lower = 'from shadow.processes import lower_priority; lower_priority(7)'\n"
        "subprocess.run([sys.executable, '-c', lower])\n"
        "print(group.read_text().split()[-1] if group.exists() else 0)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, start_new_session=True, check=True
    ).stdout
    assert said.split() == ["0"]


def test_a_process_that_cannot_announce_itself_works_on(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("in the way", encoding="ascii")
    own_heartbeat = Heartbeat(tmp_path / "run", "worker", NOW)
    own_heartbeat.report(state="well")
    own_heartbeat.close()
    assert presence.live_processes(tmp_path / "run") == []


HOLDER = """
import os, pathlib, sys, time
from shadow import processes
processes.claim(pathlib.Path(sys.argv[1]), "api")
if len(sys.argv) == 2:  # it stays the holder when it becomes another program
    print("claimed", flush=True)
    os.execv(sys.executable, [sys.executable, "-c", "import sys; sys.stdin.read()"])
if os.fork() == 0:
    print(os.getpid(), flush=True)
    time.sleep(60)
sys.stdin.read()
"""


def holder(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLDER, str(folder), *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process


def refuse(folder: Path) -> None:
    for claiming in (processes.claim, processes.check_unclaimed):
        with pytest.raises(
            CannotRun, match=f"another api already serves {folder}; stop it, or give this one"
        ):
            claiming(folder, "api")


def test_a_data_directory_is_held_through_an_exec_and_free_at_once_when_the_holder_is_killed(
    tmp_path: Path,
) -> None:
    processes.check_unclaimed(tmp_path, "api")
    with holder(tmp_path) as held:
        assert held.stdout is not None
        held.stdout.readline()
        until(lambda: _runs(held.pid, "sys.stdin.read()"))
        refuse(tmp_path)
        processes.check_unclaimed(tmp_path, "worker")
        held.kill()
    processes.check_unclaimed(tmp_path, "api")
    with processes.exclusive(tmp_path, "api"):
        pass


def test_a_metrics_directory_of_another_one_is_refused_and_one_that_is_no_use_is_not(
    tmp_path: Path, settings: Callable[..., Settings]
) -> None:
    shared, file = tmp_path / "metrics", tmp_path / "file"
    file.touch()
    with holder(shared) as held:
        assert held.stdout is not None
        held.stdout.readline()
        with pytest.raises(CannotRun, match=f"another api .* {shared}; .* its own UMBRA_METRICS_DIR"):
            processes.claim_all(settings(metrics_dir=shared), "api")
        held.kill()
    processes.claim_all(settings(metrics_dir=file), "api")


def test_forks_that_outlive_the_holder_do_not_hold_the_data_directory(tmp_path: Path) -> None:
    held = holder(tmp_path, "with a fork")
    assert held.stdout is not None
    fork = int(held.stdout.readline())
    refuse(tmp_path)
    held.kill()
    held.wait()
    try:
        assert _lives(fork)
        processes.check_unclaimed(tmp_path, "api")
        with processes.exclusive(tmp_path, "api"):
            pass
    finally:
        os.kill(fork, signal.SIGKILL)


def _runs(pid: int, code: str) -> bool:
    return Path(f"/proc/{pid}/cmdline").read_text().endswith(f"{code}\0")


class _Answering(http.server.BaseHTTPRequestHandler):
    headers_sent: ClassVar[dict[str, str]] = {}

    def do_GET(self) -> None:
        self.send_response(200)
        for name, value in self.headers_sent.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


def test_only_the_answer_of_its_own_api_is_believed_by_umbra_up(settings: Callable[..., Settings]) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        chosen = settings(api_port=server.server_port)
        children = launch.plan(chosen, {}, traffic_rate=None)
        other = launch.plan(chosen, {}, traffic_rate=None)
        for whose, believed in ((None, False), (other, False), (children, True)):
            api = None if whose is None else whose[0].environment[handover.INSTANCE_VARIABLE]
            _Answering.headers_sent = {} if api is None else {handover.INSTANCE_HEADER: api}
            assert launch.is_ready(chosen, children) is believed
        server.shutdown()


def test_a_taken_port_is_named_whatever_the_family(settings: Callable[..., Settings]) -> None:
    for host, shown in (("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.create_server((host, 0), family=family) as taken:
            port = taken.getsockname()[1]
            for name in ("api_port", "api_metrics_port", "worker_metrics_port"):
                hosts = {"api_host": host, "metrics_host": host}
                free = dict(
                    zip(("api_port", "api_metrics_port", "worker_metrics_port"), free_ports(3), strict=True)
                )
                with pytest.raises(CannotRun, match=re.escape(f"{shown}:{port}: Address already in use")):
                    launch.check_alone(settings(**hosts | free | {name: port}))


def test_the_api_waits_for_no_back_off_and_only_it_knows_the_token(settings: Callable[..., Settings]) -> None:
    secrets = {"UMBRA_ADMIN_TOKEN": "canary", "UMBRA_STORE_URL": "sqlite:////x", "PGPASSWORD": "canary"}
    children = {child.name: child for child in launch.plan(settings(), secrets, traffic_rate=1.0)}
    assert max(children["api"].backoff.next() for _ in range(50)) <= 0.2
    assert max(children["worker"].backoff.next() for _ in range(50)) == 30.0
    known = {name: secrets.keys() & child.environment.keys() for name, child in children.items()}
    assert known == {
        "api": secrets.keys(),
        "worker": {"UMBRA_STORE_URL", "PGPASSWORD"},
        "traffic": set(),
    }


def test_what_a_killed_process_leaves_behind_is_adopted_given_time_and_then_killed() -> None:
    code = """
import os, subprocess, sys
from shadow.processes import descendants; from shadow import start; from umbra.orphans import Orphans
start.adopt_orphans()
orphan = "import os, sys, time; print(os.getpid(), flush=True); time.sleep(60)"
middle = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {orphan!r}], process_group=0)"
parent = subprocess.Popen([sys.executable, "-c", middle], stdout=subprocess.PIPE)
pid = int(parent.stdout.readline())
parent.wait()
while pid not in descendants.children():
    pass
orphans = Orphans()
orphans.reap([], now=0.0)
orphans.reap([], now=14.0)
os.kill(pid, 0)
orphans.reap([], now=16.0)
while pid in descendants.children():
    orphans.reap([], now=17.0)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_those_who_answer_for_a_killed_api_stay_until_the_next_one_answers(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from shadow.processes import descendants; from shadow import start; from umbra.orphans import Orphans
from shadow.backoff import Backoff
from shadow.processes.handover import Handover
from shadow.processes import Child
from shadow.settings import Settings
start.adopt_orphans()
worker = "import signal; signal.pause()"
api = f'''
import os, signal, subprocess, sys
from shadow.processes import handover
subprocess.Popen([sys.executable, "-c", {worker!r}])
if os.path.exists("wait"):
    signal.pause()
handover.inherited().report_answering(os.getpid())
signal.pause()
'''
handover = Handover(Settings.from_environment())
orphans = Orphans(handover)
child = Child("api", [sys.executable, "-c", api], dict(os.environ) | handover.environment,
              descriptors=handover.descriptors, backoff=Backoff(0.0, 0.0))
def tend(now):
    child.supervise(now)
    orphans.reap([child], now)
def left():
    return [pid for pid in descendants.children() if pid != child.pid]
tend(0.0)
while handover.answering_api() != child.pid:
    pass
killed = child.pid
os.kill(killed, signal.SIGKILL)
open("wait", "w").close()
while child.pid in (0, killed):
    tend(1.0)
(orphan,) = left()
for now in (2.0, 100.0, 1000.0):
    tend(now)
assert left() == [orphan]
child.terminate()
child.wait_or_kill(10)
os.unlink("wait")
while handover.answering_api() in (0, killed):
    tend(1001.0)
while left():
    tend(1001.0)
child.kill()
orphans.terminate([child])
orphans.stop([child], 10.0)
assert left() == []
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("UMBRA_")}
    (port,) = free_ports(1)
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
        env=environment | {"UMBRA_API_PORT": str(port), "UMBRA_DATA_DIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
