"""Ctrl-C on `umbra up`: it stops in order, loses nothing, leaves nothing behind, goes on the next time."""

from __future__ import annotations

import os
import signal
import subprocess

from harness.audit import audit, check_ledger, stored
from harness.load import Load
from harness.stack import MakeStack, Stack
from harness.waiting import wait_until


def to_it_alone(process: subprocess.Popen[bytes]) -> None:
    """SIGINT to `umbra up`."""
    process.send_signal(signal.SIGINT)


def to_the_foreground_group(process: subprocess.Popen[bytes]) -> None:
    """SIGINT to its process group, as a terminal sends it."""
    os.killpg(process.pid, signal.SIGINT)


INTERRUPTS = {"sqlite": to_it_alone, "postgresql": to_the_foreground_group}


def test_ctrl_c_under_load_loses_nothing_and_the_next_umbra_up_goes_on(
    make_stack: MakeStack, store_url: str
) -> None:
    stack = make_stack(store_url=store_url)
    first = stack.up()
    with Load(stack, seed=3) as before:
        before.more(60)
        wait_until(lambda: _has_scored(stack), 60, stack.explain)
        INTERRUPTS[store_url.partition(":")[0]](first)
        assert first.wait(100) == 0, stack.explain()
    assert stack.processes() == []
    assert "Traceback" not in stack.output.read_text()
    audit(stack, [before])
    facts = check_ledger(stack)
    assert facts["journal"]["segments"] == 0
    assert [one["pending"] for one in facts["candidates"]] == [0]
    second = stack.up()
    with Load(stack, seed=4) as after:
        after.more(20)
    assert after.faults == []
    stack.wait_drained()
    assert len(stored(stack)) >= before.acknowledged + after.acknowledged
    audit(stack, [before, after])
    assert stack.stop(second, signal.SIGINT) == 0


def _has_scored(stack: Stack) -> bool:
    """Whether the candidate's model runs: to start it within the seconds of a stop is not promised."""
    books = stack.status().store
    return books is not None and all(account.scored for account in books.accounts)
