"""Reported outcomes: parse them from JSON, from CSV and from files of any length."""

from shadow.outcomes.parse import (
    EARLIEST,
    EXPECTED,
    ID_PATTERN,
    LATEST_AHEAD,
    LATEST_ID,
    SOURCE_CHARACTERS,
    ParsedOutcome,
    header_faults,
    parse_csv,
    parse_json,
    parse_line,
    parse_outcome,
)

__all__ = [
    "EARLIEST",
    "EXPECTED",
    "ID_PATTERN",
    "LATEST_AHEAD",
    "LATEST_ID",
    "SOURCE_CHARACTERS",
    "ParsedOutcome",
    "header_faults",
    "parse_csv",
    "parse_json",
    "parse_line",
    "parse_outcome",
]
