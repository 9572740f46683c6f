"""Waiting for a condition, never for a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from patience import at_least

Found = TypeVar("Found")
_LOOK_SECONDS = 0.1
_never = threading.Event()


class WaitedInVain(AssertionError):
    """The condition did not hold before its deadline."""


def wait_until(condition: Callable[[], Found], seconds: float, why: Callable[[], object] = str) -> Found:
    """What `condition` gives once that is true; `why` is asked for an explanation when it never is.

    `seconds` bound the wait where they are more than what every wait is given (tests/machine/patience.py).
    """
    seconds = at_least(seconds)
    deadline = time.monotonic() + seconds
    while True:
        if found := condition():
            return found
        if time.monotonic() > deadline:
            raise WaitedInVain(f"waited {seconds:g} s in vain: {why()}")
        _never.wait(_LOOK_SECONDS)
