"""Tables: the CSV reader (UTF-8) of every command and every route, for bodies, files and pipes.

A header and rows of as many cells, separated by commas, quoted by `"`, with line ends of any kind. A byte
order mark in front is no part of the header. Empty lines are no rows, wherever they are, but count as lines.
It guesses nothing else: it refuses another separator or encoding, and says what to do.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

MAX_CELL_CHARACTERS = csv.field_size_limit()
_MARK = b"\xef\xbb\xbf"
_SHOWN_CHARACTERS = 80
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?\Z")
_UNREADABLE = re.compile("[\0\udc80-\udcff]")  # bytes that are no UTF-8, as `surrogateescape` has them
_SEPARATORS = {";": "';'", "\t": "a tab", "|": "'|'"}
_UTF8 = 'text in UTF-8 (save the file as "CSV UTF-8", or convert it with `iconv -t UTF-8`)'
# First bytes of files that are often taken for tables, and what to do about each.
_OTHER_KINDS = (
    (b"\xff\xfe", _UTF8, "UTF-16 or UTF-32, by its byte order mark"),
    (b"\xfe\xff", _UTF8, "UTF-16, by its byte order mark"),
    (b"\x1f\x8b", "CSV: unpack it first (`zcat FILE | ...`)", "a file packed by gzip"),
    (b"PK\x03\x04", 'CSV: save the sheet as "CSV UTF-8"', "an Excel workbook or a zip archive"),
    (b"\xd0\xcf\x11\xe0", 'CSV: save the sheet as "CSV UTF-8"', "an Excel workbook"),
    (b"PAR1", "CSV: write it with a `to_csv`", "a Parquet file"),
)
_BEGINNINGS = tuple(beginning for beginning, *_ in _OTHER_KINDS)
_CSV_FAULTS = {
    "unexpected end of data": "a quote that is opened here and never closed",
    f"field larger than field limit ({MAX_CELL_CHARACTERS})": (
        f"a cell of more than {MAX_CELL_CHARACTERS} characters (is a quote opened here and never closed?)"
    ),
    "',' expected after '\"'": "text after a closing quote (a quote in a cell is written twice)",
}


class InvalidTable(ValueError):
    """A table that cannot be read as one.

    `line` is where the row begins, from 1, `column` the name of the cell's column; None: it concerns all.
    """

    def __init__(
        self, expected: str, got: str, *, line: int | None = None, column: str | None = None
    ) -> None:
        self.expected, self.got, self.line, self.column = expected, got, line, column
        super().__init__(self.words if line is None else f"line {line}: {self.words}")

    @property
    def words(self) -> str:
        """The fault, without the line."""
        column = "" if self.column is None else f"{self.column}: "
        return f"{column}expected {self.expected}, got {self.got}"


class WrongSeparator(InvalidTable):
    """Columns that are separated by something else than commas."""

    @property
    def words(self) -> str:
        """The fault, without the line."""
        return (
            f"the separator is {self.got}: expected {self.expected}; save the file with commas between the "
            "columns and points in its numbers (1234.5)"
        )


class Line(NamedTuple):
    """One row: the lines of the file on which it begins and ends, from 1, and its cells."""

    first: int
    last: int
    cells: list[str]

    @property
    def location(self) -> str:
        """Its line, or first and last line, as text."""
        return f"line {self.last}" if self.first == self.last else f"line {self.first} to line {self.last}"


@dataclass(slots=True)
class _Watch:
    """Watches lines for bytes that are no text."""

    unreadable: bool = False

    def over(self, lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            if "\0" in line or not (line.isascii() or _UNREADABLE.search(line) is None):
                self.unreadable = True
            yield line


class Table:
    """The header, and an iterator over the rows, once; raises InvalidTable meanwhile.

    `header` is empty where there is nothing at all. Rows may have too many or too few cells: `require_fit`.
    """

    def __init__(self, lines: Iterable[str], *, readable: bool = False) -> None:
        """Read the header; `readable`: the lines are valid UTF-8. Raises InvalidTable."""
        self._watch = _Watch()
        self._reader = csv.reader(lines if readable else self._watch.over(lines), strict=True)
        self.header: list[str] = []
        first = next(self._lines(), None)
        if first is not None:
            self.header = first.cells
            _require_commas(first)

    def __iter__(self) -> Iterator[Line]:
        """Iterate over the rows below the header."""
        return self._lines()

    def require_fit(self, line: Line) -> None:
        """Raise InvalidTable unless a row has a cell for each column."""
        if len(line.cells) != len(self.header):
            surplus = len(line.cells) > len(self.header)
            last = f", the last is {_shown(line.cells[-1])}" if surplus else ""
            raise InvalidTable(f"{len(self.header)} cells", f"{len(line.cells)} cells{last}", line=line.first)

    def _lines(self) -> Iterator[Line]:
        reader, watch = self._reader, self._watch
        before = reader.line_num
        try:
            for cells in reader:
                if watch.unreadable:
                    self._refuse_unreadable(before + 1, cells)
                if len(cells) > 1 or (cells and not cells[0].isspace()):
                    yield Line(before + 1, reader.line_num, cells)
                before = reader.line_num
        except csv.Error as fault:
            if watch.unreadable:
                self._refuse_unreadable(before + 1, [])
            message = str(fault)
            raise InvalidTable("CSV", _CSV_FAULTS.get(message, message)[:200], line=before + 1) from None

    def _refuse_unreadable(self, line: int, cells: Sequence[str]) -> None:
        for number_of, cell in enumerate(cells):
            if _UNREADABLE.search(cell):
                named = number_of < len(self.header)
                column = self.header[number_of] if named else f"column {number_of + 1}"
                raise InvalidTable(_expected(cell), _shown(cell), line=line, column=column)
        raise InvalidTable(_UTF8, "bytes that are none", line=line)


def from_bytes(body: bytes) -> Table:
    """Read the table of a body; raises InvalidTable."""
    refuse_other_kinds(body)
    body = body.removeprefix(_MARK)
    try:
        return Table(io.StringIO(body.decode(), newline=""), readable=b"\0" not in body)
    except UnicodeDecodeError as fault:
        for _ in Table(io.StringIO(body.decode("utf-8", "surrogateescape"), newline="")):
            continue  # raises at the cell that cannot be read
        raise InvalidTable(_UTF8, fault.reason) from None


def from_file(file: BinaryIO, advance: Callable[[int], None] = lambda _: None) -> Table:
    """Read the table of a file line by line; `advance` gets the characters read. Raises InvalidTable."""
    return Table(_with_progress(_text(file), advance))


def text_lines(file: BinaryIO) -> Iterator[str]:
    """Yield the lines of a file in UTF-8; raises InvalidTable for the first that is not."""
    for number_of, line in enumerate(_text(file), start=1):
        if not line.isascii() and _UNREADABLE.search(line):
            raise InvalidTable(_UTF8, _shown(line), line=number_of)
        yield line


def _text(file: BinaryIO) -> io.TextIOWrapper:
    head = file.read(len(_MARK) + 1)
    refuse_other_kinds(head)
    file.seek(len(_MARK) if head.startswith(_MARK) else 0)
    return io.TextIOWrapper(file, "utf-8", "surrogateescape", newline="")


def _with_progress(lines: Iterable[str], advance: Callable[[int], None]) -> Iterator[str]:
    for line in lines:
        advance(len(line))
        yield line


def refuse_other_kinds(head: bytes) -> None:
    """Raise InvalidTable for the first bytes of a file that is no text in UTF-8."""
    if head.startswith(_BEGINNINGS):
        expected, got = next(kind[1:] for kind in _OTHER_KINDS if head.startswith(kind[0]))
        raise InvalidTable(expected, got)
    if b"\0" in head[:4]:
        raise InvalidTable(_UTF8, "zero bytes, as UTF-16 and UTF-32 have them")


def _require_commas(header: Line) -> None:
    """Raise WrongSeparator for a header in which another separator is more frequent than commas."""
    text = "".join(header.cells)
    for separator, name in _SEPARATORS.items():
        if text.count(separator) >= len(header.cells):
            raise WrongSeparator("','", name, line=header.first)


def _expected(cell: str) -> str:
    return "no zero byte (NUL)" if "\0" in cell else _UTF8


def _shown(text: str) -> str:
    """Quote a cell, shortened, with bytes that are no text as escapes."""
    quoted = json.dumps(text[:_SHOWN_CHARACTERS], ensure_ascii=False)
    readable = quoted.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return readable + ("..." if len(text) > _SHOWN_CHARACTERS else "")


def number(text: str) -> float | str:
    """Parse a number as JSON writes it; return any other text unchanged."""
    return float(text) if _NUMBER.match(text) else text
