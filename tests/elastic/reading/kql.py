"""The part of Kibana's query language that our objects use, read into the search servers' own.

Known: `field: word`, `field: "phrase"`, `field: (a or b)`, `field: *`, `field >= number`, and, or, not,
brackets. Anything else is an error: a query with a slip in it is not taken for one that finds nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Query = dict[str, Any]

_TOKEN = re.compile(r'\s*(?:(?P<quoted>"[^"]*")|(?P<mark><=|>=|[<>:()])|(?P<word>[^\s"<>:()]+))')
_RANGES = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}


class NotUnderstood(ValueError):
    """A query that is no KQL, or none of the part known here."""


@dataclass(frozen=True, slots=True)
class Read:
    """A query, and the fields it names."""

    query: Query
    fields: frozenset[str]


def read(text: str) -> Read:
    """Read a whole query; an empty one finds everything."""
    reader = _Reader(text)
    if not text.strip():
        return Read({"match_all": {}}, frozenset())
    query = reader.either()
    if reader.tokens:
        raise NotUnderstood(f"{text}: nothing was expected at {reader.tokens[0]!r}")
    return Read(query, frozenset(reader.fields))


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(_tokens(text))
        self.fields: set[str] = set()

    def either(self) -> Query:
        """What `or` joins, which binds least."""
        parts = [self.both()]
        while self._took("or"):
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else {"bool": {"should": parts, "minimum_should_match": 1}}

    def both(self) -> Query:
        """What `and` joins."""
        parts = [self.single()]
        while self._took("and"):
            parts.append(self.single())
        return parts[0] if len(parts) == 1 else {"bool": {"filter": parts}}

    def single(self) -> Query:
        """A negation, a bracket or a condition."""
        if self._took("not"):
            return {"bool": {"must_not": [self.single()]}}
        if self._took("("):
            inside = self.either()
            self._expect(")")
            return inside
        return self._condition()

    def _condition(self) -> Query:
        field = self._word()
        self.fields.add(field)
        mark = self._next()
        if mark in _RANGES:
            return {"range": {field: {_RANGES[mark]: float(self._word())}}}
        if mark != ":":
            raise NotUnderstood(f"{self.text}: expected `:` or a comparison after {field}, got {mark!r}")
        if not self._took("("):
            return _equals(field, self._next())
        values = [_equals(field, self._next())]
        while self._took("or"):
            values.append(_equals(field, self._next()))
        self._expect(")")
        return {"bool": {"should": values, "minimum_should_match": 1}}

    def _next(self) -> str:
        if not self.tokens:
            raise NotUnderstood(f"{self.text}: ends too early")
        return self.tokens.pop(0)

    def _word(self) -> str:
        found = self._next()
        if not re.fullmatch(r"[@\w.-]+", found) or found in {"and", "or", "not"}:
            raise NotUnderstood(f"{self.text}: expected a field or a value, got {found!r}")
        return found

    def _took(self, token: str) -> bool:
        return bool(self.tokens) and self.tokens[0] == token and bool(self.tokens.pop(0))

    def _expect(self, token: str) -> None:
        if not self._took(token):
            raise NotUnderstood(f"{self.text}: expected {token!r}")


def _tokens(text: str) -> Iterator[str]:
    place = 0
    while text[place:].strip():
        found = _TOKEN.match(text, place)
        if found is None:
            raise NotUnderstood(f"{text}: cannot be read from {text[place:]!r} on")
        yield found.group().strip()
        place = found.end()


def _equals(field: str, value: str) -> Query:
    if value == "*":
        return {"exists": {"field": field}}
    if value.startswith('"'):
        return {"match_phrase": {field: value.strip('"')}}
    if not re.fullmatch(r"[\w.@-]+", value):
        raise NotUnderstood(f"{field}: {value!r} is no value known here")
    return {"match": {field: value}}
