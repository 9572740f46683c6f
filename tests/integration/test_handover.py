"""The API of `umbra up` killed again and again: who asks is not refused and waits for no process start."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from harness.audit import audit
from harness.load import Asker, houses
from harness.stack import MakeStack, Stack
from harness.waiting import wait_until

KILLS = 5
PAUSE_SECONDS = 0.05


@contextmanager
def asking(stack: Stack) -> Iterator[Asker]:
    """Asks for one price after the other while the context lasts, each over a connection of its own."""
    asker, stop = Asker(stack), threading.Event()

    def ask() -> None:
        while not stop.wait(PAUSE_SECONDS):
            asker.ask(houses(1))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield asker
    finally:
        stop.set()
        thread.join(60)


def test_whoever_asks_while_the_api_is_killed_again_and_again_is_answered_by_those_it_left(
    make_stack: MakeStack,
) -> None:
    stack = make_stack(journal_write_seconds=5)  # a slow machine drops nothing
    up = stack.up()
    with asking(stack) as asker:
        for _ in range(KILLS):
            left = set(stack.pids("api worker"))
            killed = stack.kill("api", random.Random(0))
            since = datetime.now(UTC).isoformat()
            ready = wait_until(lambda k=killed: _next(stack, k), 60, stack.explain)
            wait_until(lambda o=left: not any(_lives(pid) for pid in o), 60, stack.explain)
            assert _answered(stack, left, since, min(ready)), "nobody answered until the next API did"
        count = len(asker.answers)
        wait_until(lambda: len(asker.answers) > count + 5, 60, stack.explain)
    assert asker.faults == []
    counted = stack.metric("api", "umbra_captures_written_total")
    assert counted == asker.acknowledged, "what they counted who answered for a killed API goes on once"
    stack.wait_drained()
    audit(stack, [asker])
    assert stack.stop(up) == 0
    assert stack.processes() == []


def test_processes_that_answer_for_a_killed_api_end_with_umbra_up_however_that_ends(
    make_stack: MakeStack,
) -> None:
    stack = make_stack(api_host="::")
    for number, status in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 0)):
        up = stack.up()
        asker = Asker(stack)
        asker.ask(houses(3))
        (killed,) = stack.pids("api")
        left = set(stack.pids("api worker"))
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda k=killed: not _lives(k), 60, stack.explain)
        asker.ask(houses(3))
        assert asker.faults == []
        up.send_signal(number)
        assert up.wait(100) == status, stack.explain()
        wait_until(lambda o=left: not any(_lives(pid) for pid in o), 60, stack.explain)
        wait_until(lambda: stack.processes() == [], 60, stack.explain)
    assert not stack.settings.metrics_files("api").exists()


def _next(stack: Stack, killed: int) -> list[str]:
    """When processes of the API after the killed one were ready to answer; none: it has not come so far."""
    workers = set(stack.pids("api worker")) if killed not in stack.pids("api") else set()
    ready = [line for line in stack.events("worker_ready") if line["process"]["pid"] in workers]  # type: ignore[index]
    return [str(line["@timestamp"]) for line in ready]


def _answered(stack: Stack, pids: Collection[int], since: str, until: str) -> bool:
    """Whether one of these processes answered a request between two moments, by its own lines."""
    lines = [line for line in stack.events("request") if line["process"]["pid"] in pids]  # type: ignore[index]
    return any(since < str(line["@timestamp"]) < until for line in lines)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
