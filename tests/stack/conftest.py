"""The compose stack for real: brought up once, used and broken by every test, taken away at the end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
for folder in (HERE, HERE.parent / "integration", HERE.parents[1] / "deploy"):
    sys.path.insert(0, str(folder))

from engine.project import CORE, Project, images, is_here  # noqa: E402 (found only now)

SWITCH = "UMBRA_TEST_STACK"


def _needs_engine() -> None:
    if os.environ.get(SWITCH) != "1":
        pytest.skip(f"starts the whole stack with Docker: set {SWITCH}=1")
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        pytest.fail(f"{SWITCH}=1, but no Docker engine answers")
    for image in [image for image in images().values() if not is_here(image)]:
        pulled = subprocess.run(
            ["docker", "pull", "--quiet", image], capture_output=True, text=True, check=False
        )
        if pulled.returncode:
            pytest.fail(f"{SWITCH}=1, but {image} is not here and cannot be pulled: {pulled.stderr.strip()}")


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The core without Grafana, healthy."""
    _needs_engine()
    made = Project.create(f"umbra-test-{os.getpid()}", tmp_path_factory.mktemp("stack"))
    try:
        made.compose("build", "migrate", "load", seconds=280)
        made.compose("up", "--detach", *CORE)
        made.wait_healthy("postgres", "worker", "api", "prometheus", "alertmanager")
        yield made
    finally:
        made.remove()
