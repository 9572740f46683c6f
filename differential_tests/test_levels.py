"""Suite on this repository: both recipes, the package, the API and the golden answers, level by level."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from serving import Api  # type: ignore[import-not-found]  # tests/machine

from differential_tests import golden
from differential_tests.conftest import REPOSITORY, RequireNoFindings, RunLevels
from differential_tests.findings import Level

RECIPES = ("linear", "gbm")
SAMPLE = 20
"""Houses that hypothesis tries where it tried its many on other models."""


def test_d0_a_model_differs_from_itself_by_nothing(
    models: Path, run_levels: RunLevels, require_no_findings: RequireNoFindings
) -> None:
    require_no_findings(run_levels(models / "gbm" / "1", Level.D0))


def test_d0_the_api_differs_from_itself_by_nothing_whichever_worker_answers(
    api: Api, models: Path, run_levels: RunLevels, require_no_findings: RequireNoFindings
) -> None:
    require_no_findings(run_levels(models / "linear" / "1", Level.D0, service=api.url))
    if len(api.answered_by()) != api.workers:
        pytest.fail(f"expected answers of {api.workers} processes, got {api.answered_by()}")


@pytest.mark.parametrize("recipe", RECIPES)
def test_d1_the_package_answers_as_the_research_pipeline(
    recipe: str,
    models: Path,
    synthetic_sales: Path,
    run_levels: RunLevels,
    require_no_findings: RequireNoFindings,
) -> None:
    checks = run_levels(models / recipe / "1", Level.D1, sales=synthetic_sales)
    require_no_findings(checks)
    if f"{recipe} as it was saved" not in {check.name for check in checks}:
        pytest.fail("the saved artifact was not compared")


def test_d2_the_api_answers_as_the_package(
    api: Api,
    models: Path,
    synthetic_sales: Path,
    run_levels: RunLevels,
    require_no_findings: RequireNoFindings,
) -> None:
    require_no_findings(run_levels(models / "linear" / "1", Level.D2, service=api.url, sales=synthetic_sales))


def test_d3_the_code_answers_as_it_did_and_what_changed_since_the_base_was_approved(
    models: Path, run_levels: RunLevels, require_no_findings: RequireNoFindings
) -> None:
    base = os.environ.get("UMBRA_TEST_BASE", "HEAD")
    require_no_findings(run_levels(models / "linear" / "1", Level.D3, base=base if _is_known(base) else ""))


def _is_known(commit: str) -> bool:
    """Return whether the history of this checkout has the golden answers; an archive has none."""
    object_name = f"{commit}:differential_tests/golden/{golden.QUESTIONS}"
    process = subprocess.run(
        ["git", "-c", "safe.directory=*", "cat-file", "-e", object_name],  # noqa: S607
        cwd=REPOSITORY,
        capture_output=True,
        check=False,
    )
    return process.returncode == 0


def test_d4_a_candidate_of_the_other_recipe_says_nothing_absurd(
    models: Path, run_levels: RunLevels, require_no_findings: RequireNoFindings
) -> None:
    require_no_findings(run_levels(models / "linear" / "1", Level.D4, candidate=str(models / "gbm" / "1")))


def test_d5_relations_hold_of_trees(
    models: Path, synthetic_sales: Path, run_levels: RunLevels, require_no_findings: RequireNoFindings
) -> None:
    require_no_findings(run_levels(models / "gbm" / "1", Level.D5, sales=synthetic_sales))


def test_d5_relations_hold_of_the_ridge_and_of_the_api(
    api: Api,
    models: Path,
    synthetic_sales: Path,
    run_levels: RunLevels,
    require_no_findings: RequireNoFindings,
) -> None:
    require_no_findings(run_levels(models / "linear" / "1", Level.D5, sales=synthetic_sales, service=api.url))


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_real_sales_say_the_same_of_package_and_candidate(
    recipe: str,
    ames_sales: Path,
    ames_models: Path,
    run_levels: RunLevels,
    require_no_findings: RequireNoFindings,
) -> None:
    levels = (Level.D0, Level.D1, Level.D4, Level.D5)
    require_no_findings(run_levels(ames_models / recipe / "1", *levels, sales=ames_sales, examples=SAMPLE))


def test_the_real_sales_say_the_same_of_package_and_api(
    api: Api, models: Path, ames_sales: Path, run_levels: RunLevels, require_no_findings: RequireNoFindings
) -> None:
    require_no_findings(
        run_levels(models / "linear" / "1", Level.D2, service=api.url, sales=ames_sales, questions=())
    )
