"""A JSON answer, read part by part; a part that is not as the service documents it is named, and is Wrong."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from smoke.check import Wrong, short


@dataclass(frozen=True, slots=True)
class JsonDocument:
    """A part of an answer; `at` names the answer and the part, `advice` says where to look when it is wrong.

    Every method raises Wrong when the content is of another kind than asked for.
    """

    content: Any
    at: str
    advice: str

    @classmethod
    def read(cls, text: str, at: str, advice: str) -> JsonDocument:
        """Parse the text of an answer."""
        try:
            return cls(json.loads(text), at, advice)
        except (ValueError, RecursionError):
            raise Wrong(f"{at} answered no JSON: {short(text)}", advice) from None

    def __getitem__(self, name: str) -> JsonDocument:
        """Give the member of an object."""
        members = self._of(dict, "an object")
        if name not in members:
            raise Wrong(f"{self.at} has no {name!r}: {short(json.dumps(members))}", self.advice)
        return JsonDocument(members[name], f"{self.at} {name}", self.advice)

    def get(self, name: str) -> JsonDocument | None:
        """Give the member of an object, or None where it is missing or null."""
        members = self._of(dict, "an object")
        return None if members.get(name) is None else self[name]

    def names(self) -> list[str]:
        """List the members' names of an object."""
        return list(self._of(dict, "an object"))

    def items(self) -> list[JsonDocument]:
        """List the elements of a list."""
        elements = self._of(list, "a list")
        return [JsonDocument(element, f"{self.at}[{i}]", self.advice) for i, element in enumerate(elements)]

    def only(self) -> JsonDocument:
        """Give the one element of a list, or the one member of an object."""
        children = [self[name] for name in self.names()] if isinstance(self.content, dict) else self.items()
        if len(children) != 1:
            raise Wrong(f"{self.at}: expected one entry, got {len(children)}", self.advice)
        return children[0]

    def text(self) -> str:
        """Give a text."""
        return str(self._of(str, "a text"))

    def number(self) -> float:
        """Give a finite number."""
        content = self._of((int, float), "a number")
        try:
            number = float(content)
        except OverflowError:
            number = math.inf
        if isinstance(content, bool) or not math.isfinite(number):
            raise Wrong(f"{self.at}: expected a number, got {short(str(content))}", self.advice)
        return number

    def _of(self, kind: type | tuple[type, ...], expected: str) -> Any:
        if not isinstance(self.content, kind):
            raise Wrong(f"{self.at}: expected {expected}, got {short(json.dumps(self.content))}", self.advice)
        return self.content
