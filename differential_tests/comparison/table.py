"""Tables: the answers of one side as columns, one for every place of a value.

A column has an entry for those rows only where there is something at its place, so that a table is as large
as the answers together, whatever their form.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from differential_tests import json_path
from differential_tests.json_path import Pattern
from differential_tests.runs import Answer, Header, InvalidRun

EXACT = 2**53
"""Up to here every whole number is one of float64."""


class Type(IntEnum):
    """What is at a place. 1 and 1.0 are the same number; true is none."""

    NULL = 0
    BOOLEAN = 1
    NUMBER = 2
    WHOLE = 3  # a whole number that is too large for float64 to be exact: kept as a text
    TEXT = 4
    EMPTY_LIST = 5
    EMPTY_OBJECT = 6


@dataclass(frozen=True, slots=True)
class Column:
    """What is at one place, in the order of the rows; arrays of shape (entries,).

    `rows` are positions in the table, `types` say what there is, `numbers` are the numbers, 0 or 1 for
    booleans, and for texts the position in `texts`, in which each text stands once.
    """

    rows: NDArray[np.int32]
    types: NDArray[np.uint8]
    numbers: NDArray[np.float64]
    texts: Sequence[str]

    def value(self, entry: int) -> Any:
        """One entry as JSON."""
        number = float(self.numbers[entry])
        match self.types[entry]:
            case Type.NULL:
                return None
            case Type.BOOLEAN:
                return bool(number)
            case Type.NUMBER:
                return number
            case Type.WHOLE:
                return int(self.texts[int(number)])
            case Type.TEXT:
                return self.texts[int(number)]
        return [] if self.types[entry] == Type.EMPTY_LIST else {}


@dataclass(frozen=True, slots=True)
class Table:
    """The answers of one side; all sequences have one entry for each answer, in their order.

    `columns` are by place (`$.a.b[0]`); rows without an answer (a failure) are in none of them.
    """

    ids: Sequence[str]
    segments: Sequence[str]
    statuses: Sequence[int]
    codes: Sequence[str]
    failures: Sequence[str]
    details: dict[int, str]
    columns: dict[str, Column]
    header: Header | None = None


def table(
    answers: Iterable[Answer],
    ignore: Iterable[str] = (),
    header: Header | None = None,
    read: Callable[[], None] = lambda: None,
) -> Table:
    """Answers as a table, without the places that are ignored; `read` is called after each answer.

    Raises InvalidPath for what `ignore` cannot mean, InvalidRun for an answer that is none.
    """
    making = _Making([json_path.pattern(text) for text in ignore])
    for answer in answers:
        making.add(answer)
        read()
    return making.table(header)


class _Entries:
    """A column that is still growing."""

    __slots__ = ("known", "numbers", "rows", "types")

    def __init__(self) -> None:
        self.rows, self.types, self.numbers = array("i"), array("B"), array("d")
        self.known: dict[str, int] = {}

    def add(self, row: int, value: Any) -> None:
        kind, number = _coded(value)
        if isinstance(number, str):
            number = self.known.setdefault(number, len(self.known))
        self.rows.append(row)
        self.types.append(kind)
        self.numbers.append(number)

    def column(self) -> Column:
        return Column(
            np.frombuffer(self.rows, np.int32),
            np.frombuffer(self.types, np.uint8),
            np.frombuffer(self.numbers, np.float64),
            tuple(self.known),
        )


def _coded(value: Any) -> tuple[Type, float | str]:
    """Type, and number or text, of a value that has no parts."""
    if isinstance(value, float):
        return Type.NUMBER, value
    if isinstance(value, str):
        return Type.TEXT, value
    if isinstance(value, bool):
        return Type.BOOLEAN, value
    if isinstance(value, int):
        return (Type.NUMBER, value) if -EXACT <= value <= EXACT else (Type.WHOLE, str(value))
    if value is None:
        return Type.NULL, 0
    return (Type.EMPTY_LIST, 0) if isinstance(value, list) else (Type.EMPTY_OBJECT, 0)


def _check(answer: Answer) -> None:
    texts = (answer.id, answer.segment, answer.code, answer.failure, answer.detail)
    if not all(isinstance(text, str) for text in texts) or answer.status not in range(1000):
        raise InvalidRun(
            f"answer {answer.id!r}: expected texts and a status of HTTP, got {answer}"[:300]
        )


class _Making:
    def __init__(self, ignored: Sequence[Pattern]) -> None:
        self._ignored = ignored
        # A text that many rows share is kept once.
        self._texts: dict[str, str] = {}
        self._ids: list[str] = []
        self._segments: list[str] = []
        self._statuses = array("i")
        self._codes: list[str] = []
        self._failures: list[str] = []
        self._details: dict[int, str] = {}
        self._entries: dict[str, _Entries] = {}
        # The place of a child, by the place above it and its name or number; None: ignored.
        self._places: dict[tuple[str, str | int], str | None] = {}

    def add(self, answer: Answer) -> None:
        _check(answer)
        row = len(self._ids)
        self._ids.append(answer.id)
        self._segments.append(self._shared(answer.segment))
        self._statuses.append(answer.status)
        self._codes.append(self._shared(answer.code))
        self._failures.append(self._shared(answer.failure))
        if answer.detail:
            self._details[row] = self._shared(answer.detail)
        if not answer.failure:
            for place, value in self._leaves(answer.value):
                self._at(place).add(row, value)

    def table(self, header: Header | None) -> Table:
        columns = {place: entries.column() for place, entries in sorted(self._entries.items())}
        return Table(
            self._ids,
            self._segments,
            self._statuses,
            self._codes,
            self._failures,
            self._details,
            columns,
            header,
        )

    def _leaves(self, value: Any) -> Iterator[tuple[str, Any]]:
        """What has no parts, with its place. Not recursive: JSON may be nested as deep as Python can read."""
        open_values = [(json_path.ROOT, value)]
        while open_values:
            place, value = open_values.pop()
            if isinstance(value, dict):
                children = self._children(place, value.items())
            elif isinstance(value, list):
                children = self._children(place, enumerate(value))
            else:
                yield place, value
                continue
            if children:
                open_values += children
            else:
                yield place, value

    def _children(self, place: str, found: Iterable[tuple[str | int, Any]]) -> list[tuple[str, Any]]:
        places = ((self._place(place, key), child) for key, child in found)
        return [(below, child) for below, child in places if below is not None]

    def _place(self, above: str, key: str | int) -> str | None:
        try:
            return self._places[above, key]
        except KeyError:
            step = json_path.member(key) if isinstance(key, str) else json_path.element(key)
            ignored = json_path.first(self._ignored, json_path.steps(above + step))
            self._places[above, key] = None if ignored else above + step
            return self._places[above, key]

    def _at(self, place: str) -> _Entries:
        try:
            return self._entries[place]
        except KeyError:
            return self._entries.setdefault(place, _Entries())

    def _shared(self, text: str) -> str:
        return self._texts.setdefault(text, text)
