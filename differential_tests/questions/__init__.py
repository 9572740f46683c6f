"""Questions for every side."""

from differential_tests.questions.question import (
    JSON,
    MEANT_TO_BE_ANSWERED,
    InvalidQuestions,
    Question,
    digest,
    of_lines,
    read,
    write,
)

__all__ = [
    "JSON",
    "MEANT_TO_BE_ANSWERED",
    "InvalidQuestions",
    "Question",
    "digest",
    "of_lines",
    "read",
    "write",
]
