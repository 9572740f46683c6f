"""A policy in a few words: its name, and how long a day is in it.

Reads only these two keys, so that processes that answer need not load the code that checks policies.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import Self

DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class PolicySummary:
    """The name of a policy and the length of its day, in seconds."""

    name: str
    day_seconds: int

    @classmethod
    def of(cls, policy: str | None) -> Self:
        """Read them from the text of a policy's file (None: the default policy)."""
        if policy is None:
            return cls("default", DAY_SECONDS)
        try:
            document = tomllib.loads(policy)
        except tomllib.TOMLDecodeError:  # `umbra candidates add` refuses such a file
            document = {}
        return cls(str(document.get("name", "?")), int(document.get("day_seconds", DAY_SECONDS)))

    @property
    def label(self) -> str:
        """Say which policy it is, and how long its day is if it is not a real one.

        >>> PolicySummary("default", 86_400).label, PolicySummary("demo", 1).label
        ('default', 'demo (a day is a second)')
        >>> PolicySummary("mine", 3600).label
        'mine (a day is 3,600 seconds)'
        """
        if self.day_seconds == DAY_SECONDS:
            return self.name
        length = "a second" if self.day_seconds == 1 else f"{self.day_seconds:,} seconds"
        return f"{self.name} (a day is {length})"
