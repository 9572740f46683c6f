"""Answers: is this the right one, and the ids in it. `k6.js` judges by the same rules."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from load_tests.workload import Request

_SHOWN_CHARACTERS = 80


def fault(asked: Request, status: int, text: str) -> str | None:
    """None for the right answer, else what was expected and what came."""
    if status != asked.status:
        return f"expected status {asked.status}, got {status}: {_type(text)}"
    try:
        found = _READ[asked.told](text)
    except (ValueError, LookupError, TypeError, AttributeError):
        return f"expected {asked.told} {asked.expected}, got what cannot be read: {text[:_SHOWN_CHARACTERS]}"
    return None if found == asked.expected else f"expected {asked.told} {asked.expected}, got {found}"


def ids(text: str) -> list[str]:
    """The ids of the predictions in a right JSON answer."""
    return [one["id"] for one in json.loads(text)["predictions"]]


def _prices(text: str) -> int:
    """How many prices above nought."""
    return sum(one["price_dollars"] > 0 for one in json.loads(text)["predictions"])


def _lines(text: str) -> int:
    """How many lines with a price above nought stand below the header."""
    return sum(float(line.split(",")[1]) > 0 for line in text.rstrip("\r\n").split("\r\n")[1:])


def _type(text: str) -> str:
    """What kind of problem it is: the same for all of a kind, so that they are counted together."""
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
