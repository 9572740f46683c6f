"""Answers: is this the right one, and the ids in it. `k6.js` judges by the same rules."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from load_tests.workload import WorkloadRequest

_SHOWN_CHARACTERS = 80


def fault(request: WorkloadRequest, status: int, text: str) -> str | None:
    """Return None for the right answer, else what was expected and what came."""
    if status != request.status:
        return f"expected status {request.status}, got {status}: {_type(text)}"
    try:
        actual = _READ[request.checked](text)
    except (ValueError, LookupError, TypeError, AttributeError):
        excerpt = text[:_SHOWN_CHARACTERS]
        return f"expected {request.checked} {request.expected}, got what cannot be read: {excerpt}"
    return (
        None if actual == request.expected else f"expected {request.checked} {request.expected}, got {actual}"
    )


def ids(text: str) -> list[str]:
    """Return the ids of the predictions in a right JSON answer."""
    return [prediction["id"] for prediction in json.loads(text)["predictions"]]


def _prices(text: str) -> int:
    """Count the prices above zero."""
    return sum(prediction["price_dollars"] > 0 for prediction in json.loads(text)["predictions"])


def _lines(text: str) -> int:
    """Count the lines with a price above zero below the header."""
    return sum(float(line.split(",")[1]) > 0 for line in text.rstrip("\r\n").split("\r\n")[1:])


def _type(text: str) -> str:
    """Return the problem type, the same for all of a kind, so that they are counted together."""
    try:
        return str(json.loads(text)["type"])
    except (ValueError, LookupError, TypeError):
        return text[:_SHOWN_CHARACTERS]


_READ: Mapping[str, Callable[[str], int | str]] = {
    "prices": _prices,
    "lines": _lines,
    "accepted": lambda text: int(json.loads(text)["accepted"]),
    "type": lambda text: str(json.loads(text)["type"]),
}
