"""Phrases: foreign texts and numbers as parts of a sentence."""

from __future__ import annotations

import json
import unicodedata

# Control, format (which turn the direction of writing), surrogate, not assigned; line and paragraph ends.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"})
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def visible(text: str) -> str:
    r"""Escape characters that are invisible, control a terminal or are not allowed in XML 1.0.

    >>> visible("a\x00\nb")
    'a\\u0000\\nb'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        _escaped(character) if unicodedata.category(character) in _INVISIBLE else character
        for character in text
    )


def visible_lines(text: str) -> str:
    """Escape each line of a text as `visible` does."""
    return "\n".join(visible(line.replace("\t", "    ")) for line in text.split("\n"))


def escaped(character: str) -> str:
    r"""Write one character as JSON does in ASCII: `\u007c`, or two of them beyond U+FFFF."""
    return json.dumps(character)[1:-1] if ord(character) > 0x7F else f"\\u{ord(character):04x}"


def count(number: int, noun: str) -> str:
    """Write a number with its noun.

    >>> count(1, "finding"), count(1200, "finding")
    ('1 finding', '1,200 findings')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _escaped(character: str) -> str:
    return _ESCAPES.get(character) or escaped(character)
