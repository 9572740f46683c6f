"""What happens when the server and its workers start and end: gunicorn's hooks."""

from __future__ import annotations

import logging
import mmap
import signal
import tempfile
import threading
import time
from contextlib import suppress
from itertools import count
from pathlib import Path

from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker as BaseWorker

from api.server import cpus
from api.server.worker import metrics_directory
from monitoring import logs, metrics
from shadow.processes import addresses, descendants, handover
from shadow.settings import Settings

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108
_ORPHAN_CHECK_SECONDS = 0.5
_log = logging.getLogger("umbra.server")


def when_ready(arbiter: Arbiter, settings: Settings) -> None:
    """In the arbiter: show the metrics of all workers. A port taken meanwhile costs only them."""
    host, port = settings.metrics_host, settings.api_metrics_port
    directory = metrics_directory()
    if directory is not None:
        threading.Thread(target=_forget_orphans, args=(directory,), daemon=True).start()
    try:
        arbiter.metrics_server = metrics.serve(host, port, family=addresses.family(host), directory=directory)
    except OSError as fault:
        logs.event(_log, "metrics_not_served", level=logging.ERROR, error=fault, port=port)


def orphans(directory: Path) -> set[int]:
    """List the processes with metrics here that answer for a killed API: `umbra up` adopted them."""
    received = handover.inherited()
    if received is None:
        return set()
    return {pid for pid in metrics.owners(directory) if descendants.parent(pid) == received.launcher_pid}


def _forget_orphans(directory: Path) -> None:
    """Forget the gauges of those who answered for a killed API as they end, and keep their counts."""
    present = orphans(directory)
    while present:
        time.sleep(_ORPHAN_CHECK_SECONDS)
        left = orphans(directory)
        for pid in present - left:
            metrics.worker_exited(directory, pid)
        present = left


def when_starting(arbiter: Arbiter, settings: Settings) -> None:
    """In the arbiter, first of all: make what all workers share.

    That is the memory in which they see whether any was ever ready, and the CPUs that they keep to.
    """
    arbiter.ever_ready = mmap.mmap(-1, 1)
    arbiter.metrics_server = None
    arbiter.claims = cpus.Claims(settings.api_workers, cpus.usable() if settings.api_pinned else ())


def heartbeat_directory(run_dir: Path) -> str:
    """Where the workers can show the arbiter that they live; raises OSError.

    In shared memory, if it can be: a disk could block them.
    """
    for directory in (_SHARED_MEMORY, _temporary_directory(), run_dir):
        with suppress(OSError):
            directory.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=directory).close()
            return str(directory)
    tried = f"{_SHARED_MEMORY}, {_temporary_directory()} and {run_dir}"
    raise PermissionError(f"no file can be made in {tried}: the API's processes need one of them")


def _temporary_directory() -> Path:
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:  # no file can be made in any of those there are
        return Path("/tmp")  # noqa: S108


def pre_fork(arbiter: Arbiter, worker: BaseWorker) -> None:
    """In the arbiter: give the worker what is shared, and the first number that no living one has."""
    worker.ever_ready = arbiter.ever_ready
    worker.claimed_cpus = arbiter.claims.cpus
    taken = {other.number for other in arbiter.WORKERS.values()}
    worker.number = next(number for number in count() if number not in taken)


def post_fork(arbiter: Arbiter, worker: BaseWorker) -> None:
    """In a new worker, at once: let go of what is the arbiter's.

    Its handler would lose a SIGTERM; its port of metrics and its CPUs would stay taken for as long as this
    worker lives, which may hang in a disk when the arbiter is long gone.
    """
    signal.signal(signal.SIGTERM, worker.handle_exit)
    arbiter.claims.release()
    if arbiter.metrics_server is not None:
        arbiter.metrics_server.close_inherited_socket()


def child_exit(worker: BaseWorker) -> None:
    """In the arbiter, however a worker ended: remove its gauges."""
    directory = metrics_directory()
    if directory is not None:
        metrics.worker_exited(directory, worker.pid)


def on_exit() -> None:
    """In the arbiter, at the end: leave nothing in shared memory."""
    directory = metrics_directory()
    if directory is not None and not orphans(directory):
        metrics.remove_directory(directory)


def worker_exit(worker: BaseWorker) -> None:
    """In the worker, when it stops in order: seal the journal, then let the last lines leave."""
    application = getattr(worker, "wsgi", None)
    if application is not None:
        application.extensions["umbra"].recorder.close()
    logs.flush()
