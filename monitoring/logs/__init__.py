"""Logs: one JSON line for each event, with fields in the Elastic Common Schema."""

from monitoring.logs.events import bind, configure, event, flush, keep_to_lines, on_dropped, tell_uncaught

__all__ = ["bind", "configure", "event", "flush", "keep_to_lines", "on_dropped", "tell_uncaught"]
