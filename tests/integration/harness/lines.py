"""The log lines that a stack wrote, each of which has to be one that the schema of lines knows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from monitoring.logs import fields
from shadow.prediction_log import input_kinds

OF_A_SHAPE = 10
"""Lines validated of those about one event that have the same fields with values of the same types."""

_VALIDATOR = Draft202012Validator(
    fields.line_schema(input_kinds()), format_checker=Draft202012Validator.FORMAT_CHECKER
)


def read(file: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a file; what else was printed into it, and a line torn by a kill, is left out."""
    text = file.read_text(errors="replace")
    for line in text[: text.rfind("\n") + 1].splitlines():
        if line.startswith('{"@timestamp"') and line.endswith("}"):
            yield json.loads(line)


def check(file: Path) -> int:
    """Validate the lines of a file; gives how many there are."""
    seen = Counter[Hashable]()
    for line in read(file):
        shape = line["message"], _shape(line)
        seen[shape] += 1
        if seen[shape] <= OF_A_SHAPE:
            faults = [f"{fault.json_path}: {fault.message}" for fault in _VALIDATOR.iter_errors(line)]
            assert not faults, f"{file.name}: {faults} in {line}"
    return seen.total()


def _shape(value: object) -> Hashable:
    if isinstance(value, dict):
        return tuple((key, _shape(part)) for key, part in value.items())
    return type(value)
