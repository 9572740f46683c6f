"""Recording: the answers of one side to many questions, in a file."""

from differential_tests.recording.record import (
    GIVEN_UP_AFTER,
    REFUSED,
    SILENCE,
    TOGETHER,
    TOO_LARGE,
    Progress,
    Questions,
    Recorded,
    SideDead,
    answers,
    record,
    requests,
    whole,
)

__all__ = [
    "GIVEN_UP_AFTER",
    "REFUSED",
    "SILENCE",
    "TOGETHER",
    "TOO_LARGE",
    "Progress",
    "Questions",
    "Recorded",
    "SideDead",
    "answers",
    "record",
    "requests",
    "whole",
]
