"""The process of a candidate's lane: `python -m shadow.scoring CANDIDATE_ID`, kept running by the worker."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from datetime import UTC, datetime

from monitoring import logs, metrics
from shadow import processes, start
from shadow.backoff import Backoff
from shadow.prediction_log import PredictionLog
from shadow.processes.heartbeat import Heartbeat
from shadow.records import Candidate, ObservationState
from shadow.scoring.breaker import Breaker
from shadow.scoring.lane import Lane
from shadow.scoring.reply import FAILURE_REASONS
from shadow.scoring.scorer import Scorer, ScorerPlan, ScorerUnavailable
from shadow.settings import Settings
from shadow.store import Store, StoreUnavailable, candidates, observations, open_store

_DRAIN_SECONDS = 5.0
_log = logging.getLogger("umbra.scoring")


class _LaneStatus:
    """Reports each change of a lane's state: in the log, in the metrics and in `umbra status`."""

    def __init__(
        self, model: str, scorer: Scorer, measures: metrics.ShadowMetrics, heartbeat: Heartbeat
    ) -> None:
        self._model = model
        self._scorer = scorer
        self._measures = measures
        self._heartbeat = heartbeat
        self._reported: dict[str, object] = {}
        self._scorer_pid: int | None = None
        measures.breaker_open[(model,)].set(0)
        # These exist from the start, so that the first event shows as a step.
        measures.restarts[(model,)]
        for state in ObservationState:
            measures.observations[(model, state.value)]
        for reason in FAILURE_REASONS:
            measures.failures[(model, reason)]

    def report(self, state: str, error: Exception | None = None) -> None:
        """Report `state`: scoring, breaker_open, store_away, or overtaken by another worker's lane."""
        if self._scorer.pid is not None and self._scorer.pid != self._scorer_pid:
            if self._scorer_pid is not None:
                self._measures.restarts[(self._model,)].inc()
            self._scorer_pid = self._scorer.pid
        facts: dict[str, object] = {"candidate": self._model, "state": state, "scorer_pid": self._scorer.pid}
        if error is not None:
            facts["because"] = str(error)[:300]
        if facts != self._reported:
            level = logging.INFO if state == "scoring" else logging.ERROR
            logs.event(_log, "lane_state", level=level, error=error, **facts)
            self._measures.breaker_open[(self._model,)].set(state == "breaker_open")
            self._heartbeat.report(**facts)
            self._reported = facts


def run(settings: Settings, stop: threading.Event, heartbeat: Heartbeat) -> None:
    """Score one candidate until a stop, then for a few seconds what is still pending."""
    start.adopt_orphans()  # those of the model, to end them with it
    store = open_store(settings.store)
    measures = metrics.shadowing(settings.metrics_files("worker"))
    away = Backoff(settings.poll_seconds, longest=5.0)
    candidate = _candidate(store, int(sys.argv[1]), stop, away)
    if candidate is None:
        return
    give_up = _after(stop, _DRAIN_SECONDS)
    scorer, breaker = Scorer(ScorerPlan.of(settings, candidate), give_up), Breaker(time.monotonic)
    lane = Lane(
        store,
        candidate,
        scorer,
        breaker,
        settings.candidate_batch_rows,
        settings.candidate_latency_share,
        measures,
        _utc_now,
        PredictionLog.of(settings),
    )
    status = _LaneStatus(str(candidate.model), scorer, measures, heartbeat)
    try:
        while not stop.is_set():
            stop.wait(_step(lane, breaker, status, away, settings.poll_seconds))
        while not give_up.is_set() and _step(lane, breaker, status, away, 1.0) == 0:
            continue
    finally:
        scorer.stop()
        store.close()


def _after(stop: threading.Event, seconds: float) -> threading.Event:
    """Return an event that is set `seconds` after the stop."""
    give_up = threading.Event()

    def count_down() -> None:
        stop.wait()
        give_up.wait(seconds)
        give_up.set()

    threading.Thread(target=count_down, name="umbra-give-up", daemon=True).start()
    return give_up


def _candidate(store: Store, candidate_id: int, stop: threading.Event, away: Backoff) -> Candidate | None:
    """Look the candidate up, waiting for the store if it is away; None when a stop comes first."""
    while not stop.is_set():
        try:
            with store.reading() as connection:
                candidate = candidates.by_id(connection, candidate_id)
        except StoreUnavailable:
            stop.wait(away.next())
            continue
        away.reset()
        if candidate is None:
            raise processes.CannotRun(f"the store knows no candidate number {candidate_id}")
        return candidate
    return None


def _step(lane: Lane, breaker: Breaker, status: _LaneStatus, away: Backoff, idle_seconds: float) -> float:
    """Score one batch; returns how long to wait before the next."""
    if breaker.seconds_open > 0:
        return min(breaker.seconds_open, idle_seconds)
    try:
        moved = lane.step()
    except ScorerUnavailable as fault:
        breaker.open()
        status.report("breaker_open", fault)
        return idle_seconds
    except StoreUnavailable as fault:
        status.report("store_away", fault)
        return away.next()
    except observations.CursorMoved as fault:
        status.report("overtaken", fault)
        return away.next()
    away.reset()
    status.report("breaker_open" if breaker.seconds_open > 0 else "scoring")
    return 0.0 if moved else idle_seconds


def _utc_now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    sys.exit(processes.main("scoring", run, when_orphaned=signal.SIGKILL))
