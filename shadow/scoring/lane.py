"""A lane: brings one candidate up to date, batch by batch, and isolates what its model cannot bear.

When a batch kills, hangs or raises, it is halved until the row that does it is alone; that row is
recorded as failed and all others are scored.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from monitoring import logs, metrics
from shadow.prediction_log import NO_PREDICTION_LOG, PredictionLog
from shadow.records import Candidate, CandidateState, NewObservation, PendingCapture
from shadow.scoring.breaker import Breaker
from shadow.scoring.reply import BatchFailed
from shadow.scoring.scorer import Scorer, Stopped
from shadow.store import Store, candidates, captures, observations
from shadow.store.candidates import Cursor

_log = logging.getLogger("umbra.scoring")


def isolate(
    scorer: Scorer, breaker: Breaker, batch: Sequence[PendingCapture], timed: frozenset[int]
) -> Iterator[NewObservation]:
    """Score a batch in order, halving it around what fails; ends early when the breaker opens or on a stop.

    `timed` are the numbers (seq) of the rows whose latency is to be measured alone. A row that takes the
    scorer down by itself gets a second try before it is blamed: somebody else may have killed it.
    """
    try:
        answers = _score_again_if_alone(scorer, batch, timed)
    except Stopped:
        return
    except BatchFailed as fault:
        if len(batch) > 1:
            half = len(batch) // 2
            first = list(isolate(scorer, breaker, batch[:half], timed))
            yield from first
            if len(first) == half and breaker.seconds_open == 0:
                yield from isolate(scorer, breaker, batch[half:], timed)
            return
        if fault.lost_process:
            breaker.lost_alone()
        yield NewObservation(batch[0].id, reason=fault.reason, detail=fault.detail)
        return
    breaker.succeeded()
    yield from answers


def _score_again_if_alone(
    scorer: Scorer, batch: Sequence[PendingCapture], timed: frozenset[int]
) -> list[NewObservation]:
    indices = [index for index, row in enumerate(batch) if row.seq in timed]
    try:
        return scorer.score(batch, indices)
    except BatchFailed as fault:
        if len(batch) > 1 or not fault.lost_process:
            raise
        return scorer.score(batch, indices)


class Lane:
    """Brings one candidate up to date; `step` is one batch of one source."""

    def __init__(
        self,
        store: Store,
        candidate: Candidate,
        scorer: Scorer,
        breaker: Breaker,
        batch_rows: int,
        latency_share: float,
        measures: metrics.ShadowMetrics,
        clock: Callable[[], datetime],
        prediction_log: PredictionLog = NO_PREDICTION_LOG,
    ) -> None:
        self._prediction_log = prediction_log
        self._measures = measures
        self._store = store
        self._candidate = candidate
        self._scorer = scorer
        self._breaker = breaker
        self._batch_rows = batch_rows
        self._latency_share = latency_share
        self._clock = clock

    def step(self) -> int:
        """Look at one batch; returns how many captures were passed. Raises StoreUnavailable."""
        batch, cursor, up_to = self._next()
        if cursor is None:
            return 0
        started = time.perf_counter()
        answers = list(isolate(self._scorer, self._breaker, batch, self._timed(batch)))
        if len(answers) < len(batch):
            up_to = batch[len(answers) - 1].seq if answers else cursor.seq
        if up_to > cursor.seq:
            with self._store.writing() as connection:
                observations.store(connection, self._candidate, cursor, answers, up_to, self._clock())
        self._tell(batch, answers, time.perf_counter() - started)
        return up_to - cursor.seq

    def _next(self) -> tuple[list[PendingCapture], Cursor | None, int]:
        with self._store.reading() as connection:
            now = candidates.by_id(connection, self._candidate.id)
            if now is None or now.state is not CandidateState.ACTIVE:
                return [], None, 0
            for cursor in candidates.cursors_of(connection, now):
                if cursor.pending:
                    up_to = min(cursor.seq + self._batch_rows, cursor.last_seq)
                    batch = captures.pending(connection, cursor.source_id, cursor.seq, up_to, now.sample)
                    return batch, cursor, up_to
        return [], None, 0

    def _timed(self, batch: Sequence[PendingCapture]) -> frozenset[int]:
        """An even share of the rows, by their number."""
        share = self._latency_share
        return frozenset(row.seq for row in batch if int(row.seq * share) > int((row.seq - 1) * share))

    def _tell(
        self, batch: Sequence[PendingCapture], answers: Sequence[NewObservation], seconds: float
    ) -> None:
        if not answers:
            return
        model = str(self._candidate.model)
        failed = [
            (row, answer) for row, answer in zip(batch, answers, strict=False) if answer.reason is not None
        ]
        self._measure(model, batch, answers, seconds)
        logs.event(
            _log,
            "batch_scored",
            candidate=model,
            rows=len(answers),
            failed=len(failed),
            duration_seconds=seconds,
        )
        self._prediction_log.log_comparisons(model, batch, answers)
        for row, answer in failed[:10]:
            logs.event(
                _log,
                "observation_failed",
                level=logging.WARNING,
                trace={"id": row.request_id},
                candidate=model,
                capture_id=str(row.id),
                reason=answer.reason,
                detail=answer.detail,
            )

    def _measure(
        self, model: str, batch: Sequence[PendingCapture], answers: Sequence[NewObservation], seconds: float
    ) -> None:
        measures = self._measures
        prices = [answer.prediction_dollars for answer in answers if answer.prediction_dollars is not None]
        measures.candidate_seconds[(model,)].observe(seconds)
        measures.observations[(model, "scored")].inc(len(prices))
        measures.observations[(model, "failed")].inc(len(answers) - len(prices))
        measures.predictions[("candidate", model)].inc(len(prices))
        metrics.observe_all(measures.price_dollars[("candidate",)], prices)
        metrics.observe_all(measures.difference_ratio[(model,)], list(_differences(batch, answers)))
        for answer in answers:
            if answer.reason is not None:
                measures.failures[(model, answer.reason)].inc()
            if answer.latency_seconds is not None:
                measures.prediction_seconds[("candidate",)].observe(answer.latency_seconds)


def _differences(batch: Sequence[PendingCapture], answers: Sequence[NewObservation]) -> Iterator[float]:
    """How far each scored house is from its live price, where that is a number."""
    for row, answer in zip(batch, answers, strict=False):
        ratio = None if answer.prediction_dollars is None else row.difference_ratio(answer.prediction_dollars)
        if ratio is not None:
            yield ratio
