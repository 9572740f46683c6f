"""The Dockerfile: pinned, locked, without rights, and without anything that is not the platform."""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")
INSTRUCTIONS = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", TEXT, flags=re.MULTILINE)).splitlines()


def stage(wanted: str) -> list[str]:
    """The instructions of one stage, those of the stages it is made from first."""
    stages: dict[str, list[str]] = {}
    current: list[str] = []
    for line in INSTRUCTIONS:
        if found := re.match(r"FROM (\S+) AS (\S+)", line):
            current = stages[found[2]] = list(stages.get(found[1], []))
        else:
            current.append(line)
    return stages[wanted]


def arguments(instruction: str, lines: list[str]) -> list[str]:
    return [line.partition(" ")[2].strip() for line in lines if line.startswith(f"{instruction} ")]


def test_the_base_image_is_an_argument_with_a_full_version() -> None:
    (base,) = arguments("ARG", INSTRUCTIONS)
    assert re.fullmatch(r"BASE_IMAGE=python:\d+\.\d+\.\d+-slim-\w+", base)
    outside = {line.split()[1] for line in INSTRUCTIONS if line.startswith("FROM ")}
    assert "${BASE_IMAGE}" in outside
    assert all(one == "${BASE_IMAGE}" or f" AS {one}" in TEXT for one in outside)


def test_both_builders_can_read_it() -> None:
    assert "# syntax" not in "\n".join(line for line in TEXT.splitlines() if line.startswith("# syntax"))
    assert not re.search(r"RUN --|COPY --chmod|COPY --link|<<", "\n".join(INSTRUCTIONS))


def test_packages_come_only_from_locks_with_hashes() -> None:
    installs = re.findall(r"pip(?: --python \S+)? install ([^&\n]*)", "\n".join(INSTRUCTIONS))
    assert installs
    assert all(
        "--require-hashes -r requirements-" in one or "--no-deps --no-index" in one for one in installs
    )


def test_the_image_and_the_load_test_run_as_a_numbered_user_by_an_entrypoint_that_is_no_shell() -> None:
    for target in ("umbra", "load"):
        lines = stage(target)
        assert arguments("USER", lines)[-1] == "10001:10001"
        assert isinstance(json.loads(arguments("ENTRYPOINT", lines)[-1]), list)
        assert arguments("CMD", lines) == []
        assert not any("/opt/build" in line for line in lines), "build tools in the image"
    assert json.loads(arguments("ENTRYPOINT", stage("umbra"))[-1]) == ["umbra"]
    assert INSTRUCTIONS[-1] == stage("umbra")[-1], "a plain `docker build .` makes another image"


def test_nothing_is_imported_from_the_working_directory_and_nobody_may_write_there() -> None:
    for target in ("umbra", "load"):
        assert arguments("WORKDIR", stage(target))[-1] == "/"
        assert "PYTHONSAFEPATH=1" in " ".join(arguments("ENV", stage(target))).split()


def test_every_volume_of_umbra_has_a_directory_that_its_user_owns() -> None:
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    places = set(re.findall(r"^      - (?:data|models|logs):(/\w+)", compose, re.MULTILINE))
    (made,) = re.findall(r"install --directory \S+ \S+ --mode=0750 ([/\w ]+)", "\n".join(INSTRUCTIONS))
    assert places == set(made.split())


def test_numerical_libraries_have_one_thread() -> None:
    environment = " ".join(arguments("ENV", stage("umbra")))
    assert {"OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1", "PYTHONUNBUFFERED=1"} <= set(environment.split())


def test_only_what_is_named_reaches_the_builder() -> None:
    rules = [
        line
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert rules[0] == "*"
    allowed = {line[1:] for line in rules if line.startswith("!")}
    copied = {
        word
        for line in INSTRUCTIONS
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    }
    assert copied == allowed
    assert all((ROOT / one).exists() for one in allowed)
    assert not any(one.startswith(".") for one in allowed)
