"""A model process's reply, which may be anything: a stranger wrote it. Bounded, checked, then believed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import orjson

from shadow.records import NewObservation, PendingCapture

RAISED, HUNG, CRASHED, MEMORY = "raised", "hung", "crashed", "memory"
WRONG_LENGTH, NOT_FINITE, NOT_POSITIVE = "wrong_length", "not_finite", "not_positive"
FAILURE_REASONS = (RAISED, HUNG, CRASHED, MEMORY, WRONG_LENGTH, NOT_FINITE, NOT_POSITIVE)
_BASE_BYTES, _ROW_BYTES = 64 * 1024, 64
_DETAIL_CHARACTERS = 500
_SHOWN_CHARACTERS = 80


class MalformedReply(ValueError):
    """What a model process sent is no reply; whoever sent it cannot be asked again."""


class BatchFailed(RuntimeError):
    """The scorer did not answer a batch; `reason` is one of FAILURE_REASONS."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail

    @property
    def lost_process(self) -> bool:
        """Whether the scorer has to be started again."""
        return self.reason in (HUNG, CRASHED)


def most_bytes(rows: int) -> int:
    """Bytes that a reply about so many rows may have: a price takes 25 of them, a time 35."""
    return _BASE_BYTES + _ROW_BYTES * rows


def parse(body: bytes) -> dict[str, Any]:
    """Read a reply; raises MalformedReply unless it is an object that names a fault or gives answers."""
    try:
        reply = orjson.loads(body)
    except orjson.JSONDecodeError as fault:
        raise MalformedReply(f"expected JSON, got {_shown(body)}: {fault}") from None
    if not isinstance(reply, dict):
        raise MalformedReply(f"expected a JSON object, got {_shown(reply)}")
    if "fault" in reply:
        words = (reply["fault"], reply.get("detail"))
        if not all(isinstance(word, str) for word in words):
            raise MalformedReply(f"expected a fault and its detail as texts, got {_shown(reply)}")
    elif reply.get("ready") is not True and not _gives_answers(reply):
        raise MalformedReply(f"expected dollars and seconds, got {_shown(reply)}")
    return reply


def fault_of(reply: dict[str, Any]) -> BatchFailed | None:
    """What the model process says went wrong; its words become a metric's label only if we know them."""
    if "fault" not in reply:
        return None
    reason = reply["fault"] if reply["fault"] in FAILURE_REASONS else RAISED
    return BatchFailed(reason, cleaned(reply["detail"]))


def answers(batch: Sequence[PendingCapture], reply: dict[str, Any]) -> list[NewObservation]:
    """The answers of a batch in order; raises BatchFailed, MalformedReply.

    One amount that is none fails the whole batch: perhaps another row is to blame, and only a row that is
    asked alone is blamed.
    """
    if "dollars" not in reply:
        raise MalformedReply(f"expected dollars and seconds, got {_shown(reply)}")
    dollars, seconds = reply["dollars"], reply["seconds"]
    if not isinstance(dollars, list) or len(dollars) != len(batch):
        got = len(dollars) if isinstance(dollars, list) else _shown(dollars)
        raise BatchFailed(WRONG_LENGTH, f"{len(batch)} houses asked, {got} predictions returned")
    for price in dollars:
        _check(price)
    return [
        NewObservation(row.id, prediction_dollars=price, latency_seconds=_latency(seconds.get(str(index))))
        for index, (row, price) in enumerate(zip(batch, dollars, strict=True))
    ]


def cleaned(text: str) -> str:
    """A stranger's words, short and without characters that a store or a terminal would take for commands."""
    shown = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
    return shown[:_DETAIL_CHARACTERS]


def _gives_answers(reply: dict[str, Any]) -> bool:
    return "dollars" in reply and isinstance(reply.get("seconds"), dict)


def _check(price: object) -> None:
    if isinstance(price, (list, dict)):
        raise BatchFailed(WRONG_LENGTH, f"expected one price for each house, got {_shown(price)}")
    if not isinstance(price, float) or not math.isfinite(price):
        raise BatchFailed(NOT_FINITE, f"predicted {_shown(price)}")
    if price <= 0:
        raise BatchFailed(NOT_POSITIVE, f"predicted {price}")


def _latency(seconds: object) -> float | None:
    if seconds is None:
        return None
    if not isinstance(seconds, float) or not 0 <= seconds < math.inf:
        raise MalformedReply(f"expected seconds, got {_shown(seconds)}")
    return seconds


def _shown(value: object) -> str:
    return cleaned(repr(value)[:_SHOWN_CHARACTERS])
