"""The breaker: pauses a scorer that keeps crashing.

Its captures stay pending meanwhile and are not recorded as failed.
"""

from __future__ import annotations

from collections.abc import Callable

from shadow.backoff import Backoff

_ROWS_TO_OPEN = 3  # rows in a row that each crashed the scorer, scored alone


class Breaker:
    """Opens when the scorer cannot be kept alive; scoring then pauses, longer each time, and tries again."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._backoff = Backoff(1.0, 60.0)
        self._crashes_in_a_row = 0
        self._closed_again_at = 0.0

    @property
    def seconds_open(self) -> float:
        """How long scoring still has to pause; 0 when it may go on."""
        return max(0.0, self._closed_again_at - self._monotonic())

    def record_crash(self) -> None:
        """Count a row that crashed the scorer, scored alone."""
        self._crashes_in_a_row += 1
        if self._crashes_in_a_row >= _ROWS_TO_OPEN:
            self.open()

    def open(self) -> None:
        """Pause scoring."""
        self._closed_again_at = self._monotonic() + self._backoff.next()

    def record_success(self) -> None:
        """Close again: the scorer answered."""
        self._crashes_in_a_row = 0
        self._backoff.reset()
