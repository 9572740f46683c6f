"""Backoff: how long to wait before the next attempt."""

from __future__ import annotations


class Backoff:
    """A pause that doubles from `shortest` to `longest` seconds until `reset`."""

    def __init__(self, shortest: float, longest: float) -> None:
        self._shortest = shortest
        self._longest = longest
        self.failures = 0

    def next(self) -> float:
        """Count a failure; return the seconds to wait now."""
        seconds = min(self._longest, self._shortest * 2.0 ** min(self.failures, 32))
        self.failures += 1
        return seconds

    def reset(self) -> None:
        """Count a success."""
        self.failures = 0
