"""What can be wrong with a request's rows (houses, outcomes), as records and exceptions."""

from __future__ import annotations

import json
from dataclasses import dataclass

SHOWN_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong. `row` is 0-based in the request; None: it concerns the whole body (or its header)."""

    row: int | None
    field: str | None
    expected: str
    got: str


class MalformedBody(ValueError):
    """The body is not UTF-8, not JSON or not CSV; the message says where."""


class TooManyRows(ValueError):
    """More rows than one request may hold."""

    def __init__(self, rows: int, limit: int) -> None:
        super().__init__(f"{rows} rows in one request: expected at most {limit}; send several requests")
        self.rows = rows
        self.limit = limit


class InvalidRows(ValueError):
    """Readable, but not what was asked for: `faults` lists all that is wrong, by row and field."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__(f"{len(faults)} faults; the first: {faults[0]}")
        self.faults = faults


def shown(value: object) -> str:
    """A value as JSON writes it, cut to 80 characters. Containers are named, huge numbers not spelled out."""
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    if isinstance(value, int) and abs(value) >= 10**SHOWN_CHARACTERS:
        return f"a whole number of {value.bit_length()} bits"
    if isinstance(value, str):
        return cut(json.dumps(value[:SHOWN_CHARACTERS], ensure_ascii=False))
    return json.dumps(value)


def cut(text: str) -> str:
    """A text shortened to 80 characters, the end replaced by three dots."""
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."
