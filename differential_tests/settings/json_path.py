"""JSON paths: how places in a value are named, and patterns that name several of them.

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
    """A path that is not understood; `expected` says what would be."""

    def __init__(self, path: str, expected: str) -> None:
        super().__init__(f"{path!r}: expected {expected}")
        self.path, self.expected = path, expected


@dataclass(frozen=True, slots=True)
class _Step:
    """One step of a pattern, `key` being a step as places are written, or any; `deep`: at any depth."""

    key: str
    deep: bool = False


@dataclass(frozen=True, slots=True)
class Pattern:
    """The places that one path means."""

    text: str
    steps: tuple[_Step, ...]

    def matches(self, place: Sequence[str]) -> bool:
        """Whether it means the place with these steps, not one above or below it."""
        return _matches(self.steps, place)


def member(name: str) -> str:
    r"""The step to a member of an object.

    >>> member("price"), member("my key"), member("it's"), member("7")
    ('.price', "['my key']", "['it\\'s']", "['7']")
    """
    return f".{name}" if _SHORTHAND.fullmatch(name) else _quoted(name)


def element(index: int) -> str:
    """The step to an element of a list, from 0."""
    return f"[{index}]"


def pattern(text: str) -> Pattern:
    """Read a path; raises InvalidPath.

    >>> pattern("$..id").matches([".rows", "[3]", ".id"]), pattern("$.rows[*].id").matches([".rows", "[3]"])
    (True, False)
    """
    if not text.startswith(ROOT):
        raise InvalidPath(text, "a path that begins with $, as $.request_id")
    steps: list[_Step] = []
    place = len(ROOT)
    while place < len(text):
        found = _STEP.match(text, place)
        if found is None:
            raise InvalidPath(text, _advice(text, place))
        steps.append(_step(found))
        place = found.end()
    return Pattern(text, tuple(steps))


def first(patterns: Iterable[Pattern], place: Sequence[str]) -> Pattern | None:
    """The first of them that means this place."""
    return next((one for one in patterns if one.matches(place)), None)


def steps(path: str) -> list[str]:
    """The steps of a place as this module writes it.

    >>> steps("$.a[0]['my key']")
    ['.a', '[0]', "['my key']"]
    """
    return [found.group() for found in _STEP.finditer(path, len(ROOT))]


def _step(found: re.Match[str]) -> _Step:
    if found["any"]:
        return _Step(_ANY)
    if found["index"]:
        return _Step(found.group())
    name = found["name"] if found["name"] is not None else _unescaped(found["text"])
    return _Step(member(name), bool(found["deep"]))


def _matches(steps: Sequence[_Step], place: Sequence[str]) -> bool:
    if not steps:
        return not place
    step, rest = steps[0], steps[1:]
    if step.deep:
        return any(key == step.key and _matches(rest, place[at + 1 :]) for at, key in enumerate(place))
    return bool(place) and step.key in (_ANY, place[0]) and _matches(rest, place[1:])


def _advice(text: str, place: int) -> str:
    """What is expected where `text` ceases to be understood."""
    dot = text.rfind(".", 0, place + 1)
    named = _ANY_NAME.match(text, dot + 1) if dot > 0 else None
    if named and named.end() > place:
        return f"brackets and quotes around a name that is no plain word: {_quoted(named.group())}"
    return f"`.name`, `['name']`, `[0]`, `[*]`, `.*` or `..name`, got {text[place:]!r}"


def _quoted(name: str) -> str:
    return "['" + "".join(map(_escaped, name)) + "']"


def _escaped(character: str) -> str:
    return _ESCAPED.get(character) or (f"\\u{ord(character):04x}" if character < " " else character)


def _unescaped(text: str) -> str:
    return re.sub(r"\\(u[0-9A-Fa-f]{4}|.)", _character, text, flags=re.DOTALL)


def _character(found: re.Match[str]) -> str:
    told = found[1]
    return chr(int(told[1:], 16)) if len(told) == 5 else _UNESCAPED.get(told, told)
