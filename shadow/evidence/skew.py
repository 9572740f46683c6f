"""Training-serving skew: re-score a daily sample of captures with the packaged artifact.

The prediction served must be the artifact's: another order of columns, another library or another type of
number shows here (docs/statistics.md, "Skew between training and serving"). The model runs in a process of
its own, as in scoring.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from datetime import datetime
from math import inf, log

from model_package.reference import ModelRef
from monitoring import logs
from shadow.records import Candidate, CandidateState, NewObservation, PendingCapture
from shadow.scoring.reply import BatchFailed
from shadow.scoring.scorer import Scorer, ScorerPlan, ScorerUnavailable, Stopped
from shadow.settings import Settings
from shadow.store import Store
from shadow.store.database import partitions
from shadow.store.drift import replays
from shadow.store.drift.replays import Replay
from shadow.store.evidence.span import day_at
from shadow.store.streams import Stream

TOLERANCE = 1e-6
SHARE = 0.01
MAX_ROWS = 2000
_SHORTEST_SECONDS = 60
_BATCH = 500
_log = logging.getLogger("umbra.evidence")


def check(
    store: Store,
    settings: Settings,
    model: ModelRef,
    stream: Stream,
    now: datetime,
    stop: threading.Event,
) -> Replay | None:
    """Re-score what came since the last comparison, once whole days have passed; None when none is due.

    Days shorter than a minute (a demo's) are compared by the minute. A day is the stream's; of a model that
    is in several streams each day is compared once.
    """
    day_seconds = stream.terms.day_seconds
    today = day_at(now, day_seconds)
    with store.reading() as connection:
        last = replays.newest(connection, model, day_seconds)
    first = day_at(stream.started_at, day_seconds) if last is None else last.day + 1
    if (today - first) * day_seconds < max(day_seconds, _SHORTEST_SECONDS):
        return None
    served = _sample(store, model, first * day_seconds, today * day_seconds)
    if not served:
        return None
    try:
        replay = _compare(settings, model, served, day_seconds, today - 1, now, stop)
    except Stopped:
        return None
    with store.writing() as connection:
        replays.record(connection, replay)
    _log_replay(replay)
    return replay


def _sample(store: Store, model: ModelRef, begin: int, end: int) -> list[tuple[PendingCapture, float]]:
    ids = partitions.first_id(begin * 1000), partitions.first_id(end * 1000)
    with store.reading() as connection:
        as_live = replays.sample_of_live(connection, model, ids, SHARE, MAX_ROWS)
        return (as_live + replays.sample_of_candidate(connection, model, ids, SHARE, MAX_ROWS))[:MAX_ROWS]


def _compare(
    settings: Settings,
    model: ModelRef,
    served: Sequence[tuple[PendingCapture, float]],
    day_seconds: int,
    day: int,
    now: datetime,
    stop: threading.Event,
) -> Replay:
    answers = _rescore(settings, model, [capture for capture, _ in served], stop, now)
    ratios = [
        _log_ratio(answer.prediction_dollars, dollars)
        for answer, (_, dollars) in zip(answers, served, strict=True)
    ]
    beyond = sum(ratio > TOLERANCE for ratio in ratios)
    return Replay(model, day_seconds, day, len(served), max(ratios), beyond, now)


def _log_ratio(rescored: float | None, served: float) -> float:
    return inf if rescored is None or rescored <= 0 or served <= 0 else abs(log(rescored / served))


def _rescore(
    settings: Settings, model: ModelRef, captures: list[PendingCapture], stop: threading.Event, now: datetime
) -> list[NewObservation]:
    """Predict every capture; no price where a batch fails or the model cannot be loaded."""
    candidate = Candidate(0, model, 1.0, CandidateState.ACTIVE, None, now)
    scorer = Scorer(ScorerPlan.of(settings, candidate), stop)
    answers: list[NewObservation] = []
    try:
        for begin in range(0, len(captures), _BATCH):
            batch = captures[begin : begin + _BATCH]
            try:
                answers += scorer.score(batch, [])
            except BatchFailed as fault:
                _log_failure(model, fault)
                answers += [NewObservation(capture.id) for capture in batch]
    except ScorerUnavailable as fault:
        _log_failure(model, fault)
        answers += [NewObservation(capture.id) for capture in captures[len(answers) :]]
    finally:
        scorer.stop()
    return answers


def _log_failure(model: ModelRef, fault: Exception) -> None:
    logs.event(_log, "replay_failed", level=logging.ERROR, error=fault, candidate=str(model))


def _log_replay(replay: Replay) -> None:
    logs.event(
        _log,
        "replayed",
        level=logging.ERROR if replay.beyond else logging.INFO,
        candidate=str(replay.model),
        rows=replay.houses,
        failed=replay.beyond,
    )
