"""Tables: the answers of one side as columns, one for every place of a value.

A column has an entry for those rows only where there is something at its place, so that a table is as large
as the answers together, whatever their form.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from differential_tests.run_file import InvalidRun, RunHeader, SideAnswer
from differential_tests.settings import json_path
from differential_tests.settings.json_path import Pattern

MOST_PLACES = 10_000
"""A column costs more than its entries: answers in which every row has keys of its own are no table."""
EXACT = 2**53
"""Up to here every whole number is one of float64."""


class TooManyPlaces(ValueError):
    """Answers that have too many different keys, or too long lists, to be compared place by place."""


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
class AnswerColumn:
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
class AnswerTable:
    """The answers of one side; all sequences have one entry for each answer, in their order.

    `columns` are by place (`$.a.b[0]`); rows without an answer (a failure) are in none of them.
    """

    ids: Sequence[str]
    kinds: Sequence[str]
    segments: Sequence[str]
    statuses: Sequence[int]
    codes: Sequence[str]
    failures: Sequence[str]
    details: dict[int, str]
    columns: dict[str, AnswerColumn]
    header: RunHeader | None = None


def table(
    answers: Iterable[SideAnswer],
    ignore: Iterable[str] = (),
    header: RunHeader | None = None,
    read: Callable[[], None] = lambda: None,
) -> AnswerTable:
    """Answers as a table, without the places that are ignored; `read` is called after each answer.

    Raises InvalidPath for what `ignore` cannot mean, InvalidRun for an answer that is none.
    """
    making = _TableBuilder([json_path.pattern(text) for text in ignore])
    for answer in answers:
        making.add(answer)
        read()
    return making.table(header)


class _ColumnBuilder:
    """A column that is still growing."""

    __slots__ = ("known", "numbers", "rows", "types")

    def __init__(self) -> None:
        self.rows, self.types, self.numbers = array("i"), array("B"), array("d")
        self.known: dict[str, int] = {}

    def add(self, row: int, value: Any) -> None:
        kind, number = (Type.NUMBER, value) if isinstance(value, float) else _coded(value)
        if isinstance(number, str):
            number = self.known.setdefault(number, len(self.known))
        self.rows.append(row)
        self.types.append(kind)
        self.numbers.append(number)

    def column(self) -> AnswerColumn:
        return AnswerColumn(
            np.frombuffer(self.rows, np.int32),
            np.frombuffer(self.types, np.uint8),
            np.frombuffer(self.numbers, np.float64),
            tuple(self.known),
        )


def _coded(value: Any) -> tuple[Type, float | str]:
    """Type, and number or text, of what has no parts or none that counts."""
    if isinstance(value, str):
        return Type.TEXT, value
    if isinstance(value, bool):
        return Type.BOOLEAN, value
    if isinstance(value, int):
        return (Type.NUMBER, value) if -EXACT <= value <= EXACT else (Type.WHOLE, str(value))
    if value is None:
        return Type.NULL, 0
    return (Type.EMPTY_LIST if isinstance(value, list) else Type.EMPTY_OBJECT), 0


class _ChildPaths(dict[str | int, str]):
    """The place of each child of one place, by its name or number; empty: ignored. Worked out once each."""

    def __init__(self, above: str, ignored: Sequence[Pattern]) -> None:
        super().__init__()
        self._above, self._ignored = above, ignored

    def __missing__(self, key: str | int) -> str:
        place = self._above + (json_path.member(key) if isinstance(key, str) else json_path.element(key))
        ignored = json_path.first(self._ignored, json_path.steps(place))
        return self.setdefault(key, "" if ignored else place)


class _TableBuilder:
    """A table that is still growing."""

    def __init__(self, ignored: Sequence[Pattern]) -> None:
        self._ignored = ignored
        self._texts: dict[str, str] = {}
        self._ids: list[str] = []
        self._kinds: list[str] = []
        self._segments: list[str] = []
        self._statuses = array("i")
        self._codes: list[str] = []
        self._failures: list[str] = []
        self._details: dict[int, str] = {}
        self._columns: dict[str, _ColumnBuilder] = {}
        self._below: dict[str, _ChildPaths] = {}

    def add(self, answer: SideAnswer) -> None:
        _check(answer)
        row = len(self._ids)
        self._ids.append(answer.id)
        self._kinds.append(self._shared(answer.kind))
        self._segments.append(self._shared(answer.segment))
        self._statuses.append(answer.status)
        self._codes.append(self._shared(answer.code))
        self._failures.append(self._shared(answer.failure))
        if answer.detail:
            self._details[row] = self._shared(answer.detail)
        if not answer.failure:
            self._take_apart(row, answer.value)

    def table(self, header: RunHeader | None) -> AnswerTable:
        return AnswerTable(
            ids=self._ids,
            kinds=self._kinds,
            segments=self._segments,
            statuses=self._statuses,
            codes=self._codes,
            failures=self._failures,
            details=self._details,
            columns={place: growing.column() for place, growing in sorted(self._columns.items())},
            header=header,
        )

    def _take_apart(self, row: int, value: Any) -> None:
        """Not recursive: JSON may be nested as deep as Python can read."""
        rest = [(json_path.ROOT, value)]
        while rest:
            place, value = rest.pop()
            if children := self._children(place, value):
                rest += children
            else:
                self._column(place).add(row, value)

    def _children(self, place: str, value: Any) -> Sequence[tuple[str, Any]]:
        """The parts of a value that are not ignored, each with its place."""
        if isinstance(value, dict):
            parts: Iterable[tuple[str | int, Any]] = value.items()
        elif isinstance(value, list):
            parts = enumerate(value)
        else:
            return ()
        try:
            below = self._below[place]
        except KeyError:
            below = self._below[place] = _ChildPaths(place, self._ignored)
        return [(where, part) for key, part in parts if (where := below[key])]

    def _column(self, place: str) -> _ColumnBuilder:
        try:
            return self._columns[place]
        except KeyError:
            if len(self._columns) == MOST_PLACES:
                raise TooManyPlaces(
                    f"answers with more than {MOST_PLACES:,} places, the next one {place[:80]!r}: expected "
                    'the same keys in every row; `ignore` leaves out what changes: ["$.explanation.*"]'
                ) from None
            return self._columns.setdefault(place, _ColumnBuilder())

    def _shared(self, text: str) -> str:
        """The same text for all rows that say it: each is in memory once."""
        return self._texts.setdefault(text, text)


def _check(answer: SideAnswer) -> None:
    texts = (answer.id, answer.kind, answer.segment, answer.code, answer.failure, answer.detail)
    status = answer.status
    if not all(isinstance(text, str) for text in texts) or type(status) is not int or not 0 <= status < 1000:
        raise InvalidRun(f"answer {answer.id!r}: expected texts and a status of HTTP, got {answer}"[:300])
