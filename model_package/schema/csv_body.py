"""CSV bodies: a header of field names in any order, one row per line, an empty cell for null."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from model_package import tables
from model_package.schema.faults import MAX_FAULTS, Fault, InvalidRows, MalformedBody, TooManyRows, cut
from model_package.schema.fields import BY_NAME, ENTITY, FIELDS, Row
from model_package.schema.houses import MAX_KEYS, Houses, read_house
from model_package.tables import InvalidTable, WrongSeparator, number

_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,30})\Z")


def parse_csv(body: bytes, max_rows: int) -> Houses:
    """Read a table of houses, strictly; numbers are written as in JSON.

    Raises MalformedBody, TooManyRows or InvalidRows and nothing else.
    """
    lines = csv_lines(body)
    header = next(lines, [])
    faults = _header_faults(header)
    if faults:
        raise InvalidRows(faults)
    cells = take_rows(lines, max_rows, "house")
    rows: list[Row] = []
    for row, line in enumerate(cells):
        rows.append(_house(header, line, row, faults))
        if len(faults) >= MAX_FAULTS:
            break
    if faults:
        raise InvalidRows(faults, len(cells) - len(rows))
    return Houses.of(rows, single=False)


def csv_lines(body: bytes) -> Iterator[list[str]]:
    """Yield the header and the rows of a body, cell by cell.

    Raises MalformedBody while reading; InvalidRows where something else than commas separates the columns.
    """
    if not body.strip():
        raise MalformedBody("the body is empty: expected CSV with a header")
    try:
        table = tables.from_bytes(body)
        yield table.header
        yield from (line.cells for line in table)
    except WrongSeparator as fault:
        expected, got = "columns separated by ','", f"the separator is {fault.got}"
        raise InvalidRows((Fault(None, None, expected, got),)) from None
    except InvalidTable as fault:
        raise MalformedBody(_malformed(body, fault)) from None


def _malformed(body: bytes, fault: InvalidTable) -> str:
    line = "" if fault.line is None else f" line {fault.line}:"
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return f"not UTF-8 at byte {error.start}:{line} {fault.words}"
    got = fault.got if fault.expected == "CSV" else fault.words
    return f"not CSV at{line} {got}" if line else f"not CSV: {got}"


def _header_faults(header: Sequence[str]) -> list[Fault]:
    if len(header) > MAX_KEYS:
        return [Fault(None, None, f"a header of at most {len(FIELDS)} fields", f"{len(header)} columns")]
    needed = {field.name: field.expected for field in FIELDS if not field.nullable}
    return column_faults(header, {ENTITY, *BY_NAME}, needed, "house")


def column_faults(
    header: Sequence[str], known: Collection[str], needed: Mapping[str, str], noun: str
) -> list[Fault]:
    """Return the faults of a header; `needed` maps each required column to its description."""
    counts = Counter(header)
    unknown = [
        Fault(None, cut(name), f"the name of a field of {_article(noun)} {noun}", "an unknown column")
        for name in counts
        if name not in known
    ]
    twice = [
        Fault(None, cut(name), "each column once", f"{count} times")
        for name, count in counts.items()
        if count > 1
    ]
    missing = [
        Fault(None, name, f"a column: {expected}", "nothing")
        for name, expected in needed.items()
        if name not in counts
    ]
    return unknown + twice + missing


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"


def take_rows(lines: Iterator[list[str]], max_rows: int, noun: str) -> list[list[str]]:
    """Return the rest of the lines; raises TooManyRows, or InvalidRows when there is none."""
    cells = list(itertools.islice(lines, max_rows))
    beyond = sum(1 for _ in lines)
    if beyond:
        raise TooManyRows(len(cells) + beyond, max_rows)
    if not cells:
        raise InvalidRows((Fault(None, None, f"at least one {noun}", "a header and no row"),))
    return cells


def _house(header: Sequence[str], line: Sequence[str], row: int, faults: list[Fault]) -> Row:
    if len(line) != len(header):
        faults.append(Fault(row, None, f"{len(header)} cells", f"{len(line)} cells"))
        return {}
    value = {name: _cell(name, text) for name, text in zip(header, line, strict=True)}
    house, faults_of_row = read_house(value, row)
    faults.extend(faults_of_row)
    return house or {}


def _cell(name: str, text: str) -> float | int | str | None:
    """Convert a cell as JSON would; what is not a number stays a text, and is refused as one."""
    kind = BY_NAME[name].kind if name in BY_NAME else "text"
    if text == "":
        return None
    if kind == "whole" and _WHOLE.match(text):
        return int(text)
    return number(text) if kind == "number" else text
