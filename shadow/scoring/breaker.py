"""The breaker: when a scorer cannot be kept alive, its captures wait instead of being blamed."""

from __future__ import annotations

from collections.abc import Callable

from shadow.backoff import Backoff

_LOST_ALONE = 3  # rows that, one after the other, took the scorer down all by themselves


class Breaker:
    """Opens when the scorer cannot be kept alive; scoring then pauses, ever longer, and tries again."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._backoff = Backoff(1.0, 60.0)
        self._lost_in_a_row = 0
        self._closed_again_at = 0.0

    @property
    def seconds_open(self) -> float:
        """How long scoring still has to pause; 0 when it may go on."""
        return max(0.0, self._closed_again_at - self._monotonic())

    def lost_alone(self) -> None:
        """One row by itself took the scorer down."""
        self._lost_in_a_row += 1
        if self._lost_in_a_row >= _LOST_ALONE:
            self.open()

    def open(self) -> None:
        """Pause scoring."""
        self._closed_again_at = self._monotonic() + self._backoff.next()

    def succeeded(self) -> None:
        """The scorer answered."""
        self._lost_in_a_row = 0
        self._backoff.reset()
