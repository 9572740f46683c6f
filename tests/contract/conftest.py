"""A whole Umbra with everything on, and the program that asks it what its document allows and what not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "integration"))

from harness.stack import Stack  # noqa: E402 (found only now)
from harness.waiting import wait_until  # noqa: E402

from model_package.schema import EXAMPLE  # noqa: E402

EXAMPLES = int(os.environ.get("UMBRA_TEST_EXAMPLES", "10"))
TOKEN = "a-token-of-the-contract-tests"  # noqa: S105 (opens nothing but this stack)
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run of schemathesis came to: its exit status, all it printed, and its report."""

    status: int
    printed: str
    report: dict[str, Any]

    def accepted(self) -> dict[str, int]:
        """By operation, how many right requests were answered with 2xx."""
        rates = self.report["valid_rates"].items()
        return {name: sum(phase["accepted"] for phase in phases.values()) for name, phases in rates}

    def faults(self) -> set[tuple[str, str]]:
        """The kinds of failure, each with an operation that had it."""
        return {
            (failure["type"], name) for failure in self.report["failures"] for name in failure["operations"]
        }


Document = dict[str, Any]
Ask = Callable[..., Asked]
"""The fixture `ask`: runs schemathesis over a document, with more options."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """linear@1 live, gbm@1 judged as its candidate, some houses answered and one of them sold."""
    directory = tmp_path_factory.mktemp("contract")
    running = Stack(directory, directory / "models", admin_token=TOKEN, api_workers=2)
    try:
        running.done("prepare")
        running.up()
        wait_until(lambda: running.ask("GET", "/v1/verdicts/gbm@1")[0] == 200, 60, running.explain)
        yield running
    finally:
        running.end()


@pytest.fixture
def document(stack: Stack) -> Document:
    """The document of the running API."""
    published: Document = json.loads(stack.ask("GET", "/openapi.json")[1])
    return published


@pytest.fixture(scope="module")
def answered(stack: Stack) -> str:
    """The id of a prediction that is in the store, with an observation and an outcome."""
    _, body = stack.ask("POST", "/v1/predictions", json.dumps(EXAMPLE).encode(), _JSON)
    name = json.loads(body)["predictions"][0]["id"]
    sold = {"prediction_id": name, "price_dollars": 183_000, "sold_at": "2025-01-31"}
    stack.ask("POST", "/v1/outcomes", json.dumps(sold).encode(), _JSON)
    stack.wait_drained()
    return str(name)


@pytest.fixture
def ask(stack: Stack, answered: str, tmp_path: Path) -> Ask:
    """Asks the running API what a document says, in a process of its own as in a terminal."""
    for name in ("schemathesis.toml", "answers.py"):
        shutil.copy(HERE / name, tmp_path)
    (tmp_path / "answered.txt").write_text(f'"{answered}"\n')

    def run(document: Document, *options: str) -> Asked:
        # As a file: of a document it has to fetch, schemathesis leaves out the address it was fetched from.
        (tmp_path / "document.json").write_text(json.dumps(document))
        process = subprocess.run(
            [
                Path(sys.executable).with_name("schemathesis"),
                "--config-file",
                "schemathesis.toml",
                "run",
                "document.json",
                "--url",
                f"http://127.0.0.1:{stack.settings.api_port}",
                "--checks",
                "all",
                "--max-examples",
                str(EXAMPLES),
                "--no-color",
                "--report",
                "json",
                "--report-json-path",
                "report.json",
                *options,
            ],
            cwd=tmp_path,
            env=stack.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        printed = process.stdout + process.stderr
        report = tmp_path / "report.json"
        assert report.exists(), printed
        return Asked(process.returncode, printed, json.loads(report.read_text()))

    return run
