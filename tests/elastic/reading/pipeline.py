"""A Logstash pipeline, read as far as ours goes: sections, plugins with options, conditions."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

_TOKEN = re.compile(r'\s+|#[^\n]*|(?P<text>"[^"\n]*")|(?P<mark>=>|==|!=|[{}\[\],()])|(?P<word>[\w.@/:-]+)')


class NotAPipeline(ValueError):
    """The text breaks the grammar."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin as configured; `under` are the conditions it stands under, outermost first."""

    section: str
    name: str
    options: dict[str, Any]
    under: tuple[str, ...] = ()


@dataclass(slots=True)
class _Reader:
    tokens: list[str]
    plugins: list[Plugin] = field(default_factory=list)


def read(text: str) -> list[Plugin]:
    """Every plugin, in order."""
    reader = _Reader(_tokens(text))
    while reader.tokens:
        section = _take(reader)
        if section not in {"input", "filter", "output"}:
            raise NotAPipeline(f"expected input, filter or output, got {section!r}")
        _block(reader, section, ())
    return reader.plugins


def _block(reader: _Reader, section: str, under: tuple[str, ...]) -> None:
    _take(reader, "{")
    while (word := _take(reader)) != "}":
        if word in {"if", "else"}:
            _block(reader, section, (*under, " ".join([word, *_until_brace(reader)])))
        else:
            reader.plugins.append(Plugin(section, word, _options(reader), under))


def _until_brace(reader: _Reader) -> list[str]:
    condition = []
    while reader.tokens and reader.tokens[0] != "{":
        condition.append(_take(reader))
    return condition


def _options(reader: _Reader) -> dict[str, Any]:
    _take(reader, "{")
    options: dict[str, Any] = {}
    while (name := _take(reader)) != "}":
        name = name.strip('"')
        if name in options:
            raise NotAPipeline(f"{name} is given twice")
        _take(reader, "=>")
        options[name] = _value(reader)
    return options


def _value(reader: _Reader) -> Any:
    if reader.tokens and reader.tokens[0] == "{":
        return _options(reader)
    first = _take(reader)
    if first != "[":
        return first.strip('"')
    values = []
    while (word := _take(reader)) != "]":
        if word != ",":
            values.append(word.strip('"'))
    return values


def _take(reader: _Reader, expected: str | None = None) -> str:
    if not reader.tokens:
        raise NotAPipeline("ends too early")
    token = reader.tokens.pop(0)
    if expected is not None and token != expected:
        raise NotAPipeline(f"expected {expected!r}, got {token!r}")
    return token


def _tokens(text: str) -> list[str]:
    tokens, place = [], 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise NotAPipeline(f"cannot be read: {text[place : place + 40]!r}")
        if found.lastgroup:
            tokens.append(found.group())
        place = found.end()
    return tokens
