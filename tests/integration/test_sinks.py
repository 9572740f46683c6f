"""The metrics directory full or forbidden, the log's reader asleep: answers do not notice (promise P1)."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness import disks
from harness.audit import audit
from harness.load import Asker, houses
from harness.stack import MakeStack, Stack

QUIET = houses(60)
TIMES_SLOWER = 5.0
LEAST_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Asked:
    """The prices of the same houses, byte for byte, and the median time of an answer."""

    asker: Asker
    prices: list[Sequence[str]]
    seconds: float


def ask(stack: Stack) -> Asked:
    """Ask for the same houses as ever; every answer has to come."""
    asker = Asker(stack)
    given = [answer for house in QUIET if (answer := asker.ask([house])) is not None]
    assert asker.faults == []
    seconds = sorted(answer.seconds for answer in given)[len(given) // 2]
    return Asked(asker, [answer.prices for answer in given], seconds)


@pytest.fixture(scope="module")
def healthy(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """What a stack without any trouble answers."""
    directory = tmp_path_factory.mktemp("healthy")
    shutil.copytree(prepared / "data", directory / "data")
    stack = Stack(directory, prepared / "models")
    try:
        serve(stack)
        yield ask(stack)
    finally:
        stack.end()


def serve(stack: Stack, output: int | None = None) -> subprocess.Popen[bytes]:
    """The API alone."""
    api = stack.start("serve", output=output)
    stack.wait_ready(api)
    return api


def check_unharmed(healthy: Asked, troubled: Stack) -> Asker:
    """The same answers at the same pace."""
    asked = ask(troubled)
    assert asked.prices == healthy.prices
    assert asked.seconds <= TIMES_SLOWER * max(healthy.seconds, LEAST_SECONDS)
    return asked.asker


def check_stored(stack: Stack, asker: Asker) -> None:
    """A worker with the same trouble still brings everything into the store."""
    stack.start("work")
    stack.wait_drained()
    audit(stack, [asker])


def test_a_metrics_directory_that_cannot_be_made_costs_no_answer_and_no_observation(
    make_stack: MakeStack, healthy: Asked, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    stack = make_stack(metrics_dir=tmp_path / "file" / "metrics")
    serve(stack)
    check_stored(stack, check_unharmed(healthy, stack))


def test_a_metrics_directory_without_room_costs_no_answer(
    make_stack: MakeStack, healthy: Asked, mounted: Callable[..., None], tmp_path: Path
) -> None:
    disks.small(mounted, tmp_path / "metrics", 8192)
    stack = make_stack(metrics_dir=tmp_path / "metrics")
    serve(stack)
    check_unharmed(healthy, stack)


def test_a_log_that_nobody_reads_costs_no_answer_and_does_not_keep_the_api_from_stopping(
    make_stack: MakeStack, healthy: Asked
) -> None:
    reader, writer = os.pipe()
    try:
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        stack = make_stack()
        api = serve(stack, writer)
        check_unharmed(healthy, stack)
        assert stack.stop(api) == 0
    finally:
        os.close(reader)
        os.close(writer)


def test_a_log_whose_reader_is_gone_costs_no_answer(make_stack: MakeStack, healthy: Asked) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        stack = make_stack()
        serve(stack, writer)
        check_unharmed(healthy, stack)
    finally:
        os.close(writer)
