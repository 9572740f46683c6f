"""gunicorn's sync worker as Umbra runs it: deadlines for clients, errors as problem+json."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, NoReturn

from gunicorn.arbiter import Arbiter
from gunicorn.http import errors as http_errors
from gunicorn.workers.sync import SyncWorker

from api import errors, middleware
from api.app import create_app
from api.server import cpus
from api.server.lingering import Lingering
from model_package.artifact import AlteredArtifact, InvalidArtifact
from model_package.recipes import UnknownRecipe
from monitoring import logs
from shadow import processes, start
from shadow.processes import handover
from shadow.rollout import NoDeployment
from shadow.settings import Settings

CANNOT_START = (NoDeployment, InvalidArtifact, AlteredArtifact, UnknownRecipe, OSError)
"""What can be wrong before the first answer; each says what to do."""

METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

_CLIENT_SECONDS = 5.0
_REQUEST_SECONDS = 10.0
_BOOT_PAUSE_SECONDS = 0.25
_ORPHANED = signal.SIGUSR1
_BY_ERROR: tuple[tuple[type[Exception], int], ...] = (
    (http_errors.LimitRequestLine, 414),
    (http_errors.LimitRequestHeaders, 431),
    (http_errors.ExpectationFailed, 417),
    (http_errors.ParseException, 400),
    (http_errors.ChunkMissingTerminator, 400),
    (http_errors.InvalidChunkSize, 400),
    (http_errors.InvalidChunkExtension, 400),
)
_log = logging.getLogger("umbra.server")


def application() -> Any:
    """Build the application of the environment's settings; gunicorn calls it in each worker."""
    return create_app(Settings.from_environment(), metrics_directory())


def metrics_directory() -> Path | None:
    """Where the processes of this API share their metrics; None: nowhere."""
    text = os.environ.get(METRICS_VARIABLE, "")
    return Path(text) if text else None


class ApiWorker(SyncWorker):  # type: ignore[misc]
    """One process, one request at a time."""

    ppid: int

    def init_process(self) -> None:
        """Prepare, load, and answer until told to stop.

        What goes wrong before any worker was ready halts the start. Later it costs this worker alone,
        whatever it is: the arbiter tries again, while the others answer on.
        """
        try:
            self._prepare()
            super().init_process()
        except Exception as fault:
            if self.booted or not (self.ever_ready[0] or isinstance(fault, CANNOT_START)):
                raise  # gunicorn logs it, and halts if nothing was ready
            self._end(fault)
        except SystemExit as fault:  # whatever a recipe may think of
            if self.ever_ready[0] and fault.code in (Arbiter.WORKER_BOOT_ERROR, Arbiter.APP_LOAD_ERROR):
                self._end(fault)
            raise

    def load_wsgi(self) -> None:
        """Load, and tell all others that the start has succeeded."""
        super().load_wsgi()
        self.ever_ready[0] = True
        logs.event(_log, "worker_ready", live_model=str(self.wsgi.extensions["umbra"].live.serving().ref))

    def run(self) -> None:
        """Answer until told to stop. Then nothing keeps the port: the next start may need it at once."""
        self.wait_fds.append(self.lingering)
        if self.received is not None:
            start.set_parent_death_signal(_ORPHANED)
            self.received.report_answering(self.ppid)
        super().run()
        for listener in self.sockets:
            listener.close()
        self.lingering.finish()

    def wait(self, timeout: float) -> Any:
        """Wait for a connection; also for what those that were answered do."""
        seconds = self.lingering.seconds_to_check()
        ready = super().wait(timeout if seconds is None else min(timeout, seconds))
        if not ready:
            self.lingering.watch()
            return ready
        return [source for source in ready if source is not self.lingering]

    def accept(self, listener: Any) -> None:
        """Take a connection, which may not keep us waiting for long: it holds this process."""
        self.lingering.close_finished()
        client, address = listener.accept()
        self.handle(listener, _Client(client, self.lingering), address)

    def is_parent_alive(self) -> bool:
        """Whether to answer on; under `umbra up` also when the arbiter was killed, until told to stop."""
        self._answer_for_killed_arbiter()
        return bool(super().is_parent_alive())

    def handle_usr1(self, *_: Any) -> None:
        """Stop if the parent has died: the kernel signals it even in the midst of a request."""
        self._answer_for_killed_arbiter()
        if os.getppid() != self.ppid:
            self.alive = False

    def _answer_for_killed_arbiter(self) -> None:
        """Take `umbra up` for the parent once it has adopted this process, and end with it."""
        if self.received is not None and os.getppid() == self.received.launcher_pid != self.ppid:
            start.set_parent_death_signal(signal.SIGTERM)
            self.ppid = self.received.launcher_pid

    def _prepare(self) -> None:
        self.received = handover.inherited()
        # An orphan would hold the port against the next start.
        os.environ[processes.PARENT_VARIABLE] = str(self.ppid)
        processes.end_with_parent()
        cpus.pin_to(self.claimed_cpus, self.number)
        logs.discard_other_output()
        _wait_for_bytes(self.sockets)
        self.lingering = Lingering()

    def _end(self, fault: BaseException) -> NoReturn:
        logs.event(_log, "cannot_start", level=logging.ERROR, error=fault)
        if not self.ever_ready[0]:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)
        time.sleep(_BOOT_PAUSE_SECONDS)
        sys.exit(1)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:  # noqa: ARG002
        """Answer what never became a request, as every other error is answered."""
        status = next((code for kind, code in _BY_ERROR if isinstance(exc, kind)), 500)
        request_id = self.wsgi.extensions["umbra.identifiers"].request()
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            logs.event(_log, "request_failed", level=logging.ERROR, error=exc, trace={"id": request_id})
        peer = {"REMOTE_ADDR": addr[0]} if isinstance(addr, tuple) else {}
        self._account(status, request_id, self.wsgi.extensions["umbra.clients"].address(peer))
        _send(client, _problem(status, exc, request_id))

    def _account(self, status: int, request_id: str, address: str | None) -> None:
        problem = errors.BY_STATUS[status].code
        measured = self.wsgi.extensions["umbra"].metrics
        measured.requests["other", middleware.UNMATCHED, str(status)].inc()
        measured.refused[(problem,)].inc()
        logs.event(
            _log,
            "request",
            event={"action": middleware.UNMATCHED, "outcome": "failure"},
            http={"request": {"id": request_id}, "response": {"status_code": status}},
            trace={"id": request_id},
            client={"ip": address},
            problem=problem,
        )


class _Client(socket.socket):
    """A connection with one deadline for all that is read from it, however slowly it drips.

    gunicorn closes it for sending, reads until the client closes it, too, and closes it: here it has nothing
    to read once it is closed for sending, and whoever closes it then hands it over to `lingering`.
    """

    def __init__(self, accepted: socket.socket, lingering: Lingering) -> None:
        super().__init__(accepted.family, accepted.type, accepted.proto, accepted.detach())
        self._deadline = time.monotonic() + _REQUEST_SECONDS
        self._lingering = lingering
        self._is_answered = self._lingers = False
        self.settimeout(_CLIENT_SECONDS)

    def recv(self, *arguments: Any) -> bytes:
        """Read within the deadline; raises TimeoutError."""
        if self._is_answered:
            return b""
        left = self._deadline - time.monotonic()
        if left < _CLIENT_SECONDS:
            self.settimeout(max(0.001, left))
        return super().recv(*arguments)

    def shutdown(self, how: int) -> None:
        """Close it for sending: all is answered."""
        super().shutdown(how)
        self._is_answered = True

    def close(self) -> None:
        """Close it, or let it linger if it was answered."""
        if not self._is_answered:
            super().close()
        elif not self._lingers:
            self._lingers = True
            self._lingering.add(self)


def _problem(status: int, fault: BaseException, request_id: str) -> bytes:
    problem = errors.BY_STATUS[status]
    body = problem.body(errors.OURS if status >= 500 else str(fault)[:200], "", request_id)
    head = (
        f"HTTP/1.1 {status} {problem.status.phrase}\r\nConnection: close\r\n"
        f"Content-Type: {errors.MEDIA_TYPE}\r\n"
        f"{middleware.HEADER}: {request_id}\r\nContent-Length: {len(body)}\r\n"
    )
    safeguards = "".join(f"{name}: {value}\r\n" for name, value in middleware.SAFEGUARDS)
    return f"{head}{safeguards}\r\n".encode() + body


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
