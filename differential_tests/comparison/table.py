"""Answers of one side as a table with a column for every path.

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

MOST_PATHS = 10_000
"""A column costs more than its entries: answers in which every row has keys of its own are no table."""
EXACT = 2**53
"""Up to here every whole number is one of float64."""


class TooManyPaths(ValueError):
    """Answers with too many different keys, or too long lists, for a comparison by path."""


class Type(IntEnum):
    """Type of a value. 1 and 1.0 are the same number; true is none."""

    NULL = 0
    BOOLEAN = 1
    NUMBER = 2
    WHOLE = 3  # a whole number that is too large for float64 to be exact: kept as a text
    TEXT = 4
    EMPTY_LIST = 5
    EMPTY_OBJECT = 6


@dataclass(frozen=True, slots=True)
class AnswerColumn:
    """Values at one path, in the order of the rows; arrays of shape (entries,).

    `rows` are positions in the table, `types` say what there is, `numbers` are the numbers, 0 or 1 for
    booleans, and for texts the position in `texts`, in which each text stands once.
    """

    rows: NDArray[np.int32]
    types: NDArray[np.uint8]
    numbers: NDArray[np.float64]
    texts: Sequence[str]

    def value(self, entry: int) -> Any:
        """Return an entry as a JSON value."""
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
    """Build a table of answers without the ignored paths; call `read` after each answer.

    Raises InvalidPath for what `ignore` cannot mean, InvalidRun for an answer that is none.
    """
    making = _TableBuilder([json_path.pattern(text) for text in ignore])
    for answer in answers:
        making.add(answer)
        read()
    return making.table(header)


class _ColumnBuilder:
    """Collects the entries of a column."""

    __slots__ = ("known", "numbers", "rows", "types")

    def __init__(self) -> None:
        self.rows, self.types, self.numbers = array("i"), array("B"), array("d")
        self.known: dict[str, int] = {}

    def add(self, row: int, value: Any) -> None:
        kind, number = (Type.NUMBER, value) if isinstance(value, float) else _type_and_code(value)
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


def _type_and_code(value: Any) -> tuple[Type, float | str]:
    """Return the type, and the number or text, of a value without children."""
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
    """The path of each child of a path, by name or index, cached; "" for an ignored one."""

    def __init__(self, above: str, ignored: Sequence[Pattern]) -> None:
        super().__init__()
        self._above, self._ignored = above, ignored

    def __missing__(self, key: str | int) -> str:
        path = self._above + (json_path.member(key) if isinstance(key, str) else json_path.element(key))
        ignored = json_path.first(self._ignored, json_path.steps(path))
        return self.setdefault(key, "" if ignored else path)


class _TableBuilder:
    """Collects answers into a table."""

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
        self._kinds.append(self._interned(answer.kind))
        self._segments.append(self._interned(answer.segment))
        self._statuses.append(answer.status)
        self._codes.append(self._interned(answer.code))
        self._failures.append(self._interned(answer.failure))
        if answer.detail:
            self._details[row] = self._interned(answer.detail)
        if not answer.failure:
            self._add_leaves(row, answer.value)

    def table(self, header: RunHeader | None) -> AnswerTable:
        return AnswerTable(
            ids=self._ids,
            kinds=self._kinds,
            segments=self._segments,
            statuses=self._statuses,
            codes=self._codes,
            failures=self._failures,
            details=self._details,
            columns={path: growing.column() for path, growing in sorted(self._columns.items())},
            header=header,
        )

    def _add_leaves(self, row: int, value: Any) -> None:
        """Split a value into its leaves without recursion, for JSON may be nested deeply."""
        rest = [(json_path.ROOT, value)]
        while rest:
            path, value = rest.pop()
            if children := self._children(path, value):
                rest += children
            else:
                self._column(path).add(row, value)

    def _children(self, path: str, value: Any) -> Sequence[tuple[str, Any]]:
        """Return the children of a value that are not ignored, each with its path."""
        if isinstance(value, dict):
            children: Iterable[tuple[str | int, Any]] = value.items()
        elif isinstance(value, list):
            children = enumerate(value)
        else:
            return ()
        try:
            below = self._below[path]
        except KeyError:
            below = self._below[path] = _ChildPaths(path, self._ignored)
        return [(child_path, child) for key, child in children if (child_path := below[key])]

    def _column(self, path: str) -> _ColumnBuilder:
        try:
            return self._columns[path]
        except KeyError:
            if len(self._columns) == MOST_PATHS:
                raise TooManyPaths(
                    f"answers with more than {MOST_PATHS:,} places, the next one {path[:80]!r}: expected "
                    'the same keys in every row; `ignore` leaves out what changes: ["$.explanation.*"]'
                ) from None
            return self._columns.setdefault(path, _ColumnBuilder())

    def _interned(self, text: str) -> str:
        """Intern a text, so that each distinct text is in memory once."""
        return self._texts.setdefault(text, text)


def _check(answer: SideAnswer) -> None:
    texts = (answer.id, answer.kind, answer.segment, answer.code, answer.failure, answer.detail)
    status = answer.status
    if not all(isinstance(text, str) for text in texts) or type(status) is not int or not 0 <= status < 1000:
        raise InvalidRun(f"answer {answer.id!r}: expected texts and a status of HTTP, got {answer}"[:300])
