"""Logs: one JSON line for each event, with fields in the Elastic Common Schema."""

from monitoring.logs.events import (
    bind_request_id,
    configure,
    count_dropped_lines,
    discard_other_output,
    event,
    flush,
    log_uncaught_errors,
)

__all__ = [
    "bind_request_id",
    "configure",
    "count_dropped_lines",
    "discard_other_output",
    "event",
    "flush",
    "log_uncaught_errors",
]
