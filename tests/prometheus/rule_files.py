"""The configuration and its rules as plain data."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
RULE_FILES = sorted((ROOT / "prometheus" / "rules").glob("*.yml"))
CASE_FILES = sorted(Path(__file__).parent.glob("*.yml"))

Tool = Callable[..., str]


@cache
def parsed(path: Path) -> Any:
    """A YAML file as plain data."""
    return yaml.safe_load(path.read_text())


def rules() -> list[dict[str, Any]]:
    """Every rule of every file."""
    return [rule for path in RULE_FILES for group in parsed(path)["groups"] for rule in group["rules"]]
