"""Identifiers made here: UUIDv7, which carry the time and sort by it."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from shadow.records import new_capture_ids


class Identifiers:
    """Makes ids from a clock (nanoseconds) and a source of random bits that no other process shares."""

    def __init__(self, clock_ns: Callable[[], int], random_bits: Callable[[int], int]) -> None:
        self._clock_ns = clock_ns
        self._random_bits = random_bits

    def captures(self, count: int) -> list[UUID]:
        """Ids for houses answered now, neighbours in their order."""
        return new_capture_ids(count, self._clock_ns() // 1_000_000, self._random_bits(74))

    def request(self) -> str:
        """An id for a request that came without one."""
        return str(self.captures(1)[0])
