"""Houses with the prices they sold for: read from a table, fetched from OpenML, or synthetic."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model_package import tables
from model_package.schema import BY_NAME, FIELDS, NAMES, Field, Row, Value
from model_package.schema.fields import MAX_DOLLARS, MIN_DOLLARS, TARGET, TARGET_SOURCE, spelling
from model_package.schema.houses import read_house
from model_package.spool import Spool
from model_package.tables import InvalidTable, number

Month = tuple[int, int]
OPENML_NAME = "house_prices"
OPENML_VERSION = 1
_NULLS = ("", "NA", "NaN", "nan")


class InvalidDataset(ValueError):
    """A table that cannot be read as houses and prices; names column, line and value."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Sold houses. `prices` has shape (n,), US dollars; `source` says plainly what they are."""

    rows: tuple[Row, ...]
    prices: NDArray[np.float64]
    source: str

    @property
    def digest(self) -> str:
        """SHA-256 of rows and prices, whatever file or column order they came from."""
        lines = (
            json.dumps([*row.values(), price]) for row, price in zip(self.rows, self.prices, strict=True)
        )
        return sha256("\n".join(lines).encode()).hexdigest()

    def only(self, chosen: NDArray[np.bool_]) -> Dataset:
        """Return the sales where `chosen`, of shape (n,), is true."""
        return dataset(
            (row for row, is_chosen in zip(self.rows, chosen, strict=True) if is_chosen),
            self.prices[chosen],
            self.source,
        )


@dataclass(frozen=True, slots=True)
class Split:
    """Training and hold-out sales; every hold-out sale is of `held_out_from` (year, month) or later."""

    train: Dataset
    held_out: Dataset
    held_out_from: Month


def dataset(rows: Iterable[Row], prices: NDArray[np.float64], source: str) -> Dataset:
    """Make a data set whose prices cannot be written to."""
    fixed = np.array(prices, dtype=np.float64)
    fixed.setflags(write=False)
    return Dataset(tuple(rows), fixed, source)


def split(data: Dataset, held_out_from: Month | None = None) -> Split:
    """Split by sale date, never at random: a model is judged on sales after those it learned from.

    Without `held_out_from` the last calendar year is held out; of a single year its last quarter.
    """
    months = [month_of(row) for row in data.rows]
    boundary = held_out_from or _last_year(months)
    later = np.array([month >= boundary for month in months])
    if later.all() or not later.any():
        span = f"{min(months)} to {max(months)}" if months else "none at all"
        raise InvalidDataset(
            f"cannot split at {boundary}: the sales (year, month) are {span}; more dates are needed"
        )
    return Split(data.only(~later), data.only(later), boundary)


def month_of(row: Row) -> Month:
    """Return year and month of a sale."""
    return int(row["year_sold"] or 0), int(row["month_sold"] or 0)


def _last_year(months: Sequence[Month]) -> Month:
    years = {year for year, _ in months} or {0}
    return (max(years), 1) if len(years) > 1 else (max(years), 10)


def read_csv(path: Path, waiting: Callable[[str], None] = lambda _: None) -> Dataset:
    """Read sales under the original Ames names or the schema's names, plus the price; raises InvalidDataset.

    Other columns are ignored. A nullable number outside its range is a typing error of the table
    (a garage of the year 2207) and becomes null. `waiting` gets a message when the file is a pipe.
    """
    source, records, lines = f"file {path.name}", list[Mapping[str, str]](), list[int]()
    try:
        with Spool(path, waiting).reading() as file:
            table = tables.from_file(file)
            _columns(table.header, source)
            for line in table:
                table.require_fit(line)
                records.append(dict(zip(table.header, line.cells, strict=True)))
                lines.append(line.first)
    except InvalidTable as fault:
        raise InvalidDataset(f"{path}: {fault}") from fault
    except OSError as fault:
        raise InvalidDataset(f"{path}: {fault.strerror or fault}") from fault
    return _from_records(records, source, lines=lines)


def openml() -> Dataset:
    """Fetch the sales that OpenML holds (1,460 of the Ames table) with scikit-learn; needs the internet.

    There a house without a basement or garage has an empty cell where the original table has `NA`.
    """
    from sklearn.datasets import fetch_openml  # noqa: PLC0415  # 100 MB that reading a file does not need

    table = fetch_openml(name=OPENML_NAME, version=OPENML_VERSION, as_frame=True, parser="auto").frame
    records = json.loads(table.to_json(orient="records"))
    texts = [{name: "" if cell is None else str(cell) for name, cell in record.items()} for record in records]
    return _from_records(texts, f"OpenML {OPENML_NAME}, version {OPENML_VERSION}", empty_is_none=True)


def _from_records(
    records: Sequence[Mapping[str, str]],
    source: str,
    *,
    lines: Sequence[int] = (),
    empty_is_none: bool = False,
) -> Dataset:
    if not records:
        raise InvalidDataset(f"{source}: expected a header and at least one sale, got none")
    columns = _columns(list(records[0]), source)
    prices, rows = [], []
    for line, record in zip(lines or range(2, len(records) + 2), records, strict=True):
        cells = {name: record[column] for name, column in columns.items()}
        prices.append(_price(cells.pop(TARGET), f"{source}, line {line}"))
        values = {
            name: _value(BY_NAME[name], text, empty_is_none=empty_is_none) for name, text in cells.items()
        }
        row, faults = read_house(values, line)
        if row is None:
            faults_text = "; ".join(f"{f.field}: expected {f.expected}, got {f.got}" for f in faults)
            raise InvalidDataset(f"{source}, line {line}: {faults_text}")
        rows.append({name: row[name] for name in NAMES})  # without what says which house it is
    return dataset(rows, np.array(prices), source)


def _columns(header: Sequence[str], source: str) -> dict[str, str]:
    """Map field names to column names, spelled either way; raises InvalidDataset."""
    wanted = {field.name: field.source for field in FIELDS} | {TARGET: TARGET_SOURCE}
    if not header:
        raise InvalidDataset(f"{source}: expected a header and at least one sale, got an empty file")
    spelled = {name: {spelling(original), spelling(name)} for name, original in wanted.items()}
    named = {
        name: [column for column in header if spelling(column) in spellings]
        for name, spellings in spelled.items()
    }
    missing = [f"{wanted[name]} (or {name})" for name, columns in named.items() if not columns]
    if missing:
        raise InvalidDataset(f"{source}: columns missing: {', '.join(missing)}")
    for name, columns in named.items():
        if len(columns) > 1:
            raise InvalidDataset(
                f"{source}, line 1: {wanted[name]} (or {name}): expected one column, got {len(columns)}: "
                f"{', '.join(map(repr, columns))}; remove or rename all but the one to learn from"
            )
    return {name: column for name, (column,) in named.items()}


def _value(field: Field, text: str, *, empty_is_none: bool) -> Value:
    if field.kind == "category":
        if text in field.categories:
            return text
        return "NA" if text == "" and empty_is_none and "NA" in field.categories else text or None
    if text in _NULLS:
        return None
    value = number(text)
    if isinstance(value, str):
        return value
    if field.nullable and not _within(field, value):
        return None
    return int(value) if field.kind == "whole" and value.is_integer() else value


def _within(field: Field, value: float) -> bool:
    return field.minimum is not None and field.maximum is not None and field.minimum <= value <= field.maximum


def _price(text: str, position: str) -> float:
    price = number(text)
    if isinstance(price, str) or not MIN_DOLLARS <= price <= MAX_DOLLARS:
        raise InvalidDataset(
            f"{position}: {TARGET_SOURCE} (or {TARGET}): expected dollars from {MIN_DOLLARS:,.0f} to "
            f"{MAX_DOLLARS:,.0f}, without a thousands separator, got {text!r:.100}"
        )
    return price
