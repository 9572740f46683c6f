"""Failures of a whole process: an exception and exit statuses."""

from __future__ import annotations

EXIT_FAILURE, EXIT_USAGE = 1, 2


class CannotRun(RuntimeError):
    """A process cannot work, and starting it again does not help; the message says what to do."""

    safe_to_log = True
