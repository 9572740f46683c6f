"""Room: how many bytes may still be written to a journal directory."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

from shadow.journal import journal_file

_ALLOWANCE_BYTES = 4 << 20
_ALLOWANCE_SHARE = 1 / 200  # of the bound, for all writers together
_RECHECK_SECONDS = 0.25
_FOR_CAPTURES = 0.1
_WORTH_SEALING = 0.01


class JournalFull(OSError):
    """The journal has reached its bound."""


class Room:
    """The bytes this process may still write before the whole directory reaches its bound.

    Adding up the directory costs a system call per file, so it buys an allowance for many entries. What the
    other writers may hold of theirs counts as used: so the bound holds whoever writes first. An entry
    larger than an allowance is looked up by itself; two of these at the same moment can pass the bound by
    one of them.
    """

    def __init__(
        self, directory: Path, max_bytes: int, monotonic: Callable[[], float], writers: int = 1
    ) -> None:
        """Count for one of so many `writers` of the directory."""
        self._directory = directory
        self._max_bytes = max_bytes
        self._monotonic = monotonic
        self._most = min(_ALLOWANCE_BYTES, int(_ALLOWANCE_SHARE * max_bytes / writers))
        # Counting drops may take each of them the header of one more file.
        self._others = (writers - 1) * self._most + writers * journal_file.HEADER_BYTES
        self._allowance = 0
        self._look_again = 0.0

    @property
    def worth_sealing(self) -> int:
        """Bytes of a segment whose removal is felt; to seal smaller ones would only make many files."""
        return int(_WORTH_SEALING * self._max_bytes)

    def take_for_outcomes(self, wanted: int) -> None:
        """Take `wanted` bytes, but none of the last tenth; raises JournalFull."""
        bound = (1 - _FOR_CAPTURES) * self._max_bytes
        if journal_file.size_bytes(self._directory) + wanted > bound:
            raise JournalFull(errno.EDQUOT, "the journal has no room for outcomes")
        self.take(wanted)

    def take(self, wanted: int) -> None:
        """Take `wanted` bytes; raises JournalFull."""
        if wanted > self._allowance:
            self._refill(wanted)
        if wanted > self._allowance:
            raise JournalFull(errno.EDQUOT, "the journal has reached UMBRA_JOURNAL_MAX_BYTES")
        self._allowance -= wanted

    def _refill(self, wanted: int) -> None:
        now = self._monotonic()
        if now < self._look_again:
            return
        free = self._max_bytes - self._others - journal_file.size_bytes(self._directory)
        self._allowance = min(free, max(wanted, self._most))
        if wanted > self._allowance:  # only a full directory is left alone for a while
            self._look_again = now + _RECHECK_SECONDS
