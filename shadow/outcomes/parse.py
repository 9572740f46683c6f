"""Parse reported outcomes, in JSON or CSV, as strictly as rows: all of them or none."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from model_package.schema import (
    Fault,
    InvalidRows,
    column_faults,
    csv_lines,
    cut,
    first_faults,
    json_excerpt,
    json_rows,
    sorted_by_row,
    take_rows,
)
from model_package.schema.fields import MAX_DOLLARS, MIN_DOLLARS
from model_package.tables import number
from shadow.records import Outcome, OutcomeState

SOURCE_CHARACTERS = 64
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_AHEAD = timedelta(days=1)
LATEST_ID = datetime(2100, 1, 1, tzinfo=UTC)
"""Ids carry a time before this moment. The clock does not limit it: it may have been set back since. An id of
no capture makes no partition (only captures do) and counts as unmatched."""
EXPECTED: Mapping[str, str] = {
    "prediction_id": "the id of a prediction, a UUIDv7 as the answer gave it",
    "price_dollars": "a number of US dollars from 1 to 1,000,000,000",
    "sold_at": "a date such as 2026-11-20, or a date-time with its zone such as 2026-11-20T12:00:00Z; from "
    "1970 on, not after tomorrow",
    "state": "sold or withdrawn",
    "source": f"1 to {SOURCE_CHARACTERS} printable characters",
}
_NEEDED = ("prediction_id", "price_dollars", "sold_at")
_MOST_KEYS = 4 * len(EXPECTED)
_HEX = "[0-9A-Fa-f]"
ID_PATTERN = f"^{_HEX}{{8}}-{_HEX}{{4}}-7{_HEX}{{3}}-[89ABab]{_HEX}{{3}}-{_HEX}{{12}}$"
_ID = re.compile(ID_PATTERN)
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?P<time>[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2}))?\Z"
)


class _InvalidValue(ValueError):
    """The field cannot have this value."""


def parse_json(body: bytes, max_rows: int, now: datetime) -> list[Outcome]:
    """Read one outcome or a list of them, received `now`.

    Raises MalformedBody, TooManyRows or InvalidRows and nothing else.
    """
    rows, duplicate_keys = json_rows(body, max_rows, "outcome")
    parsed = (parse_outcome(row, index, now) for index, row in enumerate(rows))
    return _all(parsed, len(rows), duplicate_keys)


def parse_csv(body: bytes, max_rows: int, now: datetime) -> list[Outcome]:
    """Read a table of outcomes, received `now`; raises what `parse_json` raises."""
    lines = csv_lines(body)
    header = next(lines, [])
    faults = header_faults(header)
    if faults:
        raise InvalidRows(faults)
    cells = take_rows(lines, max_rows, "outcome")
    return _all((parse_line(header, line, row, now) for row, line in enumerate(cells)), len(cells), [])


def _all(parsed: Iterable[ParsedOutcome], rows: int, duplicate_keys: list[Fault]) -> list[Outcome]:
    outcomes: list[Outcome] = []

    def faults_of_rows() -> Iterator[Sequence[Fault]]:
        for report in parsed:
            if report.outcome is not None:
                outcomes.append(report.outcome)
            yield report.faults

    faults, checked = first_faults(faults_of_rows())
    if duplicate_keys or faults:
        raise InvalidRows(sorted_by_row(duplicate_keys + faults), rows - checked)
    return outcomes


def header_faults(header: Sequence[str]) -> list[Fault]:
    """List the faults of a table's header; with a `state` column, price and day may be left out."""
    if len(header) > _MOST_KEYS:
        return [Fault(None, None, f"a header of at most {len(EXPECTED)} fields", f"{len(header)} columns")]
    needed = {name: EXPECTED[name] for name in (_NEEDED[:1] if "state" in header else _NEEDED)}
    return column_faults(header, EXPECTED, needed, f"outcome ({', '.join(EXPECTED)})")


@dataclass(frozen=True, slots=True)
class ParsedOutcome:
    """An outcome, or None and all its faults."""

    outcome: Outcome | None
    faults: Sequence[Fault] = ()


def parse_outcome(value: object, row: int, now: datetime) -> ParsedOutcome:
    """Parse one reported outcome, received `now`."""
    if not isinstance(value, dict) or len(value) > _MOST_KEYS:
        return ParsedOutcome(None, [Fault(row, None, "the fields of an outcome", json_excerpt(value))])
    faults = list(_unknown(value, row))
    read: dict[str, Any] = {}
    for name, expected in EXPECTED.items():
        try:
            read[name] = None if value.get(name) is None else _READERS[name](value[name], now)
        except _InvalidValue:
            faults.append(Fault(row, name, expected, json_excerpt(value[name])))
    faults += _contradictions(read, value, row)
    return ParsedOutcome(None, faults) if faults else ParsedOutcome(_outcome(read, now))


def parse_line(header: Sequence[str], line: Sequence[str], row: int, now: datetime) -> ParsedOutcome:
    """Parse one line of a table with a valid header; an empty cell is null."""
    if len(line) != len(header):
        return ParsedOutcome(None, [Fault(row, None, f"{len(header)} cells", f"{len(line)} cells")])
    cells = {name: text for name, text in zip(header, line, strict=True) if text != ""}
    if "price_dollars" in cells:
        return parse_outcome(cells | {"price_dollars": number(cells["price_dollars"])}, row, now)
    return parse_outcome(cells, row, now)


def _outcome(read: Mapping[str, Any], now: datetime) -> Outcome:
    state = read["state"] or OutcomeState.SOLD
    return Outcome(
        read["prediction_id"], state, read["price_dollars"], read["sold_at"], read["source"], received_at=now
    )


def _unknown(value: Mapping[Any, object], row: int) -> Iterator[Fault]:
    for name in value:
        if name not in EXPECTED:
            got = f"an unknown field with the value {json_excerpt(value[name])}"
            yield Fault(row, cut(str(name)), "the name of a field of an outcome", got)


def _contradictions(read: Mapping[str, Any], value: Mapping[str, object], row: int) -> Iterator[Fault]:
    """Find missing fields, and a price of what was not sold; a field with a fault gets no second one."""
    withdrawn = read.get("state") is OutcomeState.WITHDRAWN
    needed = _NEEDED[:1] if withdrawn or "state" not in read else _NEEDED
    for name in needed:
        if name in read and read[name] is None:
            yield Fault(row, name, EXPECTED[name], "null" if name in value else "nothing")
    if withdrawn and read.get("price_dollars") is not None:
        yield Fault(row, "price_dollars", "no price: it was withdrawn", json_excerpt(value["price_dollars"]))


def _prediction_id(value: object, _now: datetime) -> UUID:
    if not (isinstance(value, str) and _ID.fullmatch(value)):
        raise _InvalidValue
    prediction_id = UUID(value)
    # As a number: the times of the greatest ids are beyond the last year that a datetime can have.
    if (prediction_id.int >> 80) / 1000 >= LATEST_ID.timestamp():
        raise _InvalidValue
    return prediction_id


def _price(value: object, _now: datetime) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _InvalidValue
    try:
        price = float(value)
    except OverflowError:
        raise _InvalidValue from None
    if not MIN_DOLLARS <= price <= MAX_DOLLARS:
        raise _InvalidValue
    return price


def _moment(value: object, now: datetime) -> datetime:
    match = _MOMENT.match(value) if isinstance(value, str) else None
    if match is None:
        raise _InvalidValue
    try:
        parsed = datetime.fromisoformat(match[0].upper())
        moment = parsed.astimezone(UTC) if match["time"] else parsed.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise _InvalidValue from None
    if not EARLIEST <= moment <= now + LATEST_AHEAD:
        raise _InvalidValue
    return moment


def _state(value: object, _now: datetime) -> OutcomeState:
    if not (isinstance(value, str) and value in list(OutcomeState)):
        raise _InvalidValue
    return OutcomeState(value)


def _source(value: object, _now: datetime) -> str:
    if not (isinstance(value, str) and 0 < len(value) <= SOURCE_CHARACTERS and value.isprintable()):
        raise _InvalidValue
    return value


_READERS: Mapping[str, Callable[[object, datetime], object]] = {
    "prediction_id": _prediction_id,
    "price_dollars": _price,
    "sold_at": _moment,
    "state": _state,
    "source": _source,
}
