"""JSON paths, and patterns that match several of them.

A place is written as RFC 9535 writes it, names without brackets where that is allowed: `$.a.b[0]['my key']`.
A pattern may also say `[*]` or `.*` (every child) and `..name` (of that name at any depth), nothing else of
RFC 9535: no slices, filters, unions, nor places counted from the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

ROOT = "$"
_NAME = r"[A-Za-z_\u0080-\U0010ffff][0-9A-Za-z_\u0080-\U0010ffff]*"
_SHORTHAND = re.compile(_NAME)
_ANY_NAME = re.compile(r"[^.*\[\]]+")
_STEP = re.compile(
    rf"(?P<deep>\.\.)?(?:(?(deep)|\.)(?P<name>{_NAME})"
    r"|\[(?P<quote>['\"])(?P<text>(?:\\.|(?!(?P=quote))[^\\])*)(?P=quote)\])"
    r"|\[(?P<index>0|[1-9][0-9]*)\]|(?P<any>\.\*|\[\*\])",
    re.DOTALL,
)
_ESCAPED = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", "'": "\\'", "\\": "\\\\"}
_UNESCAPED = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r"}
_ANY = "*"


class InvalidPath(ValueError):
    """A path that cannot be parsed; `expected` describes a valid one."""

    def __init__(self, path: str, expected: str) -> None:
        super().__init__(f"{path!r}: expected {expected}")
        self.path, self.expected = path, expected


@dataclass(frozen=True, slots=True)
class _Step:
    """One step of a pattern; `key` is a step as in a path, or `*`; `deep`: at any depth."""

    key: str
    deep: bool = False


@dataclass(frozen=True, slots=True)
class Pattern:
    """A parsed path pattern."""

    text: str
    steps: tuple[_Step, ...]

    def matches(self, path_steps: Sequence[str]) -> bool:
        """Return whether the pattern matches exactly the path with these steps."""
        return _matches(self.steps, path_steps)


def member(name: str) -> str:
    r"""Return the step to a member of an object.

    >>> member("price"), member("my key"), member("it's"), member("7")
    ('.price', "['my key']", "['it\\'s']", "['7']")
    """
    return f".{name}" if _SHORTHAND.fullmatch(name) else _quote(name)


def element(index: int) -> str:
    """Return the step to an element of a list, from 0."""
    return f"[{index}]"


def pattern(text: str) -> Pattern:
    """Parse a path pattern; raise InvalidPath.

    >>> pattern("$..id").matches([".rows", "[3]", ".id"]), pattern("$.rows[*].id").matches([".rows", "[3]"])
    (True, False)
    """
    if not text.startswith(ROOT):
        raise InvalidPath(text, "a path that begins with $, as $.request_id")
    steps: list[_Step] = []
    position = len(ROOT)
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None:
            raise InvalidPath(text, _expectation(text, position))
        steps.append(_step(match))
        position = match.end()
    return Pattern(text, tuple(steps))


def first(patterns: Iterable[Pattern], path_steps: Sequence[str]) -> Pattern | None:
    """Return the first pattern that matches the path."""
    return next((candidate for candidate in patterns if candidate.matches(path_steps)), None)


def steps(path: str) -> list[str]:
    """Split a path, as this module writes it, into steps.

    >>> steps("$.a[0]['my key']")
    ['.a', '[0]', "['my key']"]
    """
    return [match.group() for match in _STEP.finditer(path, len(ROOT))]


def _step(match: re.Match[str]) -> _Step:
    if match["any"]:
        return _Step(_ANY)
    if match["index"]:
        return _Step(match.group())
    name = match["name"] if match["name"] is not None else _unescape(match["text"])
    return _Step(member(name), bool(match["deep"]))


def _matches(steps: Sequence[_Step], path_steps: Sequence[str]) -> bool:
    if not steps:
        return not path_steps
    step, rest = steps[0], steps[1:]
    if step.deep:
        return any(
            key == step.key and _matches(rest, path_steps[at + 1 :]) for at, key in enumerate(path_steps)
        )
    return bool(path_steps) and step.key in (_ANY, path_steps[0]) and _matches(rest, path_steps[1:])


def _expectation(text: str, position: int) -> str:
    """Describe what is expected where parsing of `text` stops."""
    dot = text.rfind(".", 0, position + 1)
    named = _ANY_NAME.match(text, dot + 1) if dot > 0 else None
    if named and named.end() > position:
        return f"brackets and quotes around a name that is no plain word: {_quote(named.group())}"
    return f"`.name`, `['name']`, `[0]`, `[*]`, `.*` or `..name`, got {text[position:]!r}"


def _quote(name: str) -> str:
    return "['" + "".join(map(_escape, name)) + "']"


def _escape(character: str) -> str:
    return _ESCAPED.get(character) or (f"\\u{ord(character):04x}" if character < " " else character)


def _unescape(text: str) -> str:
    return re.sub(r"\\(u[0-9A-Fa-f]{4}|.)", _unescape_match, text, flags=re.DOTALL)


def _unescape_match(match: re.Match[str]) -> str:
    escape = match[1]
    return chr(int(escape[1:], 16)) if len(escape) == 5 else _UNESCAPED.get(escape, escape)
