"""The tools that check what Prometheus and Alertmanager are given."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from needed import program

sys.path.insert(0, str(Path(__file__).parent))

from rule_files import Tool


@pytest.fixture(scope="session")
def promtool() -> Tool:
    """`promtool ARGUMENTS`, which must succeed; gives what it printed."""
    return _tool("promtool", "prometheus")


@pytest.fixture(scope="session")
def amtool() -> Tool:
    """`amtool ARGUMENTS`, which must succeed; gives what it printed."""
    return _tool("amtool", "prometheus-alertmanager")


def _tool(name: str, package: str) -> Tool:
    path = program(name, package=package)

    def run(*arguments: str | Path) -> str:
        result = subprocess.run([path, *arguments], capture_output=True, text=True, timeout=120, check=False)
        assert result.returncode == 0, f"{result.stdout}{result.stderr}"
        return result.stdout

    return run
