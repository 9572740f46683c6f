"""Record the answers of one side to many questions in a file."""

from differential_tests.recording.record import (
    GIVEN_UP_AFTER,
    REFUSED,
    SILENCE,
    TOGETHER,
    TOO_LARGE,
    Progress,
    Questions,
    RecordedRun,
    SideDead,
    answers,
    atomic_write,
    record,
    requests,
)

__all__ = [
    "GIVEN_UP_AFTER",
    "REFUSED",
    "SILENCE",
    "TOGETHER",
    "TOO_LARGE",
    "Progress",
    "Questions",
    "RecordedRun",
    "SideDead",
    "answers",
    "atomic_write",
    "record",
    "requests",
]
