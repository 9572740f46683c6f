"""References to models: NAME@VERSION, by which people and columns name one immutable artifact."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

REFERENCE_PATTERN = "[a-z][a-z0-9_-]{0,62}@[0-9]{1,9}"
_REFERENCE = re.compile(REFERENCE_PATTERN)


class InvalidReference(ValueError):
    """A model reference that is not NAME@VERSION."""


@dataclass(frozen=True, slots=True, order=True)
class ModelRef:
    """Names one immutable artifact: `linear@3`."""

    name: str
    version: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `NAME@VERSION`; raises InvalidReference."""
        if not _REFERENCE.fullmatch(text):
            raise InvalidReference(f"{text!r} is not a model reference: expected NAME@VERSION, such as gbm@2")
        name, _, version = text.partition("@")
        return cls(name, version)

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"
