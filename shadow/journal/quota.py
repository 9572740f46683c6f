"""The quota of the journal: how many bytes may still be written to its directory."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

from shadow.journal import journal_file

_ALLOWANCE_BYTES = 4 << 20
_ALLOWANCE_SHARE = 1 / 200  # of the bound, for all writers together
_RECHECK_SECONDS = 0.25
_SHARE_FOR_CAPTURES = 0.1
_SHARE_WORTH_SEALING = 0.01


class JournalFull(OSError):
    """The journal has reached its bound."""


class JournalQuota:
    """The bytes this process may still write before the whole directory reaches its bound.

    Adding up the directory costs a system call per file, so it buys an allowance for many entries. What the
    other writers may hold of theirs counts as used: so the bound holds whichever process writes first. An
    entry larger than an allowance has the directory added up by itself; two of these at the same moment can
    pass the bound by one of them.
    """

    def __init__(
        self, directory: Path, max_bytes: int, monotonic: Callable[[], float], writers: int = 1
    ) -> None:
        """Count for one of so many `writers` of the directory."""
        self._directory = directory
        self._max_bytes = max_bytes
        self._monotonic = monotonic
        self._max_allowance = min(_ALLOWANCE_BYTES, int(_ALLOWANCE_SHARE * max_bytes / writers))
        # Counting drops may take each of them the header of one more file.
        self._other_writers = (writers - 1) * self._max_allowance + writers * journal_file.HEADER_BYTES
        self._allowance = 0
        self._next_check_at = 0.0

    @property
    def bytes_worth_sealing(self) -> int:
        """Least size of a file whose removal frees enough; sealing smaller ones only makes many files."""
        return int(_SHARE_WORTH_SEALING * self._max_bytes)

    def reserve_for_outcomes(self, wanted: int) -> None:
        """Reserve `wanted` bytes, but none of the last tenth; raises JournalFull."""
        bound = (1 - _SHARE_FOR_CAPTURES) * self._max_bytes
        if journal_file.size_bytes(self._directory) + wanted > bound:
            raise JournalFull(errno.EDQUOT, "the journal has no room for outcomes")
        self.reserve(wanted)

    def reserve(self, wanted: int) -> None:
        """Reserve `wanted` bytes; raises JournalFull."""
        if wanted > self._allowance:
            self._refill(wanted)
        if wanted > self._allowance:
            raise JournalFull(errno.EDQUOT, "the journal has reached UMBRA_JOURNAL_MAX_BYTES")
        self._allowance -= wanted

    def _refill(self, wanted: int) -> None:
        now = self._monotonic()
        if now < self._next_check_at:
            return
        free = self._max_bytes - self._other_writers - journal_file.size_bytes(self._directory)
        self._allowance = min(free, max(wanted, self._max_allowance))
        if wanted > self._allowance:  # only a full directory is left alone for a while
            self._next_check_at = now + _RECHECK_SECONDS
