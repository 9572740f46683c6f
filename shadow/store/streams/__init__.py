"""Streams: a candidate judged against one live model, with its documents and verdicts."""

from shadow.store.streams.streams import (
    NotJudged,
    Stream,
    StreamTerms,
    current,
    end_older,
    find,
    is_over,
    live_digest,
    lock,
    next_number,
    not_ended,
    of_candidate,
    of_model,
    open_stream,
)

__all__ = [
    "NotJudged",
    "Stream",
    "StreamTerms",
    "current",
    "end_older",
    "find",
    "is_over",
    "live_digest",
    "lock",
    "next_number",
    "not_ended",
    "of_candidate",
    "of_model",
    "open_stream",
]
