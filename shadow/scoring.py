"""Scoring: one lane per candidate reads captures after its own cursor and has them scored.

The model runs in a process of its own (shadow.scorer), asked in batches with a deadline; the lane
writes observations and cursor in one transaction. When a batch kills, hangs or raises, it is halved
until the row that does it is alone, and that row is recorded as failed. When the process cannot be
kept alive at all, the breaker opens and captures stay pending. Run as `python -m shadow.scoring ID`.
"""

from __future__ import annotations

import logging
import math
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from model_package import artifact
from monitoring import logs, metrics
from shadow import processes, scorer
from shadow.backoff import Backoff
from shadow.presence import Announcement
from shadow.records import Candidate, CandidateState
from shadow.settings import Settings
from shadow.store import Store, StoreUnavailable, candidates, captures, observations, open_store
from shadow.store.candidates import Cursor
from shadow.store.captures import Waiting
from shadow.store.observations import Answer

RAISED, HUNG, CRASHED, MEMORY = "raised", "hung", "crashed", "memory"
WRONG_LENGTH, NOT_FINITE, NOT_POSITIVE = "wrong_length", "not_finite", "not_positive"
FAILURE_REASONS = (RAISED, HUNG, CRASHED, MEMORY, WRONG_LENGTH, NOT_FINITE, NOT_POSITIVE)
_LOST_ALONE = 3  # rows in a row that killed or hung the scorer all by themselves, before the breaker opens
_START_SECONDS = 60.0
_DRAIN_SECONDS = 5.0
_log = logging.getLogger("umbra.scoring")


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


class ScorerUnavailable(RuntimeError):
    """The scorer cannot be started, so no row can be blamed."""


@dataclass(frozen=True, slots=True)
class ScorerPlan:
    """How to start a candidate's scorer, and how long it may take over one batch."""

    command: Sequence[str]
    environment: dict[str, str]
    deadline_seconds: float

    @classmethod
    def of(cls, settings: Settings, candidate: Candidate) -> ScorerPlan:
        """The plan for one candidate; the environment holds no credentials."""
        model = candidate.model
        directory = artifact.directory_of(settings.models, model.name, model.version)
        memory = str(settings.candidate_memory_bytes)
        command = processes.python(
            "shadow.scorer", "{socket}", str(directory), memory, *settings.recipe_modules
        )
        threads = dict.fromkeys(_THREAD_VARIABLES, str(settings.candidate_threads))
        inherited = {key: value for key, value in os.environ.items() if key in _INHERITED_VARIABLES}
        return cls(command, inherited | threads, settings.candidate_deadline_seconds)


_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_INHERITED_VARIABLES = (
    "PATH",
    "PYTHONPATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "VIRTUAL_ENV",
    "LD_LIBRARY_PATH",
)


class Scorer:
    """Talks to one candidate's scorer, starting it when needed and killing it when it does not answer."""

    def __init__(self, plan: ScorerPlan) -> None:
        self._plan = plan
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None

    @property
    def pid(self) -> int | None:
        """The scorer's process id, when it runs."""
        return None if self._process is None else self._process.pid

    def score(self, batch: Sequence[Waiting], timed: Sequence[int]) -> list[Answer]:
        """Score a batch, in order. Raises BatchFailed or ScorerUnavailable."""
        if self._connection is None:
            self._start()
        rows = ",".join(row.inputs_json for row in batch)
        reply = self._exchange(f'{{"timed":{orjson.dumps(timed).decode()},"rows":[{rows}]}}'.encode())
        if "fault" in reply:
            raise BatchFailed(reply["fault"], reply["detail"])
        return _answers(batch, reply)

    def stop(self) -> None:
        """End the scorer, whatever it is doing."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        command = [theirs.fileno().__str__() if part == "{socket}" else part for part in self._plan.command]
        with theirs:
            self._process = subprocess.Popen(
                command,
                env=self._plan.environment,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        self._connection = ours
        ours.settimeout(_START_SECONDS)
        try:
            reply = self._exchange(None)
        except BatchFailed as fault:
            raise ScorerUnavailable(f"it did not start: {fault}") from fault
        if "fault" in reply:
            self.stop()
            raise ScorerUnavailable(f"it cannot load its artifact: {reply['detail']}")
        ours.settimeout(self._plan.deadline_seconds)

    def _exchange(self, request: bytes | None) -> dict[str, Any]:
        assert self._connection is not None
        try:
            if request is not None:
                scorer.send(self._connection, request)
            body = scorer.receive(self._connection)
        except TimeoutError:
            self.stop()
            raise BatchFailed(HUNG, f"no answer within {self._plan.deadline_seconds:g} s") from None
        except OSError:
            body = None
        if body is None:
            raise BatchFailed(CRASHED, self._bury())
        reply: dict[str, Any] = orjson.loads(body)
        return reply

    def _bury(self) -> str:
        assert self._process is not None
        try:
            status = self._process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:  # it closed its socket and lives on
            status = 0
        self.stop()
        return f"killed by signal {-status}" if status < 0 else f"exited with status {status}"


def _answers(batch: Sequence[Waiting], reply: dict[str, Any]) -> list[Answer]:
    dollars, seconds = reply["dollars"], reply["seconds"]
    if not isinstance(dollars, list) or len(dollars) != len(batch):
        got = len(dollars) if isinstance(dollars, list) else "one number"
        raise BatchFailed(WRONG_LENGTH, f"{len(batch)} houses asked, {got} predictions returned")
    return [
        _answer(row, price, seconds.get(str(index)))
        for index, (row, price) in enumerate(zip(batch, dollars, strict=True))
    ]


def _answer(row: Waiting, price: object, seconds: float | None) -> Answer:
    if not isinstance(price, float) or not math.isfinite(price):
        return Answer(row.id, reason=NOT_FINITE, detail=f"predicted {price}", latency_seconds=seconds)
    if price <= 0:
        return Answer(row.id, reason=NOT_POSITIVE, detail=f"predicted {price}", latency_seconds=seconds)
    return Answer(row.id, dollars=price, latency_seconds=seconds)


class Breaker:
    """Opens when the scorer cannot be kept alive; scoring then pauses, ever longer, and tries again."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._backoff = Backoff(1.0, 60.0)
        self._lost_in_a_row = 0
        self._closed_again_at = 0.0

    @property
    def seconds_open(self) -> float:
        """How long scoring still has to pause; 0 when it may go on."""
        return max(0.0, self._closed_again_at - self._monotonic())

    def lost_alone(self) -> None:
        """One row by itself took the scorer down."""
        self._lost_in_a_row += 1
        if self._lost_in_a_row >= _LOST_ALONE:
            self.open()

    def open(self) -> None:
        """Pause scoring."""
        self._closed_again_at = self._monotonic() + self._backoff.next()

    def succeeded(self) -> None:
        """The scorer answered."""
        self._lost_in_a_row = 0
        self._backoff.reset()


def isolate(
    scorer: Scorer, breaker: Breaker, batch: Sequence[Waiting], timed: frozenset[int]
) -> Iterator[Answer]:
    """Score a batch in order, halving it around whatever fails; ends early when the breaker opens.

    `timed` are the numbers (seq) of the rows whose latency is to be measured alone. A row that takes the
    scorer down by itself gets a second try before it is blamed: somebody else may have killed it.
    """
    try:
        answers = _score_again_if_alone(scorer, batch, timed)
    except BatchFailed as fault:
        if len(batch) > 1:
            half = len(batch) // 2
            for part in (batch[:half], batch[half:]):
                if breaker.seconds_open == 0:
                    yield from isolate(scorer, breaker, part, timed)
            return
        if fault.lost_process:
            breaker.lost_alone()
        yield Answer(batch[0].id, reason=fault.reason, detail=fault.detail)
        return
    breaker.succeeded()
    yield from answers


def _score_again_if_alone(scorer: Scorer, batch: Sequence[Waiting], timed: frozenset[int]) -> list[Answer]:
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
    ) -> None:
        self._measures = measures
        self._store = store
        self._candidate = candidate
        self._scorer = scorer
        self._breaker = breaker
        self._batch_rows = batch_rows
        self._latency_period = math.ceil(1 / latency_share) if latency_share > 0 else 0
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
        self._tell(answers, time.perf_counter() - started)
        return up_to - cursor.seq

    def _next(self) -> tuple[list[Waiting], Cursor | None, int]:
        with self._store.reading() as connection:
            now = candidates.by_id(connection, self._candidate.id)
            if now is None or now.state is not CandidateState.ACTIVE:
                return [], None, 0
            for cursor in candidates.cursors_of(connection, now):
                if cursor.pending:
                    up_to = min(cursor.seq + self._batch_rows, cursor.last_seq)
                    batch = captures.waiting(connection, cursor.source_id, cursor.seq, up_to, now.sample)
                    return batch, cursor, up_to
        return [], None, 0

    def _timed(self, batch: Sequence[Waiting]) -> frozenset[int]:
        if not self._latency_period:
            return frozenset()
        return frozenset(row.seq for row in batch if row.seq % self._latency_period == 0)

    def _tell(self, answers: Sequence[Answer], seconds: float) -> None:
        if not answers:
            return
        model = str(self._candidate.model)
        failed = [answer for answer in answers if answer.reason is not None]
        self._measure(model, answers, seconds)
        logs.event(
            _log, "batch_scored",
            candidate=model, rows=len(answers), failed=len(failed), duration_seconds=seconds,
        )  # fmt: skip
        for answer in failed[:10]:
            logs.event(
                _log, "observation_failed", level=logging.WARNING,
                candidate=model, capture=str(answer.capture_id), reason=answer.reason, detail=answer.detail,
            )  # fmt: skip

    def _measure(self, model: str, answers: Sequence[Answer], seconds: float) -> None:
        measures = self._measures
        prices = [answer.dollars for answer in answers if answer.dollars is not None]
        measures.candidate_seconds[(model,)].observe(seconds)
        measures.observations[(model, "scored")].inc(len(prices))
        measures.observations[(model, "failed")].inc(len(answers) - len(prices))
        measures.predictions[("candidate", model)].inc(len(prices))
        for price in prices:
            measures.price_dollars[("candidate",)].observe(price)
        for answer in answers:
            if answer.reason is not None:
                measures.failures[(model, answer.reason)].inc()
            if answer.latency_seconds is not None:
                measures.prediction_seconds[("candidate",)].observe(answer.latency_seconds)


class _Watch:
    """Tells, when it changes, how a lane is doing: to the log, to the metrics and to `umbra status`."""

    def __init__(
        self, model: str, scorer: Scorer, measures: metrics.ShadowMetrics, announce: Announcement
    ) -> None:
        self._model = model
        self._scorer = scorer
        self._measures = measures
        self._announce = announce
        self._told: dict[str, object] = {}
        self._scorer_pid: int | None = None
        measures.breaker_open[(model,)].set(0)

    def tell(self, state: str, error: Exception | None = None) -> None:
        """Say `state`: scoring, breaker_open or store_away."""
        if self._scorer.pid is not None and self._scorer.pid != self._scorer_pid:
            if self._scorer_pid is not None:
                self._measures.restarts[(self._model,)].inc()
            self._scorer_pid = self._scorer.pid
        facts: dict[str, object] = {"candidate": self._model, "state": state, "scorer_pid": self._scorer.pid}
        if facts != self._told:
            level = logging.INFO if state == "scoring" else logging.ERROR
            logs.event(_log, "lane_state", level=level, error=error, **facts)
            self._measures.breaker_open[(self._model,)].set(state == "breaker_open")
            self._announce.tell(**facts)
            self._told = facts


def run(settings: Settings, stop: threading.Event, announcement: Announcement) -> None:
    """Score one candidate until told to stop, then for a short while what is still pending."""
    store = open_store(settings.store)
    measures = metrics.shadowing(settings.metrics_files("worker"))
    away = Backoff(settings.poll_seconds, longest=5.0)
    candidate = _candidate(store, int(sys.argv[1]), stop, away)
    if candidate is None:
        return
    scorer, breaker = Scorer(ScorerPlan.of(settings, candidate)), Breaker(time.monotonic)
    lane = Lane(
        store, candidate, scorer, breaker,
        settings.candidate_batch_rows, settings.candidate_latency_share, measures, _utc_now,
    )  # fmt: skip
    watch = _Watch(str(candidate.model), scorer, measures, announcement)
    try:
        while not stop.is_set():
            stop.wait(_step(lane, breaker, watch, away, settings.poll_seconds))
        deadline = time.monotonic() + _DRAIN_SECONDS
        while time.monotonic() < deadline and _step(lane, breaker, watch, away, 1.0) == 0:
            continue
    finally:
        scorer.stop()
        store.close()


def _candidate(store: Store, candidate_id: int, stop: threading.Event, away: Backoff) -> Candidate | None:
    """Look the candidate up, waiting for the store if it is away; None when told to stop first."""
    while not stop.is_set():
        try:
            with store.reading() as connection:
                found = candidates.by_id(connection, candidate_id)
        except StoreUnavailable:
            stop.wait(away.next())
            continue
        away.reset()
        if found is None:
            raise processes.CannotRun(f"the store knows no candidate number {candidate_id}")
        return found
    return None


def _step(lane: Lane, breaker: Breaker, watch: _Watch, away: Backoff, idle_seconds: float) -> float:
    """Score one batch; returns how long to wait before the next."""
    if breaker.seconds_open > 0:
        return min(breaker.seconds_open, idle_seconds)
    try:
        passed = lane.step()
    except ScorerUnavailable as fault:
        breaker.open()
        watch.tell("breaker_open", fault)
        return idle_seconds
    except (StoreUnavailable, observations.CursorMoved) as fault:
        watch.tell("store_away", fault)
        return away.next()
    away.reset()
    watch.tell("breaker_open" if breaker.seconds_open > 0 else "scoring")
    return 0.0 if passed else idle_seconds


def _utc_now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    sys.exit(processes.main("scoring", run))
