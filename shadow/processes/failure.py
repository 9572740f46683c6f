"""How a process says that it cannot do its work: an exception and exit statuses."""

from __future__ import annotations

EXIT_FAILURE, EXIT_USAGE = 1, 2


class CannotRun(RuntimeError):
    """A process cannot do its work and starting it again will not help; the message says what to do."""

    safe_to_log = True
