"""A check: looks until it is satisfied or its time is up, then says what it saw, or what is wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO, TypeVar

PAUSE_SECONDS = 1.0
Found = TypeVar("Found")


class Wrong(Exception):
    """What was seen instead of what was expected, and what to do; `final`: looking again is of no use."""

    def __init__(self, seen: str, advice: str, *, final: bool = False) -> None:
        super().__init__(seen)
        self.advice = advice
        self.final = final


def short(text: str) -> str:
    """Shorten a text to one line without control characters."""
    line = " ".join(text[:1000].split())
    return "".join(character if character.isprintable() else "?" for character in line)[:200]


@dataclass(slots=True)
class CheckReport:
    """Runs checks, each for `seconds` at most, and writes a line about each."""

    out: TextIO
    seconds: float
    passed: int = 0
    at: str = ""

    def check(self, name: str, look: Callable[[], Found]) -> Found:
        """Call `look` until it does not raise Wrong; raise the last fault when time is up."""
        self.at = name
        deadline = time.monotonic() + self.seconds
        while True:
            try:
                result = looked(look)
            except Wrong as fault:
                if fault.final or time.monotonic() >= deadline:
                    raise
                time.sleep(PAUSE_SECONDS)
            else:
                self.passed += 1
                self.say("ok", name, str(result))
                return result

    def say(self, result: str, name: str, seen: str) -> None:
        """Write one line."""
        self.out.write(f"{result:<5}{name:<23}{short(seen)}\n")
        self.out.flush()


def looked(look: Callable[[], Found]) -> Found:
    """Call `look`, and turn every other error into Wrong."""
    try:
        return look()
    except Wrong:
        raise
    except Exception as fault:
        seen = f"what was answered cannot be understood: {type(fault).__name__}: {fault}"
        raise Wrong(seen, "docker compose ps -a, and the logs of the services named above") from fault
