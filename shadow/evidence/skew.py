"""Skew: a sample of the stored houses is asked again of the packaged artifact, once a day.

What was answered in service must be what the artifact says: another order of columns, another library or
another type of number shows here (docs/statistics.md, "Skew between training and serving"). The model runs in
a process of its own, as in scoring.
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
MOST = 2000
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
    """Compare what came since the last comparison, once whole days have passed; None when none is due.

    Days shorter than a minute (a demo's) are compared by the minute. A day is the stream's; of a model that
    is in several streams every day is compared once.
    """
    day_seconds = stream.terms.day_seconds
    today = day_at(now, day_seconds)
    with store.reading() as connection:
        last = replays.newest(connection, model, day_seconds)
    first = day_at(stream.started_at, day_seconds) if last is None else last.day + 1
    if (today - first) * day_seconds < max(day_seconds, _SHORTEST_SECONDS):
        return None
    said = _sample(store, model, first * day_seconds, today * day_seconds)
    if not said:
        return None
    try:
        replay = _compared(settings, model, said, day_seconds, today - 1, now, stop)
    except Stopped:
        return None
    with store.writing() as connection:
        replays.record(connection, replay)
    _tell(replay)
    return replay


def _sample(store: Store, model: ModelRef, begin: int, end: int) -> list[tuple[PendingCapture, float]]:
    ids = partitions.first_id(begin * 1000), partitions.first_id(end * 1000)
    with store.reading() as connection:
        as_live = replays.answered(connection, model, ids, SHARE, MOST)
        return (as_live + replays.observed(connection, model, ids, SHARE, MOST))[:MOST]


def _compared(
    settings: Settings,
    model: ModelRef,
    said: Sequence[tuple[PendingCapture, float]],
    day_seconds: int,
    day: int,
    now: datetime,
    stop: threading.Event,
) -> Replay:
    again = _ask_again(settings, model, [house for house, _ in said], stop, now)
    ratios = [
        _log_ratio(answer.prediction_dollars, dollars)
        for answer, (_, dollars) in zip(again, said, strict=True)
    ]
    beyond = sum(ratio > TOLERANCE for ratio in ratios)
    return Replay(model, day_seconds, day, len(said), max(ratios), beyond, now)


def _log_ratio(again: float | None, said: float) -> float:
    return inf if again is None or again <= 0 or said <= 0 else abs(log(again / said))


def _ask_again(
    settings: Settings, model: ModelRef, houses: list[PendingCapture], stop: threading.Event, now: datetime
) -> list[NewObservation]:
    """Every house's answer; no price for those of a batch that fails, or of a model that cannot be loaded."""
    asked = Candidate(0, model, 1.0, CandidateState.ACTIVE, None, now)
    scorer = Scorer(ScorerPlan.of(settings, asked), stop)
    answers: list[NewObservation] = []
    try:
        for begin in range(0, len(houses), _BATCH):
            batch = houses[begin : begin + _BATCH]
            try:
                answers += scorer.score(batch, [])
            except BatchFailed as fault:
                _tell_failure(model, fault)
                answers += [NewObservation(house.id) for house in batch]
    except ScorerUnavailable as fault:
        _tell_failure(model, fault)
        answers += [NewObservation(house.id) for house in houses[len(answers) :]]
    finally:
        scorer.stop()
    return answers


def _tell_failure(model: ModelRef, fault: Exception) -> None:
    logs.event(_log, "replay_failed", level=logging.ERROR, error=fault, candidate=str(model))


def _tell(replay: Replay) -> None:
    logs.event(
        _log,
        "replayed",
        level=logging.ERROR if replay.beyond else logging.INFO,
        candidate=str(replay.model),
        rows=replay.houses,
        failed=replay.beyond,
    )
