"""Outcomes as people report them: in JSON, in CSV, in files of any length."""

from shadow.outcomes.parse import (
    EARLIEST,
    EXPECTED,
    ID_PATTERN,
    LATEST_AHEAD,
    LATEST_ID,
    SOURCE_CHARACTERS,
    Judged,
    header_faults,
    judge,
    judge_line,
    parse_csv,
    parse_json,
)

__all__ = [
    "EARLIEST",
    "EXPECTED",
    "ID_PATTERN",
    "LATEST_AHEAD",
    "LATEST_ID",
    "SOURCE_CHARACTERS",
    "Judged",
    "header_faults",
    "judge",
    "judge_line",
    "parse_csv",
    "parse_json",
]
