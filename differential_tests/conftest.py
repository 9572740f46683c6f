"""Fixtures of the suite on this repository: sales, models trained once, a real API.

UMBRA_TEST_EXAMPLES=5000    houses that hypothesis tries (200)
UMBRA_TEST_BASE=origin/main   the commit whose golden answers count (HEAD)
UMBRA_TEST_AMES_CSV         the real sales, where they are not beside the repository
UMBRA_TEST_REPORTS          a folder for levels.xml, levels.html, levels.jsonl, levels.md
UMBRA_TEST_FOUND            a corpus to which the houses that broke a relation are added
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from serving import Api, prepare, serving  # type: ignore[import-not-found]  # tests/machine

from differential_tests import questions
from differential_tests.findings import Check, Level
from differential_tests.levels.search import EXAMPLES
from differential_tests.levels.suite import Suite
from differential_tests.options import ReportOptions
from differential_tests.reports import markdown
from differential_tests.settings import tolerances
from model_package import train
from model_package.dataset import Dataset, read_csv
from model_package.schema import NAMES
from model_package.synthetic import synthetic

HOUSES, SEED = 2500, 3
RECIPES = ("linear", "gbm")
TRAINED_AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
REPOSITORY = Path(__file__).parents[1]
RunLevels = Callable[..., list[Check]]
RequireNoFindings = Callable[[Sequence[Check]], None]
_checks: list[Check] = []


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Use a process per core for the whole suite, and this process for files named on the command line."""
    runs_all = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    return (os.cpu_count() or 1) if runs_all else 0


@pytest.fixture(scope="session")
def synthetic_sales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write synthetic sales as a CSV file."""
    path = tmp_path_factory.mktemp("sales") / "made_up.csv"
    _write(path, synthetic(HOUSES, SEED))
    return path


def _write(path: Path, sales: Dataset) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*NAMES, "sale_price"])
        writer.writeheader()
        writer.writerows(
            row | {"sale_price": price} for row, price in zip(sales.rows, sales.prices.tolist(), strict=True)
        )


@pytest.fixture(scope="session")
def ames_sales() -> Path:
    """Provide the Ames sales, which are never in the repository; skip the test without them."""
    beside = REPOSITORY.parent / "shared" / "data" / "ames_2006_2009.csv"
    path = Path(os.environ.get("UMBRA_TEST_AMES_CSV") or beside)
    if not path.is_file():
        pytest.skip("the real sales are not here: set UMBRA_TEST_AMES_CSV to ames_2006_2009.csv")
    return path


@pytest.fixture(scope="session")
def models(synthetic_sales: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Provide a read-only models directory with linear@1 and gbm@1, trained on synthetic sales."""
    return _train(synthetic_sales, tmp_path_factory.mktemp("made-up"))


@pytest.fixture(scope="session")
def ames_models(ames_sales: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Provide the models directory of the Ames sales."""
    return _train(ames_sales, tmp_path_factory.mktemp("real"))


def _train(sales: Path, directory: Path) -> Path:
    for recipe in RECIPES:
        train.train(recipe, read_csv(sales), directory, SEED, trained_at=TRAINED_AT)
    return directory


@pytest.fixture(scope="session")
def api(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Provide a real API with two workers, in which linear@1 is live."""
    data = tmp_path_factory.mktemp("data")
    prepare(models, data)
    with serving(models, data, workers=2) as running:
        yield running


@pytest.fixture(scope="session")
def run_levels() -> RunLevels:
    """Run the levels, and remember their checks for the reports."""

    def checks(package: Path, *levels: Level, examples: int = 0, **options: object) -> list[Check]:
        tried = examples or int(os.environ.get("UMBRA_TEST_EXAMPLES", EXAMPLES))
        suite = Suite(
            package,
            tolerances.read(),
            levels=frozenset(levels),
            recipes=RECIPES,
            examples=tried,
            **options,  # type: ignore[arg-type]
        )
        checks_made = list(suite.checks())
        _checks.extend(checks_made)
        _save_questions(suite.new_questions)
        return checks_made

    return checks


def _save_questions(broken: Sequence[questions.Question]) -> None:
    path = os.environ.get("UMBRA_TEST_FOUND")
    if path and broken:
        known = list(questions.read(Path(path))) if Path(path).exists() else []
        questions.write(Path(path), [*known, *broken])


@pytest.fixture(scope="session")
def require_no_findings() -> RequireNoFindings:
    """Fail with the pull-request summary unless there are checks and none has findings."""

    def judge(checks: Sequence[Check]) -> None:
        if not checks or not all(check.passed for check in checks):
            pytest.fail(markdown.text([check for check in checks if not check.passed]), pytrace=False)

    return judge


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write all checks as reports if UMBRA_TEST_REPORTS is set."""
    del session
    folder = os.environ.get("UMBRA_TEST_REPORTS")
    if not folder or not _checks:
        return
    directory = Path(folder)
    directory.mkdir(parents=True, exist_ok=True)
    junit, html, lines, summary = (directory / f"levels.{kind}" for kind in ("xml", "html", "jsonl", "md"))
    ReportOptions(junit, html, lines, summary, as_json=False).write(_checks)
