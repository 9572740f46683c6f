"""The scorer as its lane sees it: asked in batches, given a deadline, killed when it does not answer."""

from __future__ import annotations

import math
import os
import select
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from model_package import artifact
from shadow import processes
from shadow.records import Candidate
from shadow.scoring import model_process
from shadow.settings import Settings
from shadow.store.captures import Waiting
from shadow.store.observations import Answer

RAISED, HUNG, CRASHED, MEMORY = "raised", "hung", "crashed", "memory"
WRONG_LENGTH, NOT_FINITE, NOT_POSITIVE = "wrong_length", "not_finite", "not_positive"
FAILURE_REASONS = (RAISED, HUNG, CRASHED, MEMORY, WRONG_LENGTH, NOT_FINITE, NOT_POSITIVE)
SOCKET = "{socket}"
_START_SECONDS = 60.0
_LOOK_SECONDS = 0.1


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


class Stopped(RuntimeError):
    """The lane was told to give up while it waited."""


class ScorerUnavailable(RuntimeError):
    """The scorer cannot be started, so no row can be blamed."""


@dataclass(frozen=True, slots=True)
class ScorerPlan:
    """How to start a candidate's scorer, and how long it may take over one batch.

    `silent`: what the model prints, which may be houses, is lost.
    """

    command: Sequence[str]
    environment: dict[str, str]
    deadline_seconds: float
    silent: bool = False

    @classmethod
    def of(cls, settings: Settings, candidate: Candidate) -> ScorerPlan:
        """The plan for one candidate; the environment holds no credentials."""
        model = candidate.model
        directory = artifact.directory_of(settings.models, model.name, model.version)
        memory = str(settings.candidate_memory_bytes)
        command = processes.python(
            "shadow.scoring.model_process", SOCKET, str(directory), memory, *settings.recipe_modules
        )
        threads = dict.fromkeys(_THREAD_VARIABLES, str(settings.candidate_threads))
        inherited = {key: value for key, value in os.environ.items() if key in _INHERITED_VARIABLES}
        deadline, silent = settings.candidate_deadline_seconds, settings.withholds_texts
        return cls(command, inherited | threads, deadline, silent)


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


class _Running:
    """One started model process and the socket to it."""

    def __init__(self, plan: ScorerPlan) -> None:
        self._connection, theirs = socket.socketpair()
        self._connection.setblocking(False)
        socket_number = str(theirs.fileno())
        with theirs:
            self.process = subprocess.Popen(
                [socket_number if part == SOCKET else part for part in plan.command],
                env=plan.environment,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL if plan.silent else None,
            )

    def exchange(self, request: bytes | None, seconds: float, give_up: threading.Event) -> dict[str, Any]:
        """Send a request (None: only listen) and wait for the reply; raises BatchFailed or Stopped."""
        deadline = time.monotonic() + seconds

        def ready(for_what: int) -> None:
            while not _is_ready(self._connection, for_what, _LOOK_SECONDS):
                if give_up.is_set():
                    raise Stopped
                if time.monotonic() > deadline:
                    raise BatchFailed(HUNG, f"no answer within {seconds:g} s")

        try:
            if request is not None:
                self._send(model_process.framed(request), lambda: ready(select.POLLOUT))
            body = model_process.receive(self._connection, lambda: ready(select.POLLIN))
        except OSError:
            body = None
        if body is None:
            raise BatchFailed(CRASHED, self._last_words())
        reply: dict[str, Any] = orjson.loads(body)
        return reply

    def _send(self, message: bytes, wait: Callable[[], None]) -> None:
        rest = memoryview(message)
        while rest:
            wait()
            rest = rest[self._connection.send(rest) :]

    def end(self) -> None:
        """End the process, whatever it is doing."""
        self._connection.close()
        self.process.kill()
        self.process.wait()

    def _last_words(self) -> str:
        try:
            status = self.process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            return "closed its socket"
        return f"killed by signal {-status}" if status < 0 else f"exited with status {status}"


class Scorer:
    """A candidate's model, asked in batches: started when needed, ended when it does not answer."""

    def __init__(self, plan: ScorerPlan, give_up: threading.Event) -> None:
        self._plan = plan
        self._give_up = give_up
        self._running: _Running | None = None

    @property
    def pid(self) -> int | None:
        """The model process's id, when it runs."""
        return None if self._running is None else self._running.process.pid

    def score(self, batch: Sequence[Waiting], timed: Sequence[int]) -> list[Answer]:
        """Score a batch, in order. Raises BatchFailed, ScorerUnavailable, or Stopped when told to give up."""
        running = self._running or self._start()
        rows = ",".join(row.inputs_json for row in batch)
        request = f'{{"timed":{orjson.dumps(timed).decode()},"rows":[{rows}]}}'
        try:
            reply = running.exchange(request.encode(), self._plan.deadline_seconds, self._give_up)
        except (BatchFailed, Stopped):
            self.stop()
            raise
        if "fault" in reply:
            # Its process is the model's to do with as it likes; the reason becomes a metric's label.
            known = reply["fault"] in FAILURE_REASONS
            raise BatchFailed(reply["fault"] if known else RAISED, reply["detail"])
        return _answers(batch, reply)

    def stop(self) -> None:
        """End the model process, if it runs."""
        if self._running is not None:
            self._running.end()
            self._running = None

    def _start(self) -> _Running:
        running = _Running(self._plan)
        try:
            reply = running.exchange(None, _START_SECONDS, self._give_up)
        except Stopped:
            running.end()
            raise
        except BatchFailed as fault:
            running.end()
            raise ScorerUnavailable(f"it did not start: {fault}") from fault
        if "fault" in reply:
            running.end()
            raise ScorerUnavailable(f"it cannot load its artifact: {reply['detail']}")
        self._running = running
        return running


def _is_ready(connection: socket.socket, for_what: int, seconds: float) -> bool:
    waiting = select.poll()
    waiting.register(connection, for_what)
    return bool(waiting.poll(1000 * seconds))


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
