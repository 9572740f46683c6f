"""The scorer: a candidate's model process, scored in batches, killed when it misses the deadline."""

from __future__ import annotations

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
from shadow import processes, start
from shadow.processes import descendants
from shadow.records import Candidate, NewObservation, PendingCapture
from shadow.scoring import model_process
from shadow.scoring import reply as replies
from shadow.scoring.reply import CRASHED, HUNG, BatchFailed, MalformedReply
from shadow.settings import Settings

SOCKET = "{socket}"
_START_SECONDS = 60.0
_POLL_SECONDS = 0.1


class Stopped(RuntimeError):
    """A stop came while the lane waited."""


class ScorerUnavailable(RuntimeError):
    """The scorer cannot be started, so no row is to blame."""


@dataclass(frozen=True, slots=True)
class ScorerPlan:
    """How to start a candidate's scorer, and how long it may take over one batch.

    `silent`: what the model prints, which may contain rows, is discarded.
    """

    command: Sequence[str]
    environment: dict[str, str]
    deadline_seconds: float
    silent: bool = False

    @classmethod
    def of(cls, settings: Settings, candidate: Candidate) -> ScorerPlan:
        """Plan the scorer of one candidate; the environment holds no credentials."""
        model = candidate.model
        directory = artifact.directory_of(settings.models, model)
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
    start.RECIPE_DIRECTORY_VARIABLE,
)


class _Deadline:
    """The moment until which a reply has to come."""

    def __init__(self, seconds: float, give_up: threading.Event) -> None:
        self._seconds = seconds
        self._ends = time.monotonic() + seconds
        self._give_up = give_up

    def seconds_left(self) -> float:
        """Return the seconds left; raises Stopped, or BatchFailed when there are none."""
        if self._give_up.is_set():
            raise Stopped
        left = self._ends - time.monotonic()
        if left <= 0:
            raise BatchFailed(HUNG, f"no answer within {self._seconds:g} s")
        return left


class _Running:
    """One started model process and the socket to it."""

    def __init__(self, plan: ScorerPlan) -> None:
        self._connection, child_end = socket.socketpair()
        self._connection.setblocking(False)
        socket_number = str(child_end.fileno())
        with child_end:
            self.process = subprocess.Popen(
                [socket_number if argument == SOCKET else argument for argument in plan.command],
                env=plan.environment,
                pass_fds=[child_end.fileno()],
                process_group=0,  # with the processes it starts; in our session, whose CPU share is small
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL if plan.silent else None,
            )

    def exchange(
        self, request: bytes | None, rows: int, seconds: float, give_up: threading.Event
    ) -> dict[str, Any]:
        """Send a request about so many rows (None: only listen) and wait for the reply.

        Raises BatchFailed or Stopped.
        """
        deadline = _Deadline(seconds, give_up)
        try:
            if request is not None:
                self._check_silent()
                message = model_process.frame_message(request)
                self._send(message, lambda: self._wait(select.POLLOUT, deadline))
            body = model_process.receive(
                self._connection, lambda: self._wait(select.POLLIN, deadline), replies.most_bytes(rows)
            )
            if body is None:
                raise BatchFailed(CRASHED, self._exit_reason())
            return replies.parse(body)
        except OSError:
            raise BatchFailed(CRASHED, self._exit_reason()) from None
        except (MalformedReply, model_process.MessageTooLong) as fault:
            raise BatchFailed(CRASHED, f"malformed reply: {fault}") from None

    def _wait(self, for_what: int, deadline: _Deadline) -> None:
        """Wait until the socket is ready; raises Stopped or BatchFailed."""
        while not _is_ready(self._connection, for_what, min(_POLL_SECONDS, deadline.seconds_left())):
            if self.process.poll() is not None:  # its helpers may hold the socket open
                raise BatchFailed(CRASHED, self._exit_reason())

    def _check_silent(self) -> None:
        """Refuse data that arrived before the request: it is no answer to it."""
        if _is_ready(self._connection, select.POLLIN, 0) and self.process.poll() is None:
            raise MalformedReply("it sent data before it was asked")

    def _send(self, message: bytes, wait: Callable[[], None]) -> None:
        rest = memoryview(message)
        while rest:
            wait()
            rest = rest[self._connection.send(rest) :]

    def end(self) -> None:
        """Kill the process and every process it has started."""
        descendants.kill_tree(self.process.pid)
        self._connection.close()
        self.process.wait()
        if start.adopts_orphans():
            descendants.kill_orphans()

    def _exit_reason(self) -> str:
        try:
            status = self.process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            return "closed its socket"
        return f"killed by signal {-status}" if status < 0 else f"exited with status {status}"


class Scorer:
    """A candidate's model, scored in batches: started when needed, ended when it does not answer."""

    def __init__(self, plan: ScorerPlan, give_up: threading.Event) -> None:
        self._plan = plan
        self._give_up = give_up
        self._running: _Running | None = None

    @property
    def pid(self) -> int | None:
        """The model process's id, when it runs."""
        return None if self._running is None else self._running.process.pid

    def score(self, batch: Sequence[PendingCapture], timed: Sequence[int]) -> list[NewObservation]:
        """Score a batch, in order. Raises BatchFailed, ScorerUnavailable, or Stopped."""
        running = self._running or self._start()
        if start.adopts_orphans():
            descendants.reap_orphans(running.process.pid)
        rows = ",".join(capture.inputs_json for capture in batch)
        request = f'{{"timed":{orjson.dumps(timed).decode()},"rows":[{rows}]}}'
        try:
            reply = running.exchange(request.encode(), len(batch), self._plan.deadline_seconds, self._give_up)
            fault = replies.fault_of(reply)
            observations = [] if fault else replies.observations_of(batch, reply)
        except MalformedReply as malformed:
            self.stop()
            raise BatchFailed(CRASHED, f"malformed reply: {malformed}") from None
        except BatchFailed as failed:
            if failed.lost_process:
                self.stop()
            raise
        except Stopped:
            self.stop()
            raise
        if fault is not None:
            raise fault
        return observations

    def stop(self) -> None:
        """End the model process, if it runs."""
        if self._running is not None:
            self._running.end()
            self._running = None

    def _start(self) -> _Running:
        running = _Running(self._plan)
        try:
            reply = running.exchange(None, 0, _START_SECONDS, self._give_up)
        except Stopped:
            running.end()
            raise
        except BatchFailed as fault:
            running.end()
            raise ScorerUnavailable(f"it did not start: {fault}") from fault
        if "ready" not in reply:
            running.end()
            detail = replies.cleaned(reply.get("detail", "it answered before it was asked"))
            raise ScorerUnavailable(f"it cannot load its artifact: {detail}")
        self._running = running
        return running


def _is_ready(connection: socket.socket, for_what: int, seconds: float) -> bool:
    waiting = select.poll()
    waiting.register(connection, for_what)
    return bool(waiting.poll(1000 * seconds))
