"""Phrases: foreign texts and numbers as parts of a sentence."""

from __future__ import annotations

import json
import unicodedata

# Control, format (which turn the direction of writing), surrogate, not assigned; line and paragraph ends.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"})
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def visible(text: str) -> str:
    r"""Write what cannot be seen, commands a terminal and is no character of XML 1.0, as an escape.

    >>> visible("a\x00\nb")
    'a\\u0000\\nb'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(each) if unicodedata.category(each) in _UNSEEN else each for each in text)


def visible_lines(text: str) -> str:
    """Write a text of several lines as `visible` does each of them."""
    return "\n".join(visible(each.replace("\t", "    ")) for each in text.split("\n"))


def escaped(character: str) -> str:
    r"""Write one character as JSON does in ASCII: `\u007c`, or two of them beyond U+FFFF."""
    return json.dumps(character)[1:-1] if ord(character) > 0x7F else f"\\u{ord(character):04x}"


def count(number: int, noun: str) -> str:
    """Write a number and what is counted.

    >>> count(1, "finding"), count(1200, "finding")
    ('1 finding', '1,200 findings')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _escaped(character: str) -> str:
    return _ESCAPES.get(character) or escaped(character)
