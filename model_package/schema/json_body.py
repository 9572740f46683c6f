"""JSON bodies: one row (a house, say), or a list of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from itertools import islice

from pydantic_core import ValidationError, from_json

from model_package.schema.faults import (
    MAX_FAULTS,
    Fault,
    InvalidRows,
    MalformedBody,
    TooManyRows,
    cut,
    first_faults,
    json_excerpt,
)
from model_package.schema.fields import NAMES
from model_package.schema.houses import HOUSE, HOUSE_LIST, MAX_KEYS, Houses, read_house

_BLANK = b" \t\n\r"
_KEYS = len(NAMES) + 1  # the fields, and the entity id
_EXCESS = 4
_KEYS_ALWAYS_READ = 16_000  # some milliseconds


def parse_json(body: bytes, max_rows: int) -> Houses:
    """Read one house (`{...}`) or a list of houses (`[...]`), strictly.

    Every row holds every field, nullable ones left out being None. Raises MalformedBody, TooManyRows or
    InvalidRows and nothing else.
    """
    single = body[:1] == b"{" or body.lstrip(_BLANK)[:1] == b"{"
    # A house has one brace, a colon for each key, and no bracket: with more of these the body cannot be
    # right, and is not worth validating (pydantic takes seconds over a hundred thousand keys or lists).
    braces, colons = body.count(b"{"), body.count(b":")
    houses_most, lists = (1, 0) if single else (max_rows, 1)
    if braces > houses_most or colons > _KEYS * braces or body.count(b"[") > lists:
        raise _refusal(body, max_rows)
    try:
        houses = [HOUSE.validate_json(body)] if single else HOUSE_LIST.validate_json(body)
    except (ValidationError, ValueError):
        raise _refusal(body, max_rows) from None
    # No name, code or entity id holds a colon: as many colons as keys means no key came twice.
    keys = sum(len(house.__pydantic_fields_set__) for house in houses)
    if not houses or len(houses) > max_rows or colons != keys:
        raise _refusal(body, max_rows)
    return Houses.of([house.__dict__ for house in houses], single=single)


def _refusal(body: bytes, max_rows: int) -> InvalidRows:
    """Explain why a body is refused; slow, and therefore only for bodies known to be wrong."""
    _refuse_excess(body, max_rows)
    rows, duplicate_keys = json_rows(body, max_rows, "house")
    faults, checked = first_faults(read_house(row, index)[1] for index, row in enumerate(rows))
    return InvalidRows(sorted_by_row(duplicate_keys + faults), len(rows) - checked)


def sorted_by_row(faults: Sequence[Fault]) -> list[Fault]:
    """Sort faults by row, those of the whole body first."""
    return sorted(faults, key=lambda fault: fault.row or 0)


def json_rows(body: bytes, max_rows: int, noun: str) -> tuple[list[object], list[Fault]]:
    """Parse the rows of a body without validating them; return them and the faults of duplicate keys.

    `noun` is what a row is, for messages. Raises MalformedBody, TooManyRows or InvalidRows.
    """
    expected = f"one {noun} (an object) or a list of them"
    value = _read(body, expected)
    if not isinstance(value, dict | list):
        raise InvalidRows((Fault(None, None, expected, json_excerpt(value)),))
    rows = value if isinstance(value, list) else [value]
    if len(rows) > max_rows:
        raise TooManyRows(len(rows), max_rows)
    if not rows:
        raise InvalidRows((Fault(None, None, f"at least one {noun}", "an empty list"),))
    # With as many colons as keys none came twice, and the body need not be read once more to find out which.
    colons, keys = body.count(b":"), sum(len(row) for row in rows if isinstance(row, dict))
    if colons == keys:
        return rows, []
    if colons > MAX_KEYS * len(rows):
        return rows, [Fault(None, None, "each field once", f"{colons} keys")]
    return rows, _duplicates(body)


def _refuse_excess(body: bytes, max_rows: int) -> None:
    """Refuse without parsing a body whose parsing would cost more than that of a valid one.

    Raises TooManyRows, MalformedBody or InvalidRows.
    """
    objects, lists, keys = body.count(b"{"), body.count(b"["), body.count(b":")
    if objects + lists > _EXCESS * max_rows:
        if lists == 1 and body.lstrip(_BLANK)[:1] == b"[":
            raise TooManyRows(objects, max_rows)
        expected = "expected a house, or a list of houses, with no object or list inside"
        raise MalformedBody(f"{objects} objects and {lists} lists: {expected}")
    if keys > max(_KEYS_ALWAYS_READ, MAX_KEYS * min(objects, max_rows)):
        raise InvalidRows((Fault(None, None, "an object with the fields of a house", f"{keys} keys"),))


def _read(body: bytes, expected: str) -> object:
    """Parse without validating: NaN and 1e999 come out as floats that the fields then refuse."""
    _refuse_encoding(body, expected)
    try:
        return from_json(body, allow_inf_nan=True, cache_strings=False)
    except ValueError as error:
        raise MalformedBody(f"not JSON: {cut(str(error))}") from None


def _refuse_encoding(body: bytes, expected: str) -> None:
    if not body.strip(_BLANK):
        raise MalformedBody(f"the body is empty: expected JSON, {expected}")
    if body.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise MalformedBody("the body starts with a byte order mark: expected plain UTF-8")
    if b"\0" in body[:4]:
        raise MalformedBody("the body looks like UTF-16 or UTF-32: expected UTF-8")
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise MalformedBody(f"not UTF-8 at byte {error.start}: {error.reason}") from None


class _Pairs(list[tuple[str, object]]):
    """The pairs of an object as written, with duplicate keys."""


def _pairs(pairs: list[tuple[str, object]]) -> dict[str, object] | _Pairs:
    fields = dict(pairs)
    return fields if len(fields) == len(pairs) else _Pairs(pairs)


def _duplicates(body: bytes) -> list[Fault]:
    value = json.loads(body, object_pairs_hook=_pairs)
    rows: Sequence[object] = value if isinstance(value, list) and not isinstance(value, _Pairs) else [value]
    faults = (
        Fault(index, cut(key), "each field once", f"{count} times")
        for index, row in enumerate(rows)
        if isinstance(row, _Pairs)
        for key, count in Counter(key for key, _ in row).items()
        if count > 1
    )
    return list(islice(faults, MAX_FAULTS))
