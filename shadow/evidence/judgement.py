"""Judgement on request: the verdict on a candidate now, or as of an earlier moment."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from model_package.manifest import AlteredArtifact, InvalidArtifact
from model_package.reference import ModelRef
from shadow.evidence import drift
from shadow.evidence.context import StreamContext
from shadow.evidence.stream_evidence import gather, gather_as_of
from shadow.policy import Policy
from shadow.store import Connection, Store, streams
from shadow.store.evidence.refresh import refresh
from shadow.store.streams import NotJudged, Stream
from shadow.verdict import StreamEvidence, Verdict, decide


def judge(
    store: Store, models: Path, model: ModelRef, now: datetime, as_of: datetime | None = None
) -> Verdict:
    """Judge a candidate now, what has come since being added up first; raises NotJudged.

    With `as_of` the verdict is computed from the ledger as it was at that moment: what was stored later does
    not count.
    """
    if as_of is not None:
        return _judge_as_of(store, models, model, as_of, now)
    with store.reading() as connection:
        stream = _current_stream(connection, model, now)
    refresh(store, stream)  # sums that are out of date must promote nobody
    return decide(current_evidence(store, StreamContext.read(models, stream), now))


def current_evidence(store: Store, context: StreamContext, now: datetime) -> StreamEvidence:
    """Measure the drift of a stream and gather its evidence."""
    state = drift.measure(store, context, now).state
    return gather(store, context.stream, context.policy, state, now)


def _judge_as_of(store: Store, models: Path, model: ModelRef, moment: datetime, now: datetime) -> Verdict:
    with store.reading() as connection:
        stream = _stream_as_of(connection, model, moment, now)
    state = _drift_as_of(store, models, stream, moment)
    return decide(gather_as_of(store, stream, Policy.parse(stream.terms.policy), state, moment))


def _drift_as_of(store: Store, models: Path, stream: Stream, moment: datetime) -> int | None:
    """Measure the drift as of a moment; None when the artifacts of then are gone."""
    try:
        return drift.measure(store, StreamContext.read(models, stream), moment).state
    except (AlteredArtifact, InvalidArtifact):
        return None


def _current_stream(connection: Connection, model: ModelRef, now: datetime) -> Stream:
    """Find the stream a model is judged in; one that nobody has ended yet may be over all the same."""
    stream = streams.of_model(connection, model, now)
    if stream is None or streams.is_over(connection, stream):
        raise NotJudged(
            f"{model}: no evidence about it: it is no candidate, or the worker has not begun to judge it; "
            "see `umbra candidates` and `umbra status`"
        )
    return stream


def _stream_as_of(connection: Connection, model: ModelRef, moment: datetime, now: datetime) -> Stream:
    if moment > now:
        raise NotJudged(f"{model}: {moment:%Y-%m-%d %H:%M:%S} UTC is in the future")
    stream = streams.of_model(connection, model, moment)
    if stream is None:
        raise NotJudged(
            f"{model}: no evidence about it at {moment:%Y-%m-%d %H:%M:%S} UTC: it was no candidate then; "
            "see `umbra candidates` and `umbra deployments`"
        )
    return stream
