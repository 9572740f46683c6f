"""Outcomes as they are reported, in JSON or CSV: read as strictly as houses are, all of them or none."""

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
    at_most,
    by_row,
    column_faults,
    csv_lines,
    cut,
    first_faults,
    json_rows,
    shown,
)
from model_package.schema.fields import LEAST_DOLLARS, MOST_DOLLARS
from model_package.tables import number
from shadow.records import Outcome, OutcomeState

SOURCE_CHARACTERS = 64
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_AHEAD = timedelta(days=1)
LATEST_ID = datetime(2100, 1, 1, tzinfo=UTC)
"""Ids carry a time before this one. The clock has no say: it may have been set back since an id was made. An
id that nobody was given makes no partition (only captures do) and is counted as unmatched."""
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


class _Unfit(ValueError):
    """A value that its field cannot have."""


def parse_json(body: bytes, max_rows: int, now: datetime) -> list[Outcome]:
    """Read one outcome or a list of them, received `now`.

    Raises MalformedBody, TooManyRows or InvalidRows and nothing else.
    """
    rows, twice = json_rows(body, max_rows, "outcome")
    return _all((judge(row, index, now) for index, row in enumerate(rows)), len(rows), twice)


def parse_csv(body: bytes, max_rows: int, now: datetime) -> list[Outcome]:
    """Read a table of outcomes, received `now`; raises what `parse_json` raises."""
    lines = csv_lines(body)
    header = next(lines, [])
    faults = header_faults(header)
    if faults:
        raise InvalidRows(faults)
    cells = at_most(lines, max_rows, "outcome")
    return _all((judge_line(header, line, row, now) for row, line in enumerate(cells)), len(cells), [])


def _all(judged: Iterable[Judged], rows: int, twice: list[Fault]) -> list[Outcome]:
    outcomes: list[Outcome] = []

    def faults_of_rows() -> Iterator[Sequence[Fault]]:
        for one in judged:
            if one.outcome is not None:
                outcomes.append(one.outcome)
            yield one.faults

    faults, checked = first_faults(faults_of_rows())
    if twice or faults:
        raise InvalidRows(by_row(twice + faults), rows - checked)
    return outcomes


def header_faults(header: Sequence[str]) -> list[Fault]:
    """What is wrong with a table's header. Where a `state` says so, price and day may be left out."""
    if len(header) > _MOST_KEYS:
        return [Fault(None, None, f"a header of at most {len(EXPECTED)} fields", f"{len(header)} columns")]
    needed = {name: EXPECTED[name] for name in (_NEEDED[:1] if "state" in header else _NEEDED)}
    return column_faults(header, EXPECTED, needed, f"outcome ({', '.join(EXPECTED)})")


@dataclass(frozen=True, slots=True)
class Judged:
    """An outcome, or None and all that is wrong with it."""

    outcome: Outcome | None
    faults: Sequence[Fault] = ()


def judge(value: object, row: int, now: datetime) -> Judged:
    """Judge one reported outcome, received `now`."""
    if not isinstance(value, dict) or len(value) > _MOST_KEYS:
        return Judged(None, [Fault(row, None, "the fields of an outcome", shown(value))])
    faults = list(_unknown(value, row))
    read: dict[str, Any] = {}
    for name, expected in EXPECTED.items():
        try:
            read[name] = None if value.get(name) is None else _READERS[name](value[name], now)
        except _Unfit:
            faults.append(Fault(row, name, expected, shown(value[name])))
    faults += _contradictions(read, value, row)
    return Judged(None, faults) if faults else Judged(_outcome(read, now))


def judge_line(header: Sequence[str], line: Sequence[str], row: int, now: datetime) -> Judged:
    """Judge one line of a table with a right header; an empty cell is null."""
    if len(line) != len(header):
        return Judged(None, [Fault(row, None, f"{len(header)} cells", f"{len(line)} cells")])
    given = {name: text for name, text in zip(header, line, strict=True) if text != ""}
    if "price_dollars" in given:
        return judge(given | {"price_dollars": number(given["price_dollars"])}, row, now)
    return judge(given, row, now)


def _outcome(read: Mapping[str, Any], now: datetime) -> Outcome:
    state = read["state"] or OutcomeState.SOLD
    return Outcome(
        read["prediction_id"], state, read["price_dollars"], read["sold_at"], read["source"], received_at=now
    )


def _unknown(value: Mapping[Any, object], row: int) -> Iterator[Fault]:
    for name in value:
        if name not in EXPECTED:
            got = f"an unknown field with the value {shown(value[name])}"
            yield Fault(row, cut(str(name)), "the name of a field of an outcome", got)


def _contradictions(read: Mapping[str, Any], value: Mapping[str, object], row: int) -> Iterator[Fault]:
    """What is missing, and a price of what was not sold. A field that is wrong anyway is not judged again."""
    withdrawn = read.get("state") is OutcomeState.WITHDRAWN
    needed = _NEEDED[:1] if withdrawn or "state" not in read else _NEEDED
    for name in needed:
        if name in read and read[name] is None:
            yield Fault(row, name, EXPECTED[name], "null" if name in value else "nothing")
    if withdrawn and read.get("price_dollars") is not None:
        yield Fault(row, "price_dollars", "no price: it was withdrawn", shown(value["price_dollars"]))


def _prediction_id(value: object, _now: datetime) -> UUID:
    if not (isinstance(value, str) and _ID.fullmatch(value)):
        raise _Unfit
    prediction_id = UUID(value)
    # As a number: what the greatest ids say is beyond the last year a datetime can have.
    if (prediction_id.int >> 80) / 1000 >= LATEST_ID.timestamp():
        raise _Unfit
    return prediction_id


def _price(value: object, _now: datetime) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Unfit
    try:
        price = float(value)
    except OverflowError:
        raise _Unfit from None
    if not LEAST_DOLLARS <= price <= MOST_DOLLARS:
        raise _Unfit
    return price


def _moment(value: object, now: datetime) -> datetime:
    found = _MOMENT.match(value) if isinstance(value, str) else None
    if found is None:
        raise _Unfit
    try:
        read = datetime.fromisoformat(found[0].upper())
        moment = read.astimezone(UTC) if found["time"] else read.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise _Unfit from None
    if not EARLIEST <= moment <= now + LATEST_AHEAD:
        raise _Unfit
    return moment


def _state(value: object, _now: datetime) -> OutcomeState:
    if not (isinstance(value, str) and value in list(OutcomeState)):
        raise _Unfit
    return OutcomeState(value)


def _source(value: object, _now: datetime) -> str:
    if not (isinstance(value, str) and 0 < len(value) <= SOURCE_CHARACTERS and value.isprintable()):
        raise _Unfit
    return value


_READERS: Mapping[str, Callable[[object, datetime], object]] = {
    "prediction_id": _prediction_id,
    "price_dollars": _price,
    "sold_at": _moment,
    "state": _state,
    "source": _source,
}
