"""Pace: by which policy a candidate is judged, and what a day is to it, in words for people.

Read from the policy's file as it is, so that processes that answer need not load all that checks policies.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import Self

DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Pace:
    """The name of a policy and how long its day is, in seconds."""

    policy: str
    day_seconds: int

    @classmethod
    def of(cls, policy: str | None) -> Self:
        """That of a policy's file (None: the default policy)."""
        if policy is None:
            return cls("default", DAY_SECONDS)
        try:
            given = tomllib.loads(policy)
        except tomllib.TOMLDecodeError:  # nothing is judged by such a file; who adds it is told
            given = {}
        return cls(str(given.get("name", "?")), int(given.get("day_seconds", DAY_SECONDS)))

    @property
    def words(self) -> str:
        """Which policy it is, and what a day is to it.

        >>> Pace("default", 86_400).words, Pace("demo", 1).words, Pace("mine", 3600).words
        ('default', 'demo (a day is a second)', 'mine (a day is 3,600 seconds)')
        """
        if self.day_seconds == DAY_SECONDS:
            return self.policy
        length = "a second" if self.day_seconds == 1 else f"{self.day_seconds:,} seconds"
        return f"{self.policy} (a day is {length})"
