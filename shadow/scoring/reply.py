"""The reply of a model process, which runs foreign code: bounded and checked before it is used."""

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
_EXCERPT_CHARACTERS = 80


class MalformedReply(ValueError):
    """A model process sent something that is no reply; it has to be started again."""


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
    """Return how long a reply about so many rows may be: a price takes 25 bytes, a time 35."""
    return _BASE_BYTES + _ROW_BYTES * rows


def parse(body: bytes) -> dict[str, Any]:
    """Read a reply; raises MalformedReply unless it is an object with a fault or with predictions."""
    try:
        reply = orjson.loads(body)
    except orjson.JSONDecodeError as fault:
        raise MalformedReply(f"expected JSON, got {_excerpt(body)}: {fault}") from None
    if not isinstance(reply, dict):
        raise MalformedReply(f"expected a JSON object, got {_excerpt(reply)}")
    if "fault" in reply:
        texts = (reply["fault"], reply.get("detail"))
        if not all(isinstance(text, str) for text in texts):
            raise MalformedReply(f"expected a fault and its detail as texts, got {_excerpt(reply)}")
    elif reply.get("ready") is not True and not _has_predictions(reply):
        raise MalformedReply(f"expected dollars and seconds, got {_excerpt(reply)}")
    return reply


def fault_of(reply: dict[str, Any]) -> BatchFailed | None:
    """Return the failure that a reply reports; its reason becomes a metric's label only if it is declared."""
    if "fault" not in reply:
        return None
    reason = reply["fault"] if reply["fault"] in FAILURE_REASONS else RAISED
    return BatchFailed(reason, cleaned(reply["detail"]))


def observations_of(batch: Sequence[PendingCapture], reply: dict[str, Any]) -> list[NewObservation]:
    """Return the observations of a batch in order; raises BatchFailed, MalformedReply.

    One invalid price fails the whole batch: perhaps another row is to blame, and only a row that is scored
    alone is recorded as failed.
    """
    if "dollars" not in reply:
        raise MalformedReply(f"expected dollars and seconds, got {_excerpt(reply)}")
    dollars, seconds = reply["dollars"], reply["seconds"]
    if not isinstance(dollars, list) or len(dollars) != len(batch):
        got = len(dollars) if isinstance(dollars, list) else _excerpt(dollars)
        raise BatchFailed(WRONG_LENGTH, f"{len(batch)} houses asked, {got} predictions returned")
    for price in dollars:
        _check(price)
    return [
        NewObservation(
            capture.id, prediction_dollars=price, latency_seconds=_latency(seconds.get(str(index)))
        )
        for index, (capture, price) in enumerate(zip(batch, dollars, strict=True))
    ]


def cleaned(text: str) -> str:
    """Shorten foreign text and escape characters that a store or a terminal would take for commands."""
    escaped = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
    return escaped[:_DETAIL_CHARACTERS]


def _has_predictions(reply: dict[str, Any]) -> bool:
    return "dollars" in reply and isinstance(reply.get("seconds"), dict)


def _check(price: object) -> None:
    if isinstance(price, (list, dict)):
        raise BatchFailed(WRONG_LENGTH, f"expected one price for each house, got {_excerpt(price)}")
    if not isinstance(price, float) or not math.isfinite(price):
        raise BatchFailed(NOT_FINITE, f"predicted {_excerpt(price)}")
    if price <= 0:
        raise BatchFailed(NOT_POSITIVE, f"predicted {price}")


def _latency(seconds: object) -> float | None:
    if seconds is None:
        return None
    if not isinstance(seconds, float) or not 0 <= seconds < math.inf:
        raise MalformedReply(f"expected seconds, got {_excerpt(seconds)}")
    return seconds


def _excerpt(value: object) -> str:
    return cleaned(repr(value)[:_EXCERPT_CHARACTERS])
