"""The two programs that send the workload, as a person would start them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from needed import missing

ROOT = Path(__file__).parents[2]
SECONDS = 100.0
K6_SWITCH, K6_REMEDY = "UMBRA_TEST_K6", "go install go.k6.io/k6@v1.8.1"


@dataclass(frozen=True, slots=True)
class Program:
    """Locust or k6 with its script, and the exit status that says that a budget was crossed."""

    name: str
    script: Path
    crossed: int

    def __str__(self) -> str:
        return self.name

    def at(self, script: Path) -> Program:
        """Return the same program with another script."""
        return replace(self, script=script)

    def command(self, *arguments: str) -> list[str]:
        """How it is started; the test needs it to be installed."""
        if self.name == "k6":
            return [k6(), *(arguments or ("run", "--quiet", "--no-usage-report")), str(self.script)]
        if find_spec("locust") is None:
            missing("Locust", "pip install '.[load]'")
        return [sys.executable, "-m", "locust", "-f", str(self.script), *arguments]

    def environment(self, variables: Mapping[str, object]) -> dict[str, str]:
        """Ours, with variables of the load tests, given without `LOAD_`."""
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("LOAD_", "LOCUST_"))
        }
        return inherited | {f"LOAD_{name.upper()}": str(value) for name, value in variables.items()}

    def run(self, url: str, *arguments: str, **variables: object) -> tuple[int, str]:
        """Send the workload; the exit status, and all that was printed."""
        environment = self.environment({"host": url} | variables) | {"LOCUST_HOST": url}
        done = subprocess.run(
            self.command(*arguments),
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        return done.returncode, done.stdout


def k6() -> str:
    """Where k6 is; without it the test is skipped, unless it was asked for."""
    if executable := shutil.which("k6"):
        return executable
    if os.environ.get(K6_SWITCH) == "1":
        pytest.fail(f"{K6_SWITCH}=1, but there is no k6: {K6_REMEDY}")
    pytest.skip(f"needs k6: {K6_REMEDY}; the build makes it once all else has run")


LOCUST = Program("locust", ROOT / "load_tests" / "locustfile.py", crossed=1)
K6 = Program("k6", ROOT / "load_tests" / "k6.js", crossed=99)
PROGRAMS = (LOCUST, K6)
