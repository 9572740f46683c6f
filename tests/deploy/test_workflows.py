"""GitHub's workflows: they are valid, can do no harm, and run the commands that everybody runs."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

HERE = Path(__file__).parents[2]
WORKFLOWS = sorted((HERE / ".github/workflows").glob("*.yml"))
NAMES = [file.name for file in WORKFLOWS]
each_workflow = pytest.mark.parametrize("file", WORKFLOWS, ids=NAMES)


def read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return found


def jobs(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = read(file)["jobs"]
    return found


def steps(file: Path) -> Iterator[dict[str, Any]]:
    for job in jobs(file).values():
        yield from job["steps"]


def commands(file: Path) -> str:
    return "\n".join(step["run"] for step in steps(file) if "run" in step)


def test_all_that_is_promised_is_there() -> None:
    assert NAMES == ["checks.yml", "differential.yml", "nightly.yml"]


def test_they_are_what_github_reads() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    result = subprocess.run([*command, *map(str, WORKFLOWS)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


@each_workflow
def test_what_is_used_of_others_is_pinned_to_a_commit(file: Path) -> None:
    used = [line for line in file.read_text(encoding="utf-8").splitlines() if "uses:" in line]
    assert used
    for line in used:
        assert re.search(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


@each_workflow
def test_nothing_may_write_but_the_job_that_comments_and_runs_no_code_of_a_change(file: Path) -> None:
    assert read(file)["permissions"] == {"contents": "read"}
    for name, job in jobs(file).items():
        if name == "comment":
            assert job["permissions"] == {"pull-requests": "write"}
            assert not any("actions/checkout" in step.get("uses", "") for step in job["steps"])
        else:
            assert "permissions" not in job


@each_workflow
def test_no_text_of_a_change_is_put_into_a_command(file: Path) -> None:
    assert "${{" not in commands(file)
    assert "pull_request_target" not in file.read_text(encoding="utf-8")


@each_workflow
def test_every_job_ends(file: Path) -> None:
    assert all(job["timeout-minutes"] <= 120 for job in jobs(file).values())


def test_the_parts_of_the_build_are_run_by_its_own_command() -> None:
    offered = re.search(r"in (lint \| tests \| stack)\)", (HERE / ".ci/run").read_text(encoding="utf-8"))
    asked = re.findall(r"^\.ci/run (\w+)$", commands(HERE / ".github/workflows/checks.yml"), re.MULTILINE)
    assert offered is not None
    assert set(asked) < set(offered[1].split(" | ")), "the stack is started by the README's commands instead"
    assert asked == ["lint", "tests"]


def test_an_unknown_part_is_refused_by_name() -> None:
    result = subprocess.run([HERE / ".ci/run", "lnit"], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (2, "no part 'lnit': expected lint, tests or stack\n")


def test_the_stack_is_started_as_the_readme_says() -> None:
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    started = next(
        step["run"] for step in jobs(HERE / ".github/workflows/checks.yml")["stack"]["steps"] if "run" in step
    )
    for command in started.splitlines():
        assert f"$ {command}" in readme, command


def test_the_oldest_supported_python_is_tested_and_that_of_the_image() -> None:
    tested = jobs(HERE / ".github/workflows/checks.yml")["tests"]["strategy"]["matrix"]["python"]
    oldest = re.search(
        r'requires-python = ">=([\d.]+)"', (HERE / "pyproject.toml").read_text(encoding="utf-8")
    )
    image = re.search(r"python:(3\.\d+)", (HERE / "Dockerfile").read_text(encoding="utf-8"))
    assert oldest is not None
    assert image is not None
    assert oldest[1] == tested[0]
    assert image[1] in tested


@each_workflow
def test_what_is_run_is_there(file: Path) -> None:
    for word in re.findall(
        r"(?<![\w./-])(?:tests|deploy|\.ci|differential_tests)(?:/[\w./-]+)?", commands(file)
    ):
        assert (HERE / word).exists(), word


def test_every_variable_is_one_that_a_test_reads() -> None:
    told = {
        name for file in WORKFLOWS for name in re.findall(r"UMBRA_TEST_\w+", file.read_text(encoding="utf-8"))
    }
    files = [*(HERE / "tests").rglob("*.py"), *(HERE / "differential_tests").rglob("*.py")]
    read_by_tests = "\n".join(one.read_text(encoding="utf-8") for one in files if one != Path(__file__))
    assert told
    for name in told:
        assert name in read_by_tests, name
