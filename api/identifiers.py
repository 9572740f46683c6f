"""Identifiers made here: UUIDv7, which carry the time and sort by it."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from shadow.records import new_capture_ids

_BITS = 74
_BYTES = (_BITS + 7) // 8
_AT_ONCE = 1024


class RandomBits:
    """74 bits at a time that nobody can predict: an id is all it takes to look a prediction up.

    `source` gives so many random bytes, as os.urandom does; it supplies 1,024 ids at once. Create it
    after any fork, or two processes would make the same ids.
    """

    def __init__(self, source: Callable[[int], bytes]) -> None:
        self._source = source
        self._bytes = b""
        self._at = 0

    def __call__(self) -> int:
        """Give the next 74 bits as a number."""
        if self._at >= len(self._bytes):
            self._bytes, self._at = self._source(_BYTES * _AT_ONCE), 0
        begin, self._at = self._at, self._at + _BYTES
        return int.from_bytes(self._bytes[begin : self._at]) >> (8 * _BYTES - _BITS)


class Identifiers:
    """Makes ids from a clock (nanoseconds) and a source of 74 random bits."""

    def __init__(self, clock_ns: Callable[[], int], random_bits: Callable[[], int]) -> None:
        self._clock_ns = clock_ns
        self._random_bits = random_bits

    def captures(self, count: int) -> list[UUID]:
        """Ids for houses answered now, neighbours in their order."""
        return new_capture_ids(count, self._clock_ns() // 1_000_000, self._random_bits())

    def request(self) -> str:
        """Make an id for a request that came without one."""
        return str(self.captures(1)[0])
