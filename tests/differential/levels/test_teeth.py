"""Ten faults are planted for real; each is found, and the first level that fails is the right one.

That nothing is found without a fault, in a copy of the code or in place of it, test_harmless.py shows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import builds
import faults
import numpy as np
import pytest
from faults import Fault
from serving import Api

from differential_tests import questions
from differential_tests.findings import Level
from differential_tests.levels.research import refit
from differential_tests.levels.suite import Suite
from differential_tests.questions import corpus
from differential_tests.settings import tolerances
from model_package import dataset
from model_package.synthetic import synthetic

LEVELS = list(Level)
EXAMPLES = 10
EDGES = corpus.questions(ordinary=0)[::8]
Start = Callable[..., Api]


def _up_to(level: Level) -> list[Level]:
    return LEVELS[: LEVELS.index(level) + 1]


def _first(package: Path, level: Level, sales: Path, **more: object) -> Level | None:
    """Run the levels up to `level` and return the first that fails."""
    suite = Suite(
        package,
        tolerances.read(),
        sales=sales,
        questions=EDGES,
        recipes=builds.RECIPES,
        levels=frozenset(_up_to(level)),
        examples=EXAMPLES,
        **more,  # type: ignore[arg-type]
    )
    checks = list(suite.checks())
    assert [check.error for check in checks if check.error] == []
    assert {check.level for check in checks} == set(_up_to(level)) - (
        {Level.D2} if not suite.service else set()
    )
    return min((check.level for check in checks if check.findings), default=None)


@pytest.mark.parametrize("fault", faults.IN_PACKAGE, ids=lambda fault: fault.name)
def test_a_fault_in_the_package_is_found(
    fault: Fault, models: Path, sales: Path, start: Start, tmp_path: Path
) -> None:
    code = builds.build(fault.patch, tmp_path / "build")
    more = ["--sales", str(sales), "--examples", str(EXAMPLES), "--payloads", str(_edges(tmp_path))]
    if fault.served:
        more += ["--service", start(code=code).url]
    package = (
        builds.train(code, "linear", sales, tmp_path / "models") if fault.trained else models / "linear" / "1"
    )
    seen = builds.climb(code, package, _up_to(fault.level), *more)
    assert seen.first is fault.level, seen.text
    assert seen.ran == set(_up_to(fault.level)) - (set() if fault.served else {Level.D2})


def _edges(directory: Path) -> Path:
    path = directory / "edges.jsonl"
    questions.write(path, EDGES)
    return path


@pytest.mark.parametrize("fault", faults.IN_API, ids=lambda fault: fault.name)
def test_a_fault_in_the_api_is_found(
    fault: Fault, models: Path, sales: Path, start: Start, tmp_path: Path
) -> None:
    api = start(code=builds.build(fault.patch, tmp_path / "build"))
    found = _first(models / "linear" / "1", fault.level, sales, service=api.url)
    assert found is fault.level


def test_an_encoder_left_over_from_an_earlier_training_is_found(
    models: Path, sales: Path, tmp_path: Path
) -> None:
    earlier = refit("linear", dataset.split(synthetic(800, seed=4)), 7, tmp_path / "earlier").directory

    def stale(files: dict[str, bytes]) -> None:
        files["encoder.json"] = (earlier / "encoder.json").read_bytes()

    package = builds.artifact(models / "linear" / "1", tmp_path / "models", stale)
    assert _first(package, Level.D1, sales) is Level.D1


def test_the_file_of_a_model_of_another_quantity_is_found(models: Path, sales: Path, tmp_path: Path) -> None:
    parts = dataset.split(dataset.read_csv(sales))
    feet = np.array([float(row["living_area"] or 0) for row in parts.train.rows])
    per_foot = dataset.dataset(parts.train.rows, parts.train.prices / feet, "dollars for a square foot")
    wrong = refit("gbm", replace(parts, train=per_foot), 7, tmp_path / "models").directory
    assert _first(models / "linear" / "1", Level.D4, sales, candidate=str(wrong)) is Level.D4
