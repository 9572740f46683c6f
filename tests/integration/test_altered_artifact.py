"""An artifact that is not what was saved is refused, in one line that names the file."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from harness import artifacts
from harness.load import Load
from harness.stack import MakeStack, Stack
from harness.waiting import wait_until


@pytest.fixture
def altered_live(make_stack: MakeStack, models: Path) -> Stack:
    """A stack whose live model was altered after it was saved."""
    stack = make_stack()
    live = models / "linear" / "1" / "model.json"
    with artifacts.altered(live):
        spoilt = live.read_bytes()
    live.unlink()
    live.write_bytes(spoilt)
    return stack


@pytest.mark.parametrize("command", [("models", "verify"), ("serve",), ("up",)])
def test_an_altered_live_model_is_refused_by(altered_live: Stack, command: tuple[str, ...]) -> None:
    result = altered_live.run(*command)
    assert result.returncode == 1
    said = result.stdout + result.stderr
    assert "linear/1/model.json: altered" in said
    assert "Traceback" not in said
    assert altered_live.processes() == []


def test_an_altered_model_cannot_become_a_candidate(altered_live: Stack) -> None:
    result = altered_live.run("candidates", "add", "linear@1")
    assert result.returncode == 1
    assert "linear/1/model.json: altered" in result.stderr


def test_an_api_process_that_finds_its_model_altered_leaves_the_answering_to_the_others(
    make_stack: MakeStack, models: Path
) -> None:
    stack = make_stack(api_workers=2)
    stack.up()
    wait_until(lambda: len(stack.events("worker_ready")) == 2, 30, stack.explain)
    first, second = _both(stack)
    with Load(stack) as load, artifacts.altered(models / "linear" / "1" / "model.json"):
        load.more(5)
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: stack.events("cannot_start"), 30, stack.explain)
        unanswered = len(load.faults)
        load.more(30)
        assert load.faults[unanswered:] == []
        assert second in stack.pids("api worker")
    assert len(wait_until(lambda: _both(stack), 30, stack.explain)) == 2


def _both(stack: Stack) -> list[int]:
    found = stack.pids("api worker")
    return found if len(found) == 2 else []
