"""Each API process has a CPU of its own, and one CPU too few never keeps a process from answering."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

ALLOWED = sorted(os.sched_getaffinity(0))


def pinned(place: int, workers: int) -> list[int]:
    show = "import os; print(*sorted(os.sched_getaffinity(0)))"
    code = f"from api.server import pin; pin({place}, {workers}); {show}"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return [int(number) for number in said.split()]


@pytest.mark.parametrize("place", [0, len(ALLOWED) - 1, len(ALLOWED), 3 * len(ALLOWED) + 1])
def test_a_worker_stays_on_one_cpu_also_while_more_live_than_were_asked_for(place: int) -> None:
    assert pinned(place, len(ALLOWED)) == [ALLOWED[place % len(ALLOWED)]]


def test_more_workers_than_cpus_are_left_to_the_kernel() -> None:
    assert pinned(0, len(ALLOWED) + 1) == ALLOWED
