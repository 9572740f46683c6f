"""Names of journal files: unique for ever, and sorted in the order of their making."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from shadow.journal import journal_file

_DIGITS = 14  # of the milliseconds in a file's name, the first of them 0 until the year 5138


class FileNames:
    """Makes names for the journal files of one writer, which sort in the order of their making.

    A name begins with the time in milliseconds, or with what follows the newest name in the directory when
    the clock was set back. Raises OSError when the directory cannot be read.
    """

    def __init__(self, directory: Path, writer: str, clock_ns: Callable[[], int]) -> None:
        self._directory = directory
        self._writer = writer
        self._clock_ns = clock_ns
        self._newest = 0

    def __call__(self) -> str:
        """Make the next name."""
        present = (_milliseconds_of(path.name) for path in journal_file.paths(self._directory))
        self._newest = max(self._clock_ns() // 1_000_000, 1 + max(present, default=0), 1 + self._newest)
        return f"{self._newest:014d}-{self._writer}"


def _milliseconds_of(name: str) -> int:
    """Read the milliseconds that a name begins with; 0 for a name that this class did not make."""
    digits = name.partition("-")[0]
    return int(digits) if digits.isdecimal() and len(digits) == _DIGITS and digits[0] == "0" else 0
