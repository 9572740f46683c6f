"""The server: gunicorn's sync worker, with errors as problem+json and lines as JSON."""

from __future__ import annotations

import logging
import mmap
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from http import HTTPStatus
from itertools import count
from pathlib import Path
from typing import Any

from gunicorn import glogging
from gunicorn.arbiter import Arbiter
from gunicorn.http import errors as http_errors
from gunicorn.workers.base import Worker as BaseWorker
from gunicorn.workers.sync import SyncWorker

from api import access, errors
from api.app import create_app
from model_package.artifact import AlteredArtifact, InvalidArtifact
from model_package.recipes import UnknownRecipe
from monitoring import logs, metrics
from shadow import processes
from shadow.rollout import NoDeployment
from shadow.settings import Settings

CANNOT_START = (NoDeployment, InvalidArtifact, AlteredArtifact, UnknownRecipe, OSError)
"""What can be wrong before the first answer; each says what to do."""

METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

_CLIENT_SECONDS = 5.0
_REQUEST_SECONDS = 10.0
_BOOT_PAUSE_SECONDS = 1.0
_BY_ERROR: tuple[tuple[type[Exception], int], ...] = (
    (http_errors.LimitRequestLine, 414),
    (http_errors.LimitRequestHeaders, 431),
    (http_errors.ExpectationFailed, 417),
    (http_errors.ParseException, 400),
    (http_errors.ChunkMissingTerminator, 400),
    (http_errors.InvalidChunkSize, 400),
    (http_errors.InvalidChunkExtension, 400),
)
OF_PROCESSES = (
    "Starting gunicorn %s", "Listening at: %s (%s)", "Using worker: %s", "Booting worker with pid: %s",
    "Handling signal: %s", "Hang up: %s", "WORKER TIMEOUT (pid:%s)", "Worker (pid:%s) was sent %s!",
    "Worker (pid:%s) was sent %s! Perhaps out of memory?", "Worker (pid:%s) exited with code %s.",
    "Worker exiting (pid: %s)", "Exception in worker process", "Unhandled exception in main loop",
    "Connection in use: %s", "Can't connect to %s", "Shutting down: %s", "Reason: %s",
)  # fmt: skip
"""What gunicorn says of its processes, as it is before the numbers and names are put in."""
_log = logging.getLogger("umbra.server")


def application() -> Any:
    """What gunicorn asks each worker for: the application of the environment's settings."""
    return create_app(Settings.from_environment(), metrics_directory())


def metrics_directory() -> Path | None:
    """Where the processes of this API share their metrics; None: nowhere."""
    text = os.environ.get(METRICS_VARIABLE, "")
    return Path(text) if text else None


class Worker(SyncWorker):  # type: ignore[misc]
    """One process, one request at a time."""

    def init_process(self) -> None:
        """Leave with the arbiter: an orphan would hold the port against the next start."""
        os.environ[processes.PARENT_VARIABLE] = str(self.ppid)
        processes.leave_with_parent()
        if Settings.from_environment().api_pinned:
            pin(self.place, self.cfg.workers)
        logs.keep_to_lines()
        _wait_for_bytes(self.sockets)
        super().init_process()

    def load_wsgi(self) -> None:
        """Load, or say in one line why not.

        Before any worker was ready that halts the start; later it costs this worker alone, which the arbiter
        tries again, while the others answer on.
        """
        try:
            super().load_wsgi()
            self.ever_ready[0] = True
            logs.event(_log, "worker_ready", live_model=str(self.wsgi.extensions["umbra"].live.serving().ref))
        except CANNOT_START as fault:
            logs.event(_log, "cannot_start", level=logging.ERROR, error=fault)
            if not self.ever_ready[0]:
                sys.exit(Arbiter.WORKER_BOOT_ERROR)
            time.sleep(_BOOT_PAUSE_SECONDS)
            sys.exit(1)

    def accept(self, listener: Any) -> None:
        """Take a connection, which may not keep us waiting for long: it holds this process."""
        client, address = listener.accept()
        self.handle(listener, _Client(client), address)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:  # noqa: ARG002
        """Answer what never became a request, as every other error is answered."""
        status = next((code for kind, code in _BY_ERROR if isinstance(exc, kind)), 500)
        request_id = self.wsgi.extensions["umbra.identifiers"].request()
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            logs.event(_log, "request_failed", level=logging.ERROR, error=exc, trace={"id": request_id})
        self._account(status, request_id)
        _send(client, _problem(status, exc, request_id))

    def _account(self, status: int, request_id: str) -> None:
        problem = errors.BY_STATUS[status].code
        measured = self.wsgi.extensions["umbra"].metrics
        measured.requests["other", access.UNMATCHED, str(status)].inc()
        measured.refused[(problem,)].inc()
        logs.event(
            _log,
            "request",
            event={"action": access.UNMATCHED, "outcome": "failure"},
            http={"request": {"id": request_id}, "response": {"status_code": status}},
            trace={"id": request_id},
            problem=problem,
        )


class _Client(socket.socket):
    """A connection with one deadline for all that is read from it, however slowly it drips."""

    def __init__(self, accepted: socket.socket) -> None:
        super().__init__(accepted.family, accepted.type, accepted.proto, accepted.detach())
        self._deadline = time.monotonic() + _REQUEST_SECONDS
        self.settimeout(_CLIENT_SECONDS)

    def recv(self, *arguments: Any) -> bytes:
        """Read within the deadline; raises TimeoutError."""
        left = self._deadline - time.monotonic()
        if left < _CLIENT_SECONDS:
            self.settimeout(max(0.001, left))
        return super().recv(*arguments)


def _problem(status: int, fault: BaseException, request_id: str) -> bytes:
    problem = errors.BY_STATUS[status]
    body = problem.body(errors.OURS if status >= 500 else str(fault)[:200], "", request_id)
    head = (
        f"HTTP/1.1 {status} {problem.status.phrase}\r\nConnection: close\r\n"
        f"Content-Type: {errors.MEDIA_TYPE}\r\n"
        f"{access.HEADER}: {request_id}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _send(client: socket.socket, answer: bytes) -> None:
    try:
        client.settimeout(_CLIENT_SECONDS)
        client.sendall(answer)
    except OSError as fault:
        logs.event(_log, "answer_not_sent", level=logging.DEBUG, error=fault)


def _wait_for_bytes(listeners: Sequence[Any]) -> None:
    """Have the kernel hold back connections that say nothing: a browser opens such in advance."""
    for listener in listeners:
        if listener.sock.family in (socket.AF_INET, socket.AF_INET6) and hasattr(socket, "TCP_DEFER_ACCEPT"):
            listener.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, int(_CLIENT_SECONDS))


def _mark_harmless(record: logging.LogRecord) -> bool:
    """Let lines of gunicorn that are about processes alone be read also while texts are withheld."""
    record.names_no_house = record.msg in OF_PROCESSES
    return True


class Logger(glogging.Logger):  # type: ignore[misc]
    """gunicorn's own lines, through the root logger like all others; no access lines."""

    def setup(self, cfg: Any) -> None:
        """Leave handlers and levels to monitoring.logs; lines name who wrote them, not gunicorn's wrapper."""
        self.cfg = cfg
        self._access_log_enabled = False
        self.error_log.propagate = True
        self.error_log.addFilter(_mark_harmless)
        for level in ("critical", "error", "warning", "info", "debug"):
            setattr(self, level, getattr(self.error_log, level))

    def exception(self, msg: str, *args: Any, **more: Any) -> None:
        """A client that fell silent is no error of ours."""
        if isinstance(sys.exception(), TimeoutError):
            logs.event(_log, "client_silent")
        else:
            self.error_log.exception(msg, *args, stacklevel=2, **more)

    def access(self, *_: Any) -> None:
        """Nothing."""

    def reopen_files(self) -> None:
        """Nothing: files are rotated by the process that writes them."""

    def close_on_exec(self) -> None:
        """Nothing: every file is opened so."""


def when_ready(settings: Settings) -> None:
    """In the arbiter: show the metrics of all workers. A port taken meanwhile costs only them."""
    try:
        metrics.serve(settings.metrics_host, settings.api_metrics_port, directory=metrics_directory())
    except OSError as fault:
        logs.event(
            _log, "metrics_not_served", level=logging.ERROR, error=fault, port=settings.api_metrics_port
        )


def when_starting(arbiter: Arbiter) -> None:
    """In the arbiter, first of all: make the memory in which all workers see whether any was ever ready."""
    arbiter.ever_ready = mmap.mmap(-1, 1)


def pre_fork(arbiter: Arbiter, worker: BaseWorker) -> None:
    """In the arbiter: give the worker that memory, and the first place that no living one has."""
    worker.ever_ready = arbiter.ever_ready
    taken = {other.place for other in arbiter.WORKERS.values()}
    worker.place = next(place for place in count() if place not in taken)


def pin(place: int, workers: int) -> None:
    """Keep this process on the CPU of its place, while there is one for each worker.

    Its two threads take turns (shadow.capture) and never run together; woken on two CPUs each hand-over costs
    60 us more (python -m benchmarks.steps).
    """
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        if workers <= len(allowed):
            # While gunicorn reloads, old and new workers live side by side: more places than CPUs.
            os.sched_setaffinity(0, {allowed[place % len(allowed)]})


def post_fork(worker: BaseWorker) -> None:
    """In a new worker, at once: the arbiter's handler, which it took over, would lose a SIGTERM."""
    signal.signal(signal.SIGTERM, worker.handle_exit)


def child_exit(worker: BaseWorker) -> None:
    """In the arbiter, however a worker ended: forget its gauges."""
    directory = metrics_directory()
    if directory is not None:
        metrics.worker_exited(directory, worker.pid)


def on_exit() -> None:
    """In the arbiter, at the end: leave nothing in shared memory."""
    directory = metrics_directory()
    if directory is not None:
        metrics.remove_directory(directory)


def worker_exit(worker: BaseWorker) -> None:
    """In the worker, when it stops in order: seal the journal, then let the last lines leave."""
    application = getattr(worker, "wsgi", None)
    if application is not None:
        application.extensions["umbra"].recorder.close()
    logs.flush()
