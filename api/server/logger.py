"""gunicorn's own lines, written as all other lines are."""

from __future__ import annotations

import logging
import sys
from typing import Any

from gunicorn import glogging

from monitoring import logs

OF_PROCESSES = (
    "Starting gunicorn %s",
    "Listening at: %s (%s)",
    "Using worker: %s",
    "Booting worker with pid: %s",
    "Handling signal: %s",
    "Hang up: %s",
    "WORKER TIMEOUT (pid:%s)",
    "Worker (pid:%s) was sent %s!",
    "Worker (pid:%s) was sent %s! Perhaps out of memory?",
    "Worker (pid:%s) exited with code %s.",
    "Worker exiting (pid: %s)",
    "Exception in worker process",
    "Unhandled exception in main loop",
    "Connection in use: %s",
    "Can't connect to %s",
    "Shutting down: %s",
    "Reason: %s",
)
"""What gunicorn says of its processes, as it is before the numbers and names are put in."""
_log = logging.getLogger("umbra.server")


def _mark_harmless(record: logging.LogRecord) -> bool:
    """Let lines of gunicorn that are about processes alone be read also while texts are withheld."""
    record.safe_to_log = record.msg in OF_PROCESSES
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
        """Log an exception; a client that fell silent is no error of the server."""
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
