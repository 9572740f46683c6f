"""A lane: brings one candidate up to date, batch by batch, and isolates the rows that its model fails on.

A batch that crashes or hangs the model, or makes it raise, is halved until the row to blame is alone; that
row is recorded as failed and all others are scored.
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
    """Score a batch in order, halving it around failures; ends early when the breaker opens or on a stop.

    `timed` are the numbers (seq) of the rows whose latency is to be measured alone. A row that takes the
    scorer down by itself gets a second try before it is recorded as failed: somebody else may have killed it.
    """
    try:
        new = _score_with_retry(scorer, batch, timed)
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
            breaker.record_crash()
        yield NewObservation(batch[0].id, reason=fault.reason, detail=fault.detail)
        return
    breaker.record_success()
    yield from new


def _score_with_retry(
    scorer: Scorer, batch: Sequence[PendingCapture], timed: frozenset[int]
) -> list[NewObservation]:
    indices = [index for index, capture in enumerate(batch) if capture.seq in timed]
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
        """Score one batch; returns by how many captures the cursor moved. Raises StoreUnavailable."""
        batch, cursor, up_to = self._next()
        if cursor is None:
            return 0
        started = time.perf_counter()
        new = list(isolate(self._scorer, self._breaker, batch, self._timed(batch)))
        if len(new) < len(batch):
            up_to = batch[len(new) - 1].seq if new else cursor.seq
        if up_to > cursor.seq:
            with self._store.writing() as connection:
                observations.store(connection, self._candidate, cursor, new, up_to, self._clock())
        self._log_batch(batch, new, time.perf_counter() - started)
        return up_to - cursor.seq

    def _next(self) -> tuple[list[PendingCapture], Cursor | None, int]:
        with self._store.reading() as connection:
            candidate = candidates.by_id(connection, self._candidate.id)
            if candidate is None or candidate.state is not CandidateState.ACTIVE:
                return [], None, 0
            for cursor in candidates.cursors_of(connection, candidate):
                if cursor.pending:
                    up_to = min(cursor.seq + self._batch_rows, cursor.last_seq)
                    batch = captures.pending(
                        connection, cursor.source_id, cursor.seq, up_to, candidate.sample
                    )
                    return batch, cursor, up_to
        return [], None, 0

    def _timed(self, batch: Sequence[PendingCapture]) -> frozenset[int]:
        """Choose an even share of the captures, by their number."""
        share = self._latency_share
        numbers = [capture.seq for capture in batch]
        return frozenset(seq for seq in numbers if int(seq * share) > int((seq - 1) * share))

    def _log_batch(
        self, batch: Sequence[PendingCapture], new: Sequence[NewObservation], seconds: float
    ) -> None:
        if not new:
            return
        model = str(self._candidate.model)
        scored = zip(batch, new, strict=False)
        failed = [(capture, observation) for capture, observation in scored if observation.reason is not None]
        self._measure(model, batch, new, seconds)
        logs.event(
            _log,
            "batch_scored",
            candidate=model,
            rows=len(new),
            failed=len(failed),
            duration_seconds=seconds,
        )
        self._prediction_log.log_comparisons(model, batch, new)
        for capture, observation in failed[:10]:
            logs.event(
                _log,
                "observation_failed",
                level=logging.WARNING,
                trace={"id": capture.request_id},
                candidate=model,
                capture_id=str(capture.id),
                reason=observation.reason,
                detail=observation.detail,
            )

    def _measure(
        self, model: str, batch: Sequence[PendingCapture], new: Sequence[NewObservation], seconds: float
    ) -> None:
        measures = self._measures
        prices = [
            observation.prediction_dollars
            for observation in new
            if observation.prediction_dollars is not None
        ]
        measures.candidate_seconds[(model,)].observe(seconds)
        measures.observations[(model, "scored")].inc(len(prices))
        measures.observations[(model, "failed")].inc(len(new) - len(prices))
        measures.predictions[("candidate", model)].inc(len(prices))
        metrics.observe_all(measures.price_dollars[("candidate",)], prices)
        metrics.observe_all(measures.difference_ratio[(model,)], list(_differences(batch, new)))
        for observation in new:
            if observation.reason is not None:
                measures.failures[(model, observation.reason)].inc()
            if observation.latency_seconds is not None:
                measures.prediction_seconds[("candidate",)].observe(observation.latency_seconds)


def _differences(batch: Sequence[PendingCapture], new: Sequence[NewObservation]) -> Iterator[float]:
    """Yield the difference ratio of each scored capture, where it is a number."""
    for capture, observation in zip(batch, new, strict=False):
        price = observation.prediction_dollars
        ratio = None if price is None else capture.difference_ratio(price)
        if ratio is not None:
            yield ratio
