"""The structure that CONTRIBUTING promises a reader: figures of `.ci/structure.py`, as it prints them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
ODD_SHARE_MOST = 0.005


@pytest.fixture(scope="module")
def figures() -> Any:
    """What the script prints for programs."""
    command = [sys.executable, str(ROOT / ".ci" / "structure.py"), "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_names_say_what_they_name(figures: Any) -> None:
    assert figures["odd_share"] < ODD_SHARE_MOST, figures["odd_names"]


def test_no_module_imports_itself_through_others(figures: Any) -> None:
    assert figures["module_cycles"] == []


def test_imports_follow_every_stated_order(figures: Any) -> None:
    assert figures["upward_arrows"] == []


def test_a_public_class_name_stands_for_one_class(figures: Any) -> None:
    assert figures["repeated_classes"] == {}


def test_the_formatter_is_nowhere_switched_off(figures: Any) -> None:
    assert figures["formatter_switched_off"] == []
