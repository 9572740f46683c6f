"""Each API process keeps to a CPU of its own, which nobody else keeps to, or to none at all."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from api.server.cpus import Claims

ALLOWED = sorted(os.sched_getaffinity(0))


def kept_to(cpus: list[int], number: int) -> list[int]:
    """The CPUs that a process of its own is left with."""
    show = "import os; print(*sorted(os.sched_getaffinity(0)))"
    code = f"from api.server.cpus import pin_to; pin_to({cpus}, {number}); {show}"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return [int(cpu) for cpu in output.split()]


@pytest.mark.parametrize("number", [0, len(ALLOWED) - 1, len(ALLOWED), 3 * len(ALLOWED) + 1])
def test_a_worker_stays_on_one_cpu_also_while_more_live_than_were_asked_for(number):
    assert kept_to(ALLOWED, number) == [ALLOWED[number % len(ALLOWED)]]


def test_a_worker_without_a_claim_is_left_to_the_kernel():
    assert kept_to([], 0) == ALLOWED


def test_a_cpu_that_is_gone_keeps_no_worker_from_starting():
    assert kept_to([100_000], 0) == ALLOWED


def test_two_installations_never_pin_to_the_same_cpu(tmp_path):
    first, second = Claims(2, {0, 1, 2, 5}, tmp_path), Claims(2, {0, 1, 2, 5}, tmp_path)
    assert (first.cpus, second.cpus) == ([0, 1], [2, 5])
    assert Claims(1, {0, 1, 2, 5}, tmp_path).cpus == []


def test_too_few_free_cpus_are_left_to_others(tmp_path):
    first = Claims(1, {0, 1, 2}, tmp_path)
    assert Claims(3, {0, 1, 2}, tmp_path).cpus == []
    assert Claims(2, {0, 1, 2}, tmp_path).cpus == [1, 2]
    assert first.cpus == [0]


def test_more_processes_than_cpus_claim_none(tmp_path):
    assert Claims(3, {0, 1}, tmp_path).cpus == []
    assert list(tmp_path.iterdir()) == []


def test_a_claim_ends_with_the_process_that_has_it(tmp_path):
    claim = f"Claims(1, [3], Path({str(tmp_path)!r})).cpus"
    code = f"from pathlib import Path; from api.server.cpus import Claims; print({claim})"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output == "[3]\n"
    assert Claims(1, {3}, tmp_path).cpus == [3]


@pytest.mark.parametrize("obstacle", ["no directory", "a link", "a pipe"])
def test_where_a_claim_cannot_be_made_nothing_is_claimed(tmp_path, obstacle):
    claim = tmp_path / "umbra-cpu-0.lock"
    if obstacle == "a link":
        claim.symlink_to("/etc/hostname")
    if obstacle == "a pipe":
        os.mkfifo(claim)
        assert Claims(1, {0}, tmp_path).cpus == [0], "a pipe can be locked, and does not hold the start up"
        return
    assert Claims(1, {0}, tmp_path / "none" if obstacle == "no directory" else tmp_path).cpus == []
