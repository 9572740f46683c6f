"""Faults of a request's rows (houses, outcomes), as records and exceptions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SHOWN_CHARACTERS = 80
MAX_FAULTS = 100
"""The most faults that one answer lists: more of them are one mistake many times."""


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
    """Readable rows that break the schema: `faults` lists what is wrong, by row and field.

    MAX_FAULTS of them at most, so that a wrong body costs no more than a right one. `unchecked_rows` is the
    number of rows that were not checked.
    """

    def __init__(self, faults: Sequence[Fault], unchecked_rows: int = 0) -> None:
        super().__init__(f"{len(faults)} faults; the first: {faults[0]}")
        self.faults = tuple(faults[:MAX_FAULTS])
        self.unchecked_rows = unchecked_rows


def first_faults(faults_of_rows: Iterable[Sequence[Fault]]) -> tuple[list[Fault], int]:
    """Collect faults row by row until there are MAX_FAULTS or more; returns them and the number of rows."""
    faults: list[Fault] = []
    rows = 0
    for faults_of_row in faults_of_rows:
        faults += faults_of_row
        rows += 1
        if len(faults) >= MAX_FAULTS:
            break
    return faults, rows


def json_excerpt(value: object) -> str:
    """Write a value as JSON, cut to 80 characters; containers by their size, huge numbers by their bits."""
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    if isinstance(value, int) and abs(value) >= 10**SHOWN_CHARACTERS:
        return f"a whole number of {value.bit_length()} bits"
    if isinstance(value, str):
        return cut(json.dumps(value[:SHOWN_CHARACTERS], ensure_ascii=False))
    return json.dumps(value)


def cut(text: str) -> str:
    """Shorten a text to 80 characters, the end replaced by three dots."""
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."
